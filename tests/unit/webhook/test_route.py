"""What the door answers, and what is kept before it answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from receiver.model.alert import Delivery, Receipt, Spooled
from receiver.model.errors import DeliveryError, StoreError, StoreUnavailable
from receiver.settings import Hidden, Token
from receiver.webhook.access import Access, Keys
from receiver.webhook.metrics import DoorMetrics
from receiver.webhook.route import Door, Event

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
BODY = (Path(__file__).parents[2] / "data" / "deliveries" / "single.01.firing.json").read_bytes()
INGEST = (b"authorization", b"Bearer ingest-token")
VIEWER = (b"authorization", b"Bearer viewer-token")
RECEIPT = Receipt(webhook_id=7, new=1, updated=2, repeated=3, resolved=4)


@dataclass
class Ledger:
    """Keeps what the door hands over, or fails as it is told."""

    failure: Exception | None = None
    refusal: Exception | None = None
    away: UUID | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    letters: list[tuple[bytes, DeliveryError, datetime]] = field(default_factory=list)

    async def record(self, delivery: Delivery) -> Receipt | Spooled:
        if failure := self.failure or self.refusal:
            raise failure
        self.deliveries.append(delivery)
        return Spooled(key=self.away) if self.away else RECEIPT

    async def keep(self, body: bytes, error: DeliveryError, at: datetime) -> int | Spooled:
        if self.failure:
            raise self.failure
        self.letters.append((body, error, at))
        return Spooled(key=self.away) if self.away else 40 + len(self.letters)


@dataclass
class Answer:
    status: int | None
    headers: dict[str, str]
    body: bytes
    events_left: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class House:
    """A door, what is behind it, and what it counts."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.registry = CollectorRegistry()
        tokens = [
            Token(name="alertmanager", role="ingest", token=Hidden("ingest-token")),
            Token(name="people", role="viewer", token=Hidden("viewer-token")),
        ]
        self.door = Door(
            access=Access(Keys(tokens), local=False),
            body_limit=100_000,
            record=self.ledger.record,
            keep=self.ledger.keep,
            metrics=DoorMetrics(self.registry),
            now=lambda: NOW,
        )

    async def post(
        self,
        *parts: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (INGEST,),
        method: str = "POST",
        hangs_up: bool = False,
    ) -> Answer:
        events: list[Event] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        events.append({"type": "http.disconnect"} if hangs_up else {"type": "http.request"})
        said: list[Event] = []

        async def receive() -> Event:
            return events.pop(0)

        async def send(event: Event) -> None:
            said.append(event)

        await self.door({"type": "http", "method": method, "headers": list(headers)}, receive, send)
        start = said[0] if said else {"status": None, "headers": []}
        return Answer(
            status=start["status"],
            headers={name.decode(): value.decode() for name, value in start["headers"]},
            body=b"".join(event.get("body", b"") for event in said[1:]),
            events_left=len(events),
        )

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def house() -> House:
    return House()


async def test_a_delivery_is_answered_once_it_is_recorded(house: House) -> None:
    answer = await house.post(BODY)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"webhook_id": 7, "alerts": {"new": 1, "updated": 2, "repeated": 3, "resolved": 4}}
    assert [delivery.body for delivery in house.ledger.deliveries] == [BODY]
    assert house.ledger.deliveries[0].received_at == NOW


async def test_a_delivery_that_was_spooled_is_answered_with_its_key_and_without_counts(house: House) -> None:
    house.ledger.away = UUID(int=7)

    answer = await house.post(BODY)

    assert answer.status == 200
    assert answer.json == {"webhook_id": "00000000-0000-0000-0000-000000000007", "spooled": True}
    assert house.counted("receiver_deliveries_total", answer="200") == 1
    assert house.counted("receiver_alerts_total", change="new") == 0


async def test_what_is_no_delivery_and_was_spooled_is_400_with_its_key(house: House) -> None:
    house.ledger.away = UUID(int=7)

    answer = await house.post(b"{")

    assert answer.status == 400
    assert answer.json["deadletter_id"] == "00000000-0000-0000-0000-000000000007"
    assert answer.json["spooled"] is True


async def test_a_delivery_may_come_in_parts(house: House) -> None:
    answer = await house.post(BODY[:100], b"", BODY[100:])

    assert answer.status == 200
    assert house.ledger.deliveries[0].body == BODY


