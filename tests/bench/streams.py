"""What 200 open streams cost `serve`, and how soon each hears of a delivery, against the answer to that delivery.

Half of them are streams of events, half those of open pages, which are told only that something happened. Deliveries
come one at a time, further apart than a page is rung for.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store.embedded import EmbeddedPostgres
from tests.bench import stand

STREAMS: Final = 200
DELIVERIES: Final = 40
_WARMING: Final = 5
_EVENTS: Final = "/api/v1/events/stream"
_PAGE: Final = "/live"
_PATIENCE: Final = 60.0
_FURTHER_APART: Final = (1.2, 1.8)
"""Seconds between two deliveries: more than between two rings, and at no fixed place between two looks."""


def measure(server: EmbeddedPostgres, folder: Path) -> dict[str, float]:
    """Measure; gives seconds, p50 and p99 of each, and bytes for each stream."""
    return asyncio.run(_measure(stand.fresh_database(server, "bench_streams"), folder))


@dataclass(eq=False)
class _Stream(asyncio.Protocol):
    """One open stream, read as it comes; remembers when which delivery was heard of."""

    path: str
    port: int
    waits_for: bytes = b""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = 0.0
    _read: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {stand.TOKEN}\r\n\r\n"
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        self._read = self._read[-200:] + data
        if b"\n\n" in data:
            self.began.set()
        if self.waits_for and self.waits_for in self._read:
            self.at, self.waits_for = time.perf_counter(), b""
            self.heard.set()

    def wait_for(self, mark: bytes) -> None:
        """Listen for the first text that holds a mark, from now on."""
        self._read, self.waits_for = b"", mark
        self.heard.clear()

    async def heard_at(self) -> float:
        """Give when it was heard."""
        async with asyncio.timeout(_PATIENCE):
            await self.heard.wait()
        return self.at


async def _measure(url: str, folder: Path) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        service = stand.receiver(folder, url)
        receiver = await asyncio.to_thread(service.__enter__)
        stack.push_async_callback(asyncio.to_thread, service.__exit__, None, None, None)
        headers = {"Authorization": f"Bearer {stand.TOKEN}", "Content-Type": "application/json"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        door = f"http://127.0.0.1:{receiver.port}/api/v1/webhooks/alertmanager"
        first = [await _opened(receiver.port, path) for path in (_EVENTS, _PAGE)]
        for number in range(_WARMING):
            await _once(session, door, first, f"Warming{number}x")
        before = receiver.memory()
        streams = first + [await _opened(receiver.port, path) for path in (_EVENTS, _PAGE) * (STREAMS // 2 - 1)]
        took = [await _once(session, door, streams, f"Bench{number}x") for number in range(DELIVERIES)]
        held = receiver.memory()
        for stream in streams:
            stream.transport.close()
    answers = [answer for answer, _ in took]
    events = [span for _, spans in took for span in spans[0::2]]
    pages = [span for _, spans in took for span in spans[1::2]]
    figures = {
        f"{name} p{percent}": stand.percentile(values, percent)
        for name, values in (("answer", answers), ("event", events), ("page", pages))
        for percent in (50, 99)
    }
    return figures | {
        "memory MB": before / 1e6,
        "memory with streams MB": held / 1e6,
        "kB a stream": (held - before) / (STREAMS - 2) / 1e3,
    }


async def _opened(port: int, path: str) -> _Stream:
    _, stream = await asyncio.get_running_loop().create_connection(lambda: _Stream(path, port), "127.0.0.1", port)
    async with asyncio.timeout(_PATIENCE):
        await stream.began.wait()
    return stream


async def _once(
    session: aiohttp.ClientSession, door: str, streams: list[_Stream], name: str
) -> tuple[float, list[float]]:
    """Deliver one alert; gives the seconds until it was answered, and from there until each stream heard of it."""
    await asyncio.sleep(random.uniform(*_FURTHER_APART))  # noqa: S311 - no secret
    for stream in streams:
        stream.wait_for(name.encode() if stream.path == _EVENTS else b"event: news")
    began = time.perf_counter()
    firing = Firing(labels={"alertname": name}, annotations={"summary": "look"}, starts_at=datetime.now(UTC))
    async with session.post(door, data=delivery(firing)) as answer:
        answer.raise_for_status()
        await answer.read()
    answered = time.perf_counter()
    return answered - began, [await stream.heard_at() - answered for stream in streams]
