"""Answers that leave in one piece.

Uvicorn writes the head and the body of an answer apart, and each is a call into the kernel, which wakes the reader. The
answer to a delivery is so small that the second call cost as much as reading the delivery.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HELD: Final = 64 * 1024
"""Bytes that are held back at most: beyond, the transport has to know, since it says when it is too much."""


class AtOnceProtocol(HttpToolsProtocol):
    """Uvicorn's own protocol, on a transport that gathers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        whole = cast("asyncio.Transport", transport)
        super().connection_made(cast("asyncio.Transport", Gathering(whole, asyncio.get_running_loop())))


class Gathering:
    """A transport that writes in one piece what is written in one turn of the loop.

    Args:
        transport: What it writes to, and what answers everything else that a transport is asked.
        loop: Whose turns count.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write at the end of this turn, or at once when much has gathered."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD:
            self._flush()

    def close(self) -> None:
        """Write what is held, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
            self._size = 0
