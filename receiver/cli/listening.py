"""How a process listens: its port, the server on it, and work beside it."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Final

import uvicorn
from msgspec.structs import replace
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.model.errors import SettingsError
from receiver.settings import Settings

Application = Callable[..., Awaitable[None]]

_COLLECT_AFTER: Final = 2_000
"""Objects made and not ended between two looks of the garbage collector, each of which stops everything: for about
1 ms, where 20,000 took 10. Python's default is 700."""
_GRACE: Final = timedelta(seconds=15)
"""How long requests and jobs under way are given to end."""


def listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    """Let the command line have the last word about where to listen."""
    server = replace(
        settings.server,
        host=settings.server.host if host is None else host,
        port=settings.server.port if port is None else port,
    )
    return replace(settings, server=server)


def take_port(host: str, port: int) -> socket.socket:
    """Take the port before anything else is opened: a second service on it is the commonest mistake.

    Raises:
        SettingsError: It is taken, or is not to be had here.
    """
    try:
        return socket.create_server((host, port), backlog=2048, reuse_port=False)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error


@asynccontextmanager
async def serving(
    app: Application,
    listener: socket.socket,
    let_go: Callable[[], Awaitable[None]] | None = None,
    *,
    protocol: type[asyncio.Protocol] = HttpToolsProtocol,
) -> AsyncIterator[None]:
    """Answer requests while the block lasts.

    Args:
        app: An application of ASGI 3.
        listener: Its port.
        let_go: Called when it begins to end, to end what would hold its connections open.
        protocol: Reads requests and hands them to the application.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=int(_GRACE.total_seconds()),
    )
    server = _Server(config)
    async with background("door", lambda: server.serve(sockets=[listener])) as task:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells it by an attribute only
            await asyncio.sleep(0.01)
        try:
            with spared_collector():
                yield
        finally:
            if let_go is not None:
                await let_go()
            server.should_exit = True
            await asyncio.wait([task], timeout=_GRACE.total_seconds())


@contextmanager
def spared_collector() -> Iterator[None]:
    """Let the garbage collector come less often, and leave alone what was made at the start and stays.

    Under load it took a tenth of the CPU time of receiving, and found nothing: hardly anything here is a cycle.
    """
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the command line decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@asynccontextmanager
async def background(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[asyncio.Task[None]]:
    """Run work beside the block, and cancel it at its end; when it breaks, the block is cancelled too."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work(), name=name)
        try:
            yield task
        finally:
            task.cancel()


async def until_asked_to_stop() -> None:
    """Wait for SIGTERM or Ctrl-C."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.set)
    await asked.wait()
