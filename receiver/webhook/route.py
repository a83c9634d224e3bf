"""`POST /api/v1/webhooks/alertmanager`: read a delivery, have it kept, answer.

A bare ASGI callable, mounted by the web for whatever comes; a server that has read a delivery hands it over as it is.
The answers are chosen for what Alertmanager does with them (0.25 to 0.34): it tries again within the flush only after
5xx, so whatever may succeed later is 503; it follows a redirect as a GET without a body and takes its 200 for success,
so there never is one; it takes 429 for final, so there never is one either.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final

import msgspec
import structlog

from receiver.model.alert import Delivery, Receipt, Spooled
from receiver.model.errors import DeliveryError, StoreError, StoreUnavailable
from receiver.webhook.access import CHALLENGE, Access, Refusal, Role
from receiver.webhook.message import parse
from receiver.webhook.metrics import DoorMetrics
from receiver.webhook.problem import PROBLEM_TYPE, problem

RETRY_AFTER: Final = timedelta(seconds=5)
"""For people and proxies; Alertmanager backs off by itself."""

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

Record = Callable[[Delivery], Awaitable[Receipt | Spooled]]
"""Make a delivery durable; raises StoreUnavailable where that cannot be done now."""

Keep = Callable[[bytes, DeliveryError, datetime], Awaitable[int | Spooled]]
"""Keep a body that is no delivery, why it is none and when it came; returns the dead letter's number where it has one
yet."""

_log = structlog.get_logger(__name__)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender is told."""

    status: HTTPStatus
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: str = PROBLEM_TYPE


class Door:
    """The route that Alertmanager posts to.

    Args:
        access: Who may post.
        body_limit: Most bytes of one body; more is 413.
        record: Makes a delivery durable.
        keep: Keeps what is no delivery.
        metrics: Counts.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        *,
        access: Access,
        body_limit: int,
        record: Record,
        keep: Keep,
        metrics: DoorMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._access = access
        self._body_limit = body_limit
        self._record = record
        self._keep = keep
        self._metrics = metrics
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever path it was mounted at is its path."""
        if scope["type"] != "http":
            return
        began = perf_counter()
        body = self._refuse(scope["method"], tuple(scope["headers"])) or await self._read(receive)
        if body is None:
            self.gone(began)
            return
        if isinstance(body, bytes):
            answer = await self.take(body, began)
        else:
            answer = body
            self._count(answer.status, began)
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def admits(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Answer whether what is posted with these headers may be read, all of it, and taken.

        Args:
            headers: Names in lower case.
        """
        return b"content-length" in dict(headers) and self._refuse("POST", headers) is None

    async def take(self, body: bytes, began: float) -> Answer:
        """Have a body kept that was admitted.

        Args:
            body: All of it.
            began: When its request began, by `perf_counter`.
        """
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            answer = await self._kept(body)
            status = answer.status
            return answer
        finally:
            self._count(status, began)

    def gone(self, began: float) -> None:
        """Count a sender who hung up before the body was read."""
        self._count(None, began)

    def _count(self, status: HTTPStatus | None, began: float) -> None:
        self._metrics.answered(status, timedelta(seconds=perf_counter() - began))

    async def _kept(self, body: bytes) -> Answer:
        try:
            return await self._deliver(body, self._now())
        except StoreUnavailable as error:
            _log.warning("delivery_not_durable", reason=str(error))
            return _problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the delivery could not be made durable; send it again",
                (b"retry-after", str(int(RETRY_AFTER.total_seconds())).encode()),
            )
        except StoreError as error:
            _log.error("delivery_not_kept", reason=str(error))
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the delivery could not be kept at all; see the log")

    async def _deliver(self, body: bytes, received_at: datetime) -> Answer:
        try:
            delivery = parse(body, received_at)
        except DeliveryError as error:
            return await self._put_aside(body, error, received_at, say=error.reason)
        try:
            kept = await self._record(delivery)
        except StoreUnavailable:
            raise
        except StoreError as error:
            # Sent again it would be refused again; somebody has to look at it.
            fault = DeliveryError(f"it could not be recorded: {error}")
            return await self._put_aside(
                body, fault, received_at, say="it could not be recorded; its dead letter says why"
            )
        if isinstance(kept, Receipt):
            self._metrics.recorded(kept)
        return Answer(status=HTTPStatus.OK, body=_thanks(kept), media_type="application/json")

    async def _put_aside(self, body: bytes, error: DeliveryError, received_at: datetime, *, say: str) -> Answer:
        """Keep what cannot be recorded as a dead letter, which nobody needs to send again."""
        letter = _named(await self._keep(body, error, received_at))
        _log.warning("delivery_put_aside", place=error.place, reason=error.reason, **letter)
        return _problem(HTTPStatus.BAD_REQUEST, say, place=error.place, **letter)

    def _refuse(self, method: str, headers: Sequence[tuple[bytes, bytes]]) -> Answer | None:
        """Refuse what can be refused before the body is read."""
        if method != "POST":
            return _problem(HTTPStatus.METHOD_NOT_ALLOWED, "deliveries are posted", (b"allow", b"POST"))
        admitted = self._access.admit(headers, Role.INGEST)
        if isinstance(admitted, Refusal):
            return _refusal(admitted)
        given = dict(headers)
        encoding = given.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in {b"identity", b""}:
            return _problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is", (b"accept-encoding", b"identity")
            )
        length = given.get(b"content-length", b"").strip()
        return self._too_large() if length.isdigit() and _exceeds(length, self._body_limit) else None

    async def _read(self, receive: Receive) -> bytes | Answer | None:
        """Read the body; a refusal once it is longer than it may be, None where the sender hung up."""
        parts: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            part: bytes = event.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._body_limit:
                return self._too_large()
            if not event.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> Answer:
        return _problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a delivery has at most {self._body_limit} bytes: raise server.body_limit here, or set max_alerts there",
        )


def _exceeds(length: bytes, limit: int) -> bool:
    """Compare a length in digits; one with more digits than the limit is longer, and is not computed."""
    digits = length.lstrip(b"0")
    return len(digits) > len(str(limit)) or int(digits or b"0") > limit


def _refusal(refusal: Refusal) -> Answer:
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        return _problem(refusal.status, refusal.reason, (b"www-authenticate", CHALLENGE.encode()))
    return _problem(refusal.status, refusal.reason)


def _problem(status: HTTPStatus, detail: str, *headers: tuple[bytes, bytes], **more: object) -> Answer:
    return Answer(status=status, body=problem(status, detail, **more), headers=headers)


def _named(letter: int | Spooled) -> dict[str, object]:
    """Name a dead letter: by its number, or in the spool by its key."""
    if isinstance(letter, Spooled):
        return {"deadletter_id": str(letter.key), "spooled": True}
    return {"deadletter_id": letter}


def _thanks(kept: Receipt | Spooled) -> bytes:
    if isinstance(kept, Spooled):
        return msgspec.json.encode({"webhook_id": str(kept.key), "spooled": True})
    alerts = {"new": kept.new, "updated": kept.updated, "repeated": kept.repeated, "resolved": kept.resolved}
    return msgspec.json.encode({"webhook_id": kept.webhook_id, "alerts": alerts})
