"""Ways to a store that break off, that spoil what they pass on, and that give no answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from receiver.clients.s3 import S3, Credentials
from receiver.settings import Hidden

_GZIP: Final = b"\x1f\x8b\x08\x00"


_Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def spoilt(data: bytes) -> bytes:
    """Change one byte of what is compressed: its head stays one that can be read."""
    return data.replace(_GZIP, _GZIP[:3] + b"\x01")


@asynccontextmanager
async def wire(
    weed: Any, bucket: str, *, cut_at: int | None = None, change: Callable[[bytes], bytes] = lambda data: data
) -> AsyncIterator[S3]:
    """A way to the store that breaks off after so many bytes, each time anew; or that changes what it passes on."""
    store = urlsplit(weed.url)

    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection(store.hostname, store.port)
        answers = asyncio.create_task(_pass(onward, writer))
        await _pass(reader, back, change=change, cut_at=cut_at)
        await _end(back)
        await answers

    async with _served(passing, weed, bucket, timedelta(seconds=20)) as client:
        yield client


@asynccontextmanager
async def silence(weed: Any, bucket: str) -> AsyncIterator[S3]:
    """A store that takes whatever comes, and never answers; it is waited for half a second."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with _served(silent, weed, bucket, timedelta(seconds=0.5)) as client:
        yield client


@asynccontextmanager
async def _served(serve: _Serving, weed: Any, bucket: str, patience: timedelta) -> AsyncIterator[S3]:
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
    asked = asyncio.Event()

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        await _end(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[asyncio.create_task(serving(reader, writer))] = writer
        asked.set()

    keys = Credentials(access_key=weed.access_key, secret_key=Hidden(weed.secret_key))
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        url = f"http://{host}:{port}"
        client = S3(bucket=bucket, region="us-west-2", endpoint_url=url, credentials=keys, timeout=patience)
        yield client
        await client.close()
        # Connections are accepted in their order: once one of our own is there, none is on its way any more.
        asked.clear()
        _, last = await asyncio.open_connection(host, port)
        await asked.wait()
        await _end(last)
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections)


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    change: Callable[[bytes], bytes] = lambda data: data,
    cut_at: int | None = None,
) -> None:
    """Pass on what comes, until it ends or so many bytes are reached."""
    left = cut_at
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(change(data[:left] if left is not None else data))
            await writer.drain()
            if left is not None:
                left -= len(data)
                if left <= 0:
                    break


async def _end(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, and wait until it is gone: a loop that ends before would leave it open."""
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