async def test_a_delivery_is_counted(house: House) -> None:
    await house.post(BODY)

    assert house.counted("receiver_deliveries_total", answer="200") == 1
    assert house.counted("receiver_delivery_seconds_count") == 1
    changes = ["new", "updated", "repeated", "resolved"]
    assert [house.counted("receiver_alerts_total", change=change) for change in changes] == [1, 2, 3, 4]


async def test_no_token_is_401_and_nothing_is_read(house: House) -> None:
    answer = await house.post(BODY, headers=[])

    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json["status"] == 401
    assert answer.events_left == 2
    assert house.ledger.deliveries == []


async def test_a_wrong_token_is_401(house: House) -> None:
    answer = await house.post(BODY, headers=[(b"authorization", b"Bearer wrong")])

    assert answer.status == 401
    assert house.counted("receiver_deliveries_total", answer="401") == 1


async def test_a_token_that_may_not_post_is_403(house: House) -> None:
    answer = await house.post(BODY, headers=[VIEWER])

    assert answer.status == 403
    assert house.ledger.deliveries == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_anything_but_a_post_is_405(house: House, method: str) -> None:
    answer = await house.post(headers=[], method=method)

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("length", [b"100001", b"9" * 5000])
async def test_a_body_that_says_it_is_too_long_is_413_unread(house: House, length: bytes) -> None:
    answer = await house.post(BODY, headers=[INGEST, (b"content-length", length)])

    assert answer.status == 413
    assert answer.events_left == 2


async def test_a_body_that_turns_out_too_long_is_413_and_read_no_further(house: House) -> None:
    answer = await house.post(*[b" " * 60_000] * 10)

    assert answer.status == 413
    assert answer.events_left == 9
    assert "server.body_limit" in answer.json["detail"]
    assert house.ledger.letters == []


async def test_a_body_of_just_the_limit_is_read(house: House) -> None:
    answer = await house.post(BODY.ljust(100_000), headers=[INGEST, (b"content-length", b"0100000")])

    assert answer.status == 200


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate, gzip", b"br"])
async def test_a_compressed_body_is_415(house: House, encoding: bytes) -> None:
    answer = await house.post(BODY, headers=[INGEST, (b"content-encoding", encoding)])

    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "identity"


async def test_what_is_no_delivery_is_kept_and_then_400(house: House) -> None:
    body = BODY.replace(b'"startsAt":"2026', b'"startsAt":"soon, 2026')

    answer = await house.post(body)

    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "place", "deadletter_id"}
    assert answer.json["place"] == "alerts[0].startsAt"
    assert answer.json["deadletter_id"] == 41
    assert [(kept, at) for kept, _, at in house.ledger.letters] == [(body, NOW)]


async def test_what_is_no_delivery_and_cannot_be_kept_is_503(house: House) -> None:
    house.ledger.failure = StoreUnavailable("the database does not answer")

    answer = await house.post(b"{}")

    assert answer.status == 503


async def test_what_cannot_be_made_durable_is_503(house: House) -> None:
    house.ledger.failure = StoreUnavailable("the database at db.internal does not answer")

    answer = await house.post(BODY)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"db.internal" not in answer.body


async def test_what_the_database_refuses_is_kept_and_need_not_be_sent_again(house: House) -> None:
    house.ledger.refusal = StoreError("Postgres refused: index row size 9016 exceeds the maximum")

    answer = await house.post(BODY)

    assert answer.status == 400
    assert answer.json["deadletter_id"] == 41
    assert b"index" not in answer.body
    [(kept, error, at)] = house.ledger.letters
    assert (kept, at) == (BODY, NOW)
    assert "index row size 9016" in error.reason


async def test_what_the_database_refuses_for_good_is_500(house: House) -> None:
    house.ledger.failure = StoreError("a row was refused")

    answer = await house.post(BODY)

    assert answer.status == 500
    assert b"row" not in answer.body


async def test_a_sender_who_hangs_up_is_counted_and_not_answered(house: House) -> None:
    answer = await house.post(BODY[:50], hangs_up=True)

    assert answer.status is None
    assert house.counted("receiver_deliveries_total", answer="gone") == 1
    assert house.ledger.deliveries == []


async def test_what_was_not_foreseen_is_counted_and_raised(house: House) -> None:
    house.ledger.failure = RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await house.post(BODY)

    assert house.counted("receiver_deliveries_total", answer="500") == 1


async def test_only_http_is_spoken(house: House) -> None:
    async def nothing() -> Event:
        raise AssertionError

    async def silent(_: Event) -> None:
        raise AssertionError

    await house.door({"type": "lifespan"}, nothing, silent)

    assert house.counted("receiver_delivery_seconds_count") == 0
