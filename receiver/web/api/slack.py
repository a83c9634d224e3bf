"""Presses of buttons in Slack: believed only with Slack's signature, written down once, acted upon by the pipeline."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from receiver.model.errors import SettingsError
from receiver.model.request import Kind
from receiver.settings import Secret, SlackUser
from receiver.store import presses, requests
from receiver.store.database import Database, Transaction
from receiver.web.access import OPEN
from receiver.web.api.asking import Wake
from receiver.web.pressing import Press, read_press, weigh
from receiver.web.problems import not_found
from receiver.webhook.signature import Fault, fault_of

BODY_LIMIT: Final = 512 * 1024
"""Bytes of one press: it quotes the whole message, and each of its letters may take nine."""

_REFUSED: Final = "this is no new press of a button of this service, signed by Slack within the last five minutes"

_FOREIGN: Final = "foreign"
"""Verdict on a press in a message that is none of ours."""

_log = structlog.get_logger(__name__)


class Buttons:
    """Whose presses count.

    Args:
        secret: The app's signing secret; one that is not given means that nobody's do.
        users: Who may press.

    Raises:
        SettingsError: The secret is given and cannot be read, or somebody is named twice.
    """

    def __init__(self, secret: Secret, users: Sequence[SlackUser]) -> None:
        self._secret = secret
        self._known = secret.reveal() if secret.given else ""
        self.users: Mapping[str, SlackUser] = {user.id: user for user in users}
        ids = [user.id for user in users]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice is not None:
            raise SettingsError(f"slack.users: {twice} is there twice, so that its name and role are not certain")

    def secret(self) -> str:
        """Give the signing secret as it is now; one that cannot be read any more stays. Empty where none is given."""
        if self._secret.given:
            try:
                self._known = self._secret.reveal()
            except SettingsError as error:
                _log.error("secret_unreadable", reason=str(error), consequence="its last known value stays valid")
        return self._known


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
    try:
        press = None if fault else read_press(body)
    except ValueError as error:
        await _refuse(database, "malformed", str(error), now)
        raise HTTPException(status_code=HTTPStatus.BAD_REQUEST.value, detail=str(error)) from error
    if press is None:
        verdict = (fault or Fault.FORGED).value
        raise await _refuse(database, verdict, f"{len(body)} bytes that are not believed", now)
    what = f"{press.kind.value} of incident {press.incident} by {press.user}"
    async with database.transaction() as tx:
        number = await presses.take(tx, signature, at=now)
        if number is not None:
            if await presses.is_ours(tx, press.incident, press.channel, press.ts):
                said = await _take(tx, wake, press, buttons.users.get(press.user), now)
                await presses.note(tx, number, pressed_by=press.user, said=said)
                return Response(Ephemeral(text=said))
            await presses.note(tx, number, pressed_by=press.user, said=what, verdict=_FOREIGN)
    if number is None:
        raise await _refuse(database, "replayed", what, now)
    _log.warning("press_refused", verdict=_FOREIGN, said=what)
    raise _unbelieved()


async def _take(tx: Transaction, wake: Wake, press: Press, user: SlackUser | None, now: datetime) -> str:
    """Write down what follows from a press; says what the person is told at once."""
    wanted = await weigh(tx, press, user, now)
    by = user.name if user else press.user
    if isinstance(wanted, str):
        said = wanted
    else:
        said = wanted.said
        await requests.ask(tx, wanted.kind, wanted.run_id, asked_by=by, detail=wanted.detail)
        await wake(tx, wanted.run_id)
        if wanted.run_id is None:
            # What comes of it is what the person is told; the same in advance would only be noise.
            return said
    # Slack shows nothing of an answer to a press but that it came; the pipeline tells the person.
    detail = {"text": said, "response_url": press.response_url}
    await requests.ask(tx, Kind.EXPLAIN, None, asked_by=by, detail=detail)
    return said


async def _refuse(database: Database, verdict: str, said: str, now: datetime) -> HTTPException:
    """Keep a request that is refused; gives the answer to it, which tells nothing."""
    _log.warning("press_refused", verdict=verdict, said=said)
    async with database.transaction() as tx:
        await presses.refuse(tx, verdict, said=said, at=now)
    return _unbelieved()


def _unbelieved() -> HTTPException:
    return HTTPException(status_code=HTTPStatus.UNAUTHORIZED.value, detail=_REFUSED)


ROUTER = Router("/slack", route_handlers=[press_button], tags=["slack"])
