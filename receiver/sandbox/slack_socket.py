"""The Socket Mode of the Slack stand-in: connections that apps open, presses that go to one of them, and their ends.

By https://docs.slack.dev/apis/events-api/using-socket-mode: an address is good for one connection, several may be open
at once and each envelope goes to one of them, and Slack says before it ends one.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from aiohttp import WSMsgType, web

from receiver.sandbox.slack_room import APP_ID

PATH: Final = "/link"
MOST_CONNECTIONS: Final = 10
"""https://docs.slack.dev/apis/events-api/using-socket-mode#connections"""


class Sockets:
    """All connections that apps hold open."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        """Envelopes that were acknowledged, in order."""
        self._tickets: set[str] = set()
        self._open: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Condition()
        self._turn = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def ticket(self, origin: str) -> str:
        """Make the address of one connection."""
        ticket = uuid4().hex
        self._tickets.add(ticket)
        return f"ws{origin.removeprefix('http')}{PATH}/?ticket={ticket}&app_id={APP_ID}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Keep one connection open; a ticket that was used, or is none, is refused."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=404)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self._open) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        hello = {"type": "hello", "num_connections": len(self._open) + 1, "connection_info": {"app_id": APP_ID}}
        await socket.send_json(hello)
        await self._change(socket, here=True)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledge(message.data)
        finally:
            await self._change(socket, here=False)
        return socket

    async def until_open(self, number: int = 1) -> None:
        """Wait until so many connections are open."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._open) == number)

    async def hand_over(self, payload: Mapping[str, Any], patience: float, *, envelope_id: str = "") -> bool:
        """Hand a press to one connection, the next one in turn; says whether it was acknowledged in time.

        Args:
            payload: What Slack says of the press.
            patience: Seconds that Slack waits.
            envelope_id: Of an envelope that is handed over again; empty for a new one.

        Raises:
            LookupError: No connection is open.
        """
        if not self._open:
            raise LookupError("no app holds a connection open")
        number = envelope_id or str(uuid4())
        acknowledged = self._waiting[number] = asyncio.Event()
        self._turn += 1
        socket = self._open[self._turn % len(self._open)]
        envelope = {"envelope_id": number, "type": "interactive", "accepts_response_payload": False, "payload": payload}
        await socket.send_json(envelope)
        try:
            async with asyncio.timeout(patience):
                await acknowledged.wait()
        except TimeoutError:
            return False
        return True

    async def refresh(self, *, at_once: bool) -> None:
        """End the oldest connection as Slack does.

        Args:
            at_once: Without the warning by which an app opens a new one first.
        """
        socket = self._open[0]
        if not at_once:
            await socket.send_json({"type": "disconnect", "reason": "warning", "debug_info": {}})
            await self.until_open(len(self._open) + 1)
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})
        await socket.close()

    def _acknowledge(self, text: str) -> None:
        said = json.loads(text)
        number = said["envelope_id"]
        if said.keys() - {"envelope_id", "payload"}:
            raise ValueError(f"an acknowledgement has other parts: {sorted(said)}")
        self.acknowledged.append(number)
        self._waiting[number].set()

    async def _change(self, socket: web.WebSocketResponse, *, here: bool) -> None:
        async with self._changed:
            if here:
                self._open.append(socket)
            else:
                self._open.remove(socket)
            self._changed.notify_all()
