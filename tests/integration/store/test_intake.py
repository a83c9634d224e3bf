"""Deliveries are kept: each occurrence once, each transition in the timeline, whatever order they come in."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import StoreError, StoreUnavailable
from receiver.model.history import AlertFilter
from receiver.model.incident import LabelNames
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store.database import Database
from receiver.store.history import alerts, incidents
from receiver.store.history.incidents import IncidentFilter
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.store.rollups import HOUR
from receiver.store.stats import StatsFilter, stats
from receiver.webhook.message import parse

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CAPTURES = Path("tests/data/deliveries")


@pytest.fixture
async def queue(database: Database) -> Queue:
    queue = Queue(database)
    await queue.open()
    return queue


@pytest.fixture
async def intake(database: Database, queue: Queue) -> AsyncIterator[Intake]:
    intake = Intake(database, queue, LabelNames())
    yield intake
    await intake.close()


def capture(name: str, at: datetime = NOW) -> Delivery:
    return parse((CAPTURES / name).read_bytes(), at)


def told(**labels: str) -> Delivery:
    return parse(delivery(Firing(labels=labels, annotations={}, starts_at=NOW)), NOW)


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.transaction() as transaction:
        return [tuple(row) for row in await transaction.execute(text(query))]


def said(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.new, receipt.updated, receipt.repeated, receipt.resolved


async def test_a_firing_and_its_resolve_are_one_occurrence_in_one_incident(database: Database, intake: Intake) -> None:
    first = await intake.record(capture("single.01.firing.json"))
    second = await intake.record(capture("single.02.resolved.json", NOW + timedelta(minutes=1)))

    assert said(first) == (1, 0, 0, 0)
    assert said(second) == (0, 0, 0, 1)
    assert await rows(database, "select status, deliveries, firings from alerts") == [("resolved", 2, 1)]
    assert await rows(database, "select state, firing, flaps from incidents") == [("open", 0, 0)]
    kinds = await rows(database, "select kind from timeline order by at, id")
    assert kinds == [("incident.opened",), ("alert.fired",), ("alert.resolved",)]


async def test_twenty_identical_deliveries_at_once_are_one_occurrence(database: Database, intake: Intake) -> None:
    receipts = await asyncio.gather(*(intake.record(capture("single.01.firing.json")) for _ in range(20)))

    assert sum(receipt.new for receipt in receipts) == 1
    assert sum(receipt.repeated for receipt in receipts) == 19
    assert len({receipt.webhook_id for receipt in receipts}) == 20
    assert await rows(database, "select deliveries from alerts") == [(20,)]
    assert await rows(database, "select count(*) from incidents") == [(1,)]


async def test_two_replicas_that_record_the_same_deliveries_never_double_an_occurrence(database_url: str) -> None:
    names = sorted(path.name for path in CAPTURES.glob("*.json") if "big1000" not in path.name)
    stores = [Database(database_url, connections=4) for _ in range(2)]
    intakes = []
    for store in stores:
        await store.open()
        queue = Queue(store)
        await queue.open()
        intakes.append(Intake(store, queue, LabelNames()))

    await asyncio.gather(*(intake.record(capture(name)) for name in names for intake in intakes))
    counted = await rows(
        stores[0],
        "select count(*), count(distinct (fingerprint, starts_at)), sum(deliveries) from alerts",
    )
    incidents = await rows(stores[0], "select count(*), count(distinct key) from incidents where state = 'open'")
    counts = await rows(
        stores[0],
        "select count(*) from incidents i where firing <> "
        "(select count(*) from alerts a where a.incident_id = i.id and a.status = 'firing')",
    )
    for store in stores:
        await store.close()

    told = 2 * sum(len(capture(name).alerts) for name in names)
    assert counted[0][0] == counted[0][1]
    assert counted[0][2] == told
    assert incidents[0][0] == incidents[0][1]
    assert counts == [(0,)]


@pytest.mark.parametrize("path", sorted(CAPTURES.rglob("*.json")), ids=lambda path: str(path.stem))
async def test_every_captured_delivery_is_kept_byte_for_byte(database: Database, intake: Intake, path: Path) -> None:
    body = path.read_bytes()
    delivery = parse(body, NOW)

    receipt = await intake.record(delivery)

    assert sum(said(receipt)) == len(delivery.alerts)
    assert await rows(database, "select body from deliveries") == [(body,)]
    stored = await rows(database, "select fingerprint, starts_at, starts_at_text from alerts order by 1, 2")
    expected = sorted({(one.fingerprint, one.starts_at, one.starts_at_text) for one in delivery.alerts})
    assert stored == expected


async def test_nul_characters_and_nanoseconds_survive(database: Database, intake: Intake) -> None:
    await intake.record(capture("unicode.01.firing.json"))

    texts = await rows(database, "select starts_at_text, annotations::text from alerts order by 1")
    assert any("\ufffd" in str(annotations) for _, annotations in texts)


async def test_names_of_any_length_are_recorded_and_found_again(database: Database, intake: Intake) -> None:
    # Of characters that no compression makes shorter.
    huge = secrets.token_hex(9_000)

    receipts = [
        await intake.record(told(alertname=huge, workflow_name="etl", namespace="argo")),
        await intake.record(told(alertname="Stuck", workflow_name=huge, namespace=huge)),
        await intake.record(
            told(alertname="Stuck", workflow_name="etl", namespace="argo", severity=huge, cluster=huge)
        ),
    ]

    assert [said(receipt) for receipt in receipts] == [(1, 0, 0, 0)] * 3
    assert await rows(database, "select count(*) from alerts where labels->>'alertname' <> alertname") == [(1,)]
    assert await rows(database, "select workflow from alerts where length(workflow) > 100") == [(huge[:800],)]
    async with database.transaction() as tx:
        for one in (
            AlertFilter(alertname=huge),
            AlertFilter(severity=huge),
            AlertFilter(workflow=huge),
            AlertFilter(namespace=huge),
            AlertFilter(namespace=huge, workflow=huge),
        ):
            assert len((await alerts.page(tx, one)).items) == 1, one
        about = IncidentFilter(namespace=huge, workflow=huge)
        assert len((await incidents.page(tx, about)).items) == 1
        counted = await stats(tx, StatsFilter(since=NOW - HOUR, until=NOW + HOUR, alertname=huge), now=NOW + HOUR)
    assert counted.total.fired == 1


@pytest.mark.parametrize("alerts", [1, 600], ids=["in one batch", "each a batch of its own"])
async def test_deliveries_that_wait_for_each_other_crowd_the_door_and_a_lone_one_does_not(
    intake: Intake, alerts: int
) -> None:
    def group() -> Delivery:
        labels = {"alertname": "Slow", "namespace": "argo", "workflow_name": "etl"}
        pods = ({"pod": secrets.token_hex(8)} for _ in range(alerts))
        return parse(delivery(*(Firing(labels=labels | pod, annotations={}, starts_at=NOW) for pod in pods)), NOW)

    async def crowded_after() -> bool:
        await intake.record(group())
        return intake.crowded

    alone = await crowded_after()
    together = await asyncio.gather(*(crowded_after() for _ in range(6)))

    assert (alone, any(together)) == (False, True)


async def test_the_door_is_crowded_for_as_long_as_deliveries_wait_however_slow_postgres_is(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = asyncio.Event()

    async def held(deliveries: Sequence[Delivery]) -> list[Receipt]:
        await answering.wait()
        return await Intake.commit(intake, deliveries)

    monkeypatch.setattr(intake, "commit", held)
    monkeypatch.setattr("receiver.store.intake._CROWDED_FOR", timedelta(0))
    first = asyncio.gather(*(intake.record(told(alertname=f"First{number}")) for number in range(4)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.gather(*(intake.record(told(alertname=f"Second{number}")) for number in range(3)))
    await asyncio.sleep(0)

    waiting = intake.crowded
    answering.set()
    await asyncio.gather(first, second)

    assert (waiting, intake.crowded) == (True, False)


async def test_deliveries_that_come_at_once_are_one_batch(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    async def watched(deliveries: Sequence[Delivery]) -> list[Receipt]:
        sizes.append(len(deliveries))
        return await Intake.commit(intake, deliveries)

    monkeypatch.setattr(intake, "commit", watched)
    await asyncio.gather(*(intake.record(told(alertname=f"Slow{number}")) for number in range(5)))

    assert sizes == [5]


async def test_closing_waits_for_what_was_just_handed_in(intake: Intake) -> None:
    handed_in = asyncio.create_task(intake.record(told(alertname="Slow")))
    await asyncio.sleep(0)

    await intake.close()
    await asyncio.sleep(0)

    assert handed_in.done()
    assert handed_in.result().new == 1


async def test_what_postgres_refuses_takes_no_neighbour_with_it(database: Database, intake: Intake) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(text("alter table alerts add check (alertname <> 'Refused')"))
    names = ["First", "Second", "Refused", "Third"]

    answers = await asyncio.gather(*(intake.record(told(alertname=name)) for name in names), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Receipt, Receipt, StoreError, Receipt]
    assert await rows(database, "select count(*) from alerts") == [(3,)]
    assert await rows(database, "select count(*) from deliveries") == [(3,)]


async def test_a_firing_again_within_the_linger_is_a_flap_of_the_same_incident(
    database: Database, intake: Intake
) -> None:
    await intake.record(capture("single.01.firing.json"))
    await intake.record(capture("single.02.resolved.json", NOW + timedelta(minutes=1)))
    again = capture("single.01.firing.json", NOW + timedelta(minutes=2))
    later = replace(again.alerts[0], starts_at=again.alerts[0].starts_at + timedelta(minutes=2))

    await intake.record(replace(again, alerts=(later,)))

    assert await rows(database, "select count(*) from alerts") == [(2,)]
    assert await rows(database, "select state, firing, flaps, quiet_since from incidents") == [("open", 1, 1, None)]


async def test_a_late_firing_reopens_nothing(database: Database, intake: Intake) -> None:
    await intake.record(capture("single.02.resolved.json"))

    receipt = await intake.record(capture("single.01.firing.json", NOW + timedelta(seconds=5)))

    assert said(receipt) == (0, 0, 1, 0)
    assert await rows(database, "select status, incident_id from alerts") == [("resolved", None)]
    assert await rows(database, "select count(*) from incidents") == [(0,)]


async def test_a_firing_long_after_the_resolve_opens_an_incident(database: Database, intake: Intake) -> None:
    await intake.record(capture("single.02.resolved.json"))

    receipt = await intake.record(capture("single.01.firing.json", NOW + timedelta(minutes=11)))

    assert said(receipt) == (0, 1, 0, 0)
    assert await rows(database, "select status, firings from alerts") == [("firing", 1)]
    assert await rows(database, "select state, firing from incidents") == [("open", 1)]


async def test_what_was_recorded_and_the_job_that_follows_are_committed_together(
    database: Database, intake: Intake
) -> None:
    await intake.record(capture("single.01.firing.json"))

    jobs = await rows(database, "select task_name, args->>'incident_id' from procrastinate_jobs")
    incidents = await rows(database, "select id::text, look_at is not null from incidents")
    assert jobs == [("look", incidents[0][0])]
    assert incidents[0][1] is True


async def test_without_postgres_a_delivery_is_refused_as_unavailable(tmp_path: Path) -> None:
    absent = Database(f"host={tmp_path} dbname=nobody connect_timeout=1", connections=1)
    queue = Queue(absent)
    intake = Intake(absent, queue, LabelNames())

    with pytest.raises(StoreUnavailable):
        await intake.record(capture("single.01.firing.json"))
