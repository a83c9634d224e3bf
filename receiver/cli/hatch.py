"""The hatch: a delivery goes from the socket to the door, and its answer back in one piece.

Uvicorn makes of each request a conversation of events, whatever an application may want of it, and an answer leaves in
two pieces, of which each wakes the reader. A delivery is one message and has one answer; read and answered as such it
costs a third less, before it is recorded. Only what comes in the usual form is passed through. All else, and whatever
is refused, goes the way of every request, on which the application has the same door.
"""

import asyncio
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from receiver.webhook.problem import problem
from receiver.webhook.route import Answer, Door

_FAULT: Final = Answer(
    status=HTTPStatus.INTERNAL_SERVER_ERROR,
    body=problem(HTTPStatus.INTERNAL_SERVER_ERROR, "nobody foresaw what happened to this delivery; see the log"),
)


def hatch(door: Door, path: str) -> type[asyncio.Protocol]:
    """Give uvicorn's `http`, with a hatch to a door.

    Args:
        door: Where deliveries are handed over.
        path: To what they are posted; in another spelling the application is asked.
    """
    return cast("type[asyncio.Protocol]", partial(Hatch, door=door, path=path.encode()))


class _Delivery:
    """A delivery on its way; uvicorn takes it for a request like others, whence the names of its attributes.

    Attributes:
        response_complete: Whether the connection is free for another request.
        disconnected: Whether the sender is gone.
        keep_alive: Whether the connection stays open after the answer.
        message_event: Set when the sender is gone; nobody waits for it.
    """

    message_event: ClassVar = asyncio.Event()

    def __init__(self) -> None:
        self.began = perf_counter()
        self.parts: list[bytes] = []
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True


class Hatch(HttpToolsProtocol):
    """Uvicorn's own protocol, but for deliveries.

    Args:
        arguments: Uvicorn's.
        door: Where deliveries are handed over.
        path: To what they are posted.
        more: Uvicorn's.
    """

    def __init__(self, *arguments: Any, door: Door, path: bytes, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._door = door
        self._path = path
        self._reading: _Delivery | None = None

    def on_headers_complete(self) -> None:
        """Begin to read what is for the hatch, and leave alone what is not."""
        if self._may_pass():
            self._reading = _Delivery()
            self.cycle = cast("RequestResponseCycle", self._reading)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._reading is None:
            super().on_body(body)
        else:
            self._reading.parts.append(body)

    def on_message_complete(self) -> None:
        """Hand over what was read."""
        if self._reading is None:
            super().on_message_complete()
            return
        delivery, self._reading = self._reading, None
        task = self.loop.create_task(self._deliver(delivery), name="delivery")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        super().connection_lost(exc)
        if self._reading is not None:
            self._door.gone(self._reading.began)

    def _may_pass(self) -> bool:
        """Answer whether this is a delivery in the usual form, on a connection on which nothing else is under way."""
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            self.url == self._path
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (before is None or before.response_complete)
            and not self.flow.write_paused
            and self._door.admits(self.headers)
        )

    async def _deliver(self, delivery: _Delivery) -> None:
        # What nobody foresaw is told by the loop, which logs how a task broke that nobody waits for.
        answer = _FAULT
        try:
            answer = await self._door.take(b"".join(delivery.parts), delivery.began)
        finally:
            self._say(answer, delivery)

    def _say(self, answer: Answer, delivery: _Delivery) -> None:
        delivery.response_complete = True
        if self.transport.is_closing():
            return
        lines = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *answer.headers):
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (answer.media_type.encode(), len(answer.body)))
        if not delivery.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", answer.body)
        self.transport.write(b"".join(lines))
        if not delivery.keep_alive:
            self.transport.close()
        self.on_response_complete()
