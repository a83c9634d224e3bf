"""Presses of buttons in Slack: believed only with Slack's signature, written down once, acted upon by the pipeline."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from receiver.store.database import Database
from receiver.web.access import OPEN
from receiver.web.api.asking import Wake
from receiver.web.presses import MALFORMED, Buttons, refuse, take
from receiver.web.pressing import read_press
from receiver.web.problems import not_found
from receiver.webhook.signature import fault_of

BODY_LIMIT: Final = 512 * 1024
"""Bytes of one press: it quotes the whole message, and each of its letters may take nine."""

_REFUSED: Final = "this is no new press of a button of this service, signed by Slack within the last five minutes"


class Ephemeral(Struct, frozen=True, kw_only=True):
    """What only the person sees who pressed."""

    text: str
    response_type: str = "ephemeral"
    replace_original: bool = False


@post(
    "/interactions",
    opt=OPEN,
    status_code=HTTP_200_OK,
    request_max_body_size=BODY_LIMIT,
    security=[],
    summary="Take a press of a button in Slack",
    operation_id="pressButton",
)
async def press_button(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    buttons: NamedDependency[Buttons],
) -> Response[Ephemeral]:
    """Write down what is wanted, and answer whoever pressed. Slack's signature says who speaks; see `slack.users`."""
    secret = buttons.secret()
    if not secret:
        raise not_found("slack.signing_secret is not configured, so that no press could be believed")
    body, now = await request.body(), datetime.now(UTC)
    signature = request.headers.get("x-slack-signature", "")
    fault = fault_of(
        secret,
        timestamp=request.headers.get("x-slack-request-timestamp", "").encode(),
        signature=signature.encode(),
        body=body,
        now=now,
    )
    if fault is not None:
        await refuse(database, fault.value, f"{len(body)} bytes that are not believed", now)
        raise _unbelieved()
    try:
        press = read_press(body)
    except ValueError as error:
        await refuse(database, MALFORMED, str(error), now)
        raise HTTPException(status_code=HTTPStatus.BAD_REQUEST.value, detail=str(error)) from error
    taken = await take(database, wake, buttons, press, mark=signature, now=now)
    if not taken.believed:
        raise _unbelieved()
    return Response(Ephemeral(text=taken.said))


def _unbelieved() -> HTTPException:
    """Make the answer to what is not believed, which tells nothing."""
    return HTTPException(status_code=HTTPStatus.UNAUTHORIZED.value, detail=_REFUSED)


ROUTER = Router("/slack", route_handlers=[press_button], tags=["slack"])
