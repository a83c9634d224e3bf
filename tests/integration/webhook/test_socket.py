"""The door behind a real HTTP server, spoken to byte by byte, through the hatch and on the way of every request."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.cli.hatch import hatch
from receiver.cli.listening import serving
from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import DeliveryError
from receiver.settings import Hidden, Token
from receiver.webhook.access import Access, Keys
from receiver.webhook.metrics import DoorMetrics
from receiver.webhook.route import Door, Receive, Scope, Send

BODY = (Path(__file__).parents[2] / "data" / "deliveries" / "big1000.01.firing.json").read_bytes()
SMALL = (Path(__file__).parents[2] / "data" / "deliveries" / "single.01.firing.json").read_bytes()
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nAuthorization: Token tok\r\n"
REQUEST = HEAD + f"Content-Length: {len(SMALL)}\r\n\r\n".encode() + SMALL


class House:
    """A served door, what came through it, and how much of it as requests like others."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.usual = 0
        self.failure: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.registry = CollectorRegistry()
        self.door = Door(
            access=Access(Keys([Token(name="am", role="ingest", token=Hidden("tok"))]), local=False),
            body_limit=1_000_000,
            record=self.record,
            keep=self.keep,
            metrics=DoorMetrics(self.registry),
            now=lambda: datetime.now(UTC),
        )
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.served = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
            return
        self.usual += 1
        await self.door(scope, receive, send)

    async def record(self, delivery: Delivery) -> Receipt:
        self.deliveries.append(delivery)
        await self.open.wait()
        if self.failure:
            raise self.failure
        return Receipt(webhook_id=1, new=len(delivery.alerts), updated=0, repeated=0, resolved=0)

    async def keep(self, _body: bytes, _error: DeliveryError, _at: datetime) -> int:
        return 1

    def counted(self, answer: str) -> float | None:
        return self.registry.get_sample_value("receiver_deliveries_total", {"answer": answer})

    async def until_one_came(self) -> None:
        await until(lambda: self.deliveries)

    async def until_counted(self, answer: str) -> None:
        await until(lambda: self.counted(answer) == 1)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what a test looks at rings no bell
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(*, hatched: bool) -> AsyncIterator[House]:
    house = House()
    async with house.served:
        house.served.callback(house.listener.close)
        protocol = hatch(house.door, "/") if hatched else HttpToolsProtocol
        await house.served.enter_async_context(serving(house, house.listener, protocol=protocol))
        yield house


@pytest.fixture
async def hatched() -> AsyncIterator[House]:
    async with served(hatched=True) as house:
        yield house


@pytest.fixture(params=["hatched", "usual"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with served(hatched=request.param == "hatched") as house:
        yield house


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


async def test_a_delivery_in_the_usual_form_is_no_request_to_the_application(hatched: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hatched.port)
    for piece in range(0, len(REQUEST), 50):
        writer.write(REQUEST[piece : piece + 50])
        await writer.drain()
        await asyncio.sleep(0)
    status, _ = await status_of(reader)
    writer.close()

    assert status == 200
    assert [delivery.body for delivery in hatched.deliveries] == [SMALL]
    assert hatched.usual == 0


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
        (REQUEST.replace(b"Host", b"Connection: close\r\nHost"), 200),
        (REQUEST.replace(b"POST /", b"POST /?a=b"), 200),
        (REQUEST.replace(b"POST /", b"POST //"), 200),
        (REQUEST.replace(b"POST", b"PUT"), 405),
        (REQUEST.replace(b"Token tok", b"Token other"), 401),
        (REQUEST.replace(b"Authorization", b"X-Authorization"), 401),
        (REQUEST.replace(b"Host", b"Content-Encoding: gzip\r\nHost"), 415),
        (REQUEST.replace(b"Content-Length: ", b"Content-Length: 9999999"), 413),
        # Uvicorn reads no body behind it.
        (REQUEST.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost"), 400),
    ],
)
async def test_whatever_is_unusual_or_refused_goes_the_way_of_every_request(
    hatched: House, asked: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hatched.port)
    writer.write(asked)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    writer.close()

    assert int(head.split()[1]) == status
    assert (b"connection: close" in head) is (b"HTTP/1.0" in asked or b"Connection: close" in asked)
    assert hatched.usual == 1


async def test_who_asks_first_whether_to_send_is_told_to(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head, body = REQUEST.replace(b"Host", b"Expect: 100-continue\r\nHost").split(b"\r\n\r\n", 1)
    writer.write(head + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    status, _ = await status_of(reader)
    writer.close()

    assert status == 200


async def test_what_is_sent_without_waiting_is_answered_in_its_order(house: House) -> None:
    house.open.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    asked = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    writer.write(REQUEST + asked + REQUEST + REQUEST + asked)
    await house.until_one_came()
    assert len(house.deliveries) == 1
    house.open.set()
    told = [(await status_of(reader))[0] for _ in range(5)]
    writer.write(REQUEST)
    told.append((await status_of(reader))[0])
    writer.close()

    assert told == [200, 405, 200, 200, 405, 200]
    assert [delivery.body for delivery in house.deliveries] == [SMALL] * 4


async def test_a_delivery_whose_sender_hung_up_while_it_was_kept_is_kept(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    house.open.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(REQUEST)
    await house.until_one_came()
    writer.transport.abort()
    await asyncio.sleep(0.05)
    house.open.set()
    await house.until_counted("200")

    assert caplog.records == []


async def test_what_was_not_foreseen_is_500_and_told_in_the_log(
    hatched: House, caplog: pytest.LogCaptureFixture
) -> None:
    hatched.failure = failure = RuntimeError("a bug with a secret")
    reader, writer = await asyncio.open_connection("127.0.0.1", hatched.port)
    writer.write(REQUEST)
    status, answer = await status_of(reader)
    hatched.failure = None
    writer.write(REQUEST)
    after, _ = await status_of(reader)
    writer.close()

    assert (status, after) == (500, 200)
    assert "secret" not in json.dumps(answer)
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [failure]
    assert hatched.counted("500") == 1


async def test_a_delivery_under_way_is_answered_before_the_end(house: House) -> None:
    house.open.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(REQUEST)
    await house.until_one_came()
    ending = asyncio.create_task(house.served.aclose())
    await asyncio.sleep(0.3)
    house.open.set()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    rest = await reader.read()
    await ending
    writer.close()

    assert head.startswith(b"http/1.1 200")
    assert b"connection: close" in head
    assert json.loads(rest)["alerts"]["new"] == 1


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
    await house.until_counted("gone")

    assert caplog.records == []
    assert house.deliveries == []
