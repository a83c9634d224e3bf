"""The door behind a real HTTP server, spoken to byte by byte."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import DeliveryError
from receiver.settings import Hidden, Token
from receiver.webhook.access import Access, Keys
from receiver.webhook.metrics import DoorMetrics
from receiver.webhook.route import Door

BODY = (Path(__file__).parents[2] / "data" / "deliveries" / "big1000.01.firing.json").read_bytes()
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nAuthorization: Token tok\r\n"


class House:
    """A served door and what came through it."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.registry = CollectorRegistry()
        self.door = Door(
            access=Access(Keys([Token(name="am", role="ingest", token=Hidden("tok"))]), local=False),
            body_limit=1_000_000,
            record=self.record,
            keep=self.keep,
            metrics=DoorMetrics(self.registry),
            now=lambda: datetime.now(UTC),
        )
        self.port = 0

    async def record(self, delivery: Delivery) -> Receipt:
        self.deliveries.append(delivery)
        return Receipt(webhook_id=1, new=len(delivery.alerts), updated=0, repeated=0, resolved=0)

    async def keep(self, _body: bytes, _error: DeliveryError, _at: datetime) -> int:
        return 1


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    house.port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(house.door, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn raises a flag, not an event
        await asyncio.sleep(0.01)
    yield house
    server.should_exit = True
    await serving
    listening.close()


async def status_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def test_deliveries_follow_each_other_on_one_connection(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    for _ in range(3):
        writer.write(HEAD + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
        status, answer = await status_of(reader)

        assert status == 200
        assert answer["alerts"] == {"new": 1000, "updated": 0, "repeated": 0, "resolved": 0}
    writer.close()

    assert [delivery.body for delivery in house.deliveries] == [BODY] * 3


async def test_a_delivery_without_a_length_is_read(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:]))
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    status, _ = await status_of(reader)
    writer.close()

    assert status == 200
    assert house.deliveries[0].body == BODY


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(HEAD + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
    status, _ = await status_of(reader)
    writer.close()

    assert status == 413


async def test_a_sender_who_hangs_up_leaves_no_error_behind(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(HEAD + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:1000])
    await writer.drain()
    writer.close()
    async with asyncio.timeout(20):
        while house.registry.get_sample_value("receiver_deliveries_total", {"answer": "gone"}) != 1:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)

    assert caplog.records == []
    assert house.deliveries == []
