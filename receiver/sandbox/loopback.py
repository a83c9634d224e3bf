"""A small HTTP server on a free port of loopback, with faults on order: the ground that stand-ins over HTTP share."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

from receiver.sandbox.faults import Faults

HOST = "127.0.0.1"
_LARGEST_BODY = 16 * 2**20
_LONGEST_GOODBYE = 1.0


class LoopbackServer:
    """Routes that are served between `async with` and its end.

    Args:
        routes: What is answered. Everything else is 404.
        port: Where to listen; 0 for any free port.
    """

    def __init__(self, routes: Iterable[web.AbstractRouteDef], *, port: int = 0) -> None:
        self.faults = Faults()
        self._port = port
        app = web.Application(middlewares=[self.faults.middleware], client_max_size=_LARGEST_BODY)
        app.add_routes(routes)
        self._runner = web.AppRunner(app, shutdown_timeout=_LONGEST_GOODBYE)

    @property
    def origin(self) -> str:
        """Scheme, host and port while the server listens, such as `http://127.0.0.1:40123`."""
        return f"http://{HOST}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Start to listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end what hangs."""
        self.faults.release()
        await self._runner.cleanup()
