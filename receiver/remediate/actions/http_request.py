"""Make one HTTP request to a host that the settings allow."""

import json
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal

import msgspec

from receiver.clients.errand import Reply
from receiver.model.errors import ActionError, ErrandError
from receiver.remediate.actions.action import Complaint, Effect, Params, Performed, Turn
from receiver.remediate.actions.created import told
from receiver.remediate.actions.means import Means, Need, absent

_SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""RFC 9110, 9.2.2: idempotent methods."""
_MOST_SHOWN: Final = 500


class SendRequest(Params, frozen=True, kw_only=True):
    """Make one HTTP request to a host of the setting `http_action.allow`, and go on when it answers with success."""

    url: str
    """Where to; its host is one of `http_action.allow`."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """As in HTTP."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Sent with it."""
    body: dict[str, Any] | None = None
    """Sent as JSON. Without one, POST, PUT and PATCH send why they are made: run, alert, namespace, target."""
    repeatable: bool = False
    """Whether the host does a request once that comes twice with one `Idempotency-Key`. PUT, DELETE, GET and HEAD may
    be repeated in any case; what may not is looked after by people when its answer was lost."""


class HttpRequest(Effect[SendRequest]):
    """The verb `http.request`."""

    name: ClassVar[str] = "http.request"
    params = SendRequest
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HTTP})
    on_target: ClassVar[bool] = False

    def say(self, params: SendRequest, target: str) -> str:
        """Say who is asked, without what may be secret in the path."""
        host = params.url.partition("://")[2].partition("/")[0].partition("?")[0]
        return f"send {params.method} to {host} about {target}"

    def complain(self, params: SendRequest) -> Complaint | None:
        """Refuse what is no address."""
        if params.url.startswith(("https://", "http://")):
            return None
        return Complaint(key="url", reason=f"{params.url!r} is no URL; write one such as https://hooks.example.com/x")

    def repeatable(self, params: SendRequest) -> bool:
        """Answer whether twice is as good as once."""
        return params.repeatable or params.method in _SAFE_TO_REPEAT

    async def look(self, means: Means, turn: Turn[SendRequest]) -> str:
        """Say why it may not be made, as far as that is known beforehand."""
        if means.errands is None:
            return absent(Need.HTTP)
        params = turn.params
        return means.errands.refusal(params.method, params.url, _body(turn), _headers(turn))

    def recover(self, turn: Turn[SendRequest]) -> None:
        """Nobody can see from here whether a request has arrived."""
        del turn

    def refusal(self, turn: Turn[SendRequest]) -> str:
        """Give the reason of `look`."""
        return str(turn.facts.seen or "")

    async def perform(self, means: Means, turn: Turn[SendRequest]) -> Performed:
        """Make it, and judge the answer."""
        if means.errands is None:
            raise ActionError(f"{absent(Need.HTTP)}.")
        params = turn.params
        try:
            reply = await means.errands.request(
                params.method, params.url, body=_body(turn), headers=_headers(turn), operation=turn.operation
            )
        except ErrandError as error:
            raise ActionError(str(error), retryable=error.retryable) from error
        return _judged(turn, reply)


def _judged(turn: Turn[SendRequest], reply: Reply) -> Performed:
    """Take a reply of success.

    Raises:
        ActionError: It is another one.
    """
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        text = f"{turn.params.method} was answered with {reply.status}."
        return Performed(
            text=text, vars=turn.kept, result={"status": reply.status, "answer": _shown(reply.body, _MOST_SHOWN)}
        )
    busy = reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.TOO_MANY_REQUESTS
    said = _shown(reply.body, 200)
    raise ActionError(f"{turn.params.method} was answered with {reply.status}: {said}", retryable=busy)


def _shown(text: str, most: int) -> str:
    """Cut an answer, and drop what Postgres does not take as JSON."""
    return "".join(sign for sign in text[:most] if sign.isprintable() or sign == "\n")


def _body(turn: Turn[SendRequest]) -> bytes:
    if turn.params.body is None and turn.params.method not in {"POST", "PUT", "PATCH"}:
        return b""
    why = {name.removeprefix("RECEIVER_").lower(): value for name, value in told(turn).items()}
    return json.dumps(why if turn.params.body is None else turn.params.body, ensure_ascii=True).encode()


def _headers(turn: Turn[SendRequest]) -> dict[str, str]:
    return {"Content-Type": "application/json", **turn.params.headers} if _body(turn) else dict(turn.params.headers)
