"""The short way of a storm comes to what the long way comes to, and is left wherever it would not."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import StoreUnavailable
from receiver.model.incident import LabelNames
from receiver.model.matcher import Matcher
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store import intake as way_in
from receiver.store.beginnings import all_begin, begin
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.webhook.message import parse

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NAMES = LabelNames(watchdogs=(Matcher.parse('alertname="Watchdog"'),))
SEVERITIES = ("", "critical", "warning", "info", "odd", "curious")
WRITTEN = ("deliveries", "alerts", "incidents", "timeline", "procrastinate_jobs")


Turn = AbstractAsyncContextManager[None]


class Ways:
    """Which way batches went.

    Attributes:
        short: How many went the short way.
        left: How many tried it, and went the long way in the end.
        closed: Whether none may try it.
    """

    def __init__(self) -> None:
        self.short = 0
        self.left = 0
        self.closed = False


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    ways = Ways()

    async def watched(*arguments: Any) -> list[Receipt] | None:
        receipts = await begin(*arguments)
        ways.short += receipts is not None
        ways.left += receipts is None
        return receipts

    monkeypatch.setattr(way_in, "begin", watched)
    monkeypatch.setattr(way_in, "all_begin", lambda *arguments: not ways.closed and all_begin(*arguments))
    return ways


async def replica(database: Database) -> Intake:
    queue = Queue(database)
    await queue.open()
    return Intake(database, queue, NAMES)


def told(
    *alerts: Mapping[str, str], at: datetime = NOW, began: timedelta = timedelta(), key: int | None = None
) -> Delivery:
    firing = [Firing(labels=labels, annotations={"summary": "it is late"}, starts_at=at - began) for labels in alerts]
    return parse(delivery(*firing), at, key=None if key is None else UUID(int=key))


def stuck(pod: str, **more: str) -> dict[str, str]:
    return {"alertname": "Stuck", "namespace": "argo", "workflow_name": "etl", "severity": "warning", "pod": pod} | more


def history(seed: int) -> Iterator[list[Delivery]]:
    """Batches of alerts that begin, about few workflows, none twice."""
    chance = random.Random(seed)  # noqa: S311 - a history, no secret
    number = 0
    for batch in range(12):
        deliveries = []
        for one in range(chance.randint(1, 6)):
            alerts = []
            for _ in range(chance.randint(1, 4)):
                number += 1
                labels = stuck(f"pod-{number}", workflow_name=f"flow-{chance.randrange(3)}")
                labels["severity"] = chance.choice(SEVERITIES) * chance.choice((1, 1, 1, 300))
                if chance.random() < 0.2:
                    labels["alertname"] = chance.choice(("", "Ü" * 900, "quoted '\"\\ {name}"))
                alerts.append(labels)
            at = NOW + timedelta(seconds=batch, milliseconds=chance.randrange(900))
            deliveries.append(told(*alerts, at=at, began=timedelta(hours=chance.randrange(24)), key=batch * 100 + one))
        yield deliveries


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {name: connection.execute(f"select * from {name} order by id").fetchall() for name in WRITTEN}  # noqa: S608


def emptied(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"truncate {', '.join(WRITTEN)} restart identity cascade")
        for name in ("deliveries", "alerts", "timeline"):
            connection.execute(f"alter sequence {name}_id_seq restart")


@pytest.mark.parametrize("seed", range(8))
async def test_both_ways_come_to_the_same(database: Database, database_url: str, ways: Ways, seed: int) -> None:
    found = []
    for closed in (False, True):
        ways.closed = closed
        emptied(database_url)
        recording = await replica(database)
        receipts = [receipt for batch in history(seed) for receipt in await recording.commit(batch)]
        found.append((receipts, contents(database_url)))

    assert ways.short >= 3
    assert len(found[0][1]["alerts"]) > 40
    assert found[0] == found[1]


@pytest.fixture
async def burning(database: Database, ways: Ways) -> Intake:
    """A replica that knows the incident of one workflow to burn."""
    recording = await replica(database)
    await recording.record(told(stuck("first")))
    assert (ways.short, ways.left) == (0, 0)
    return recording


async def counted(database_url: str) -> tuple[Any, ...]:
    """Count alerts, what their incidents believe to fire, and open incidents."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "select (select count(*) from alerts), sum(firing)::int, count(*) from incidents where state = 'open'"
        )
        return tuple(await found.fetchone() or ())


async def test_an_alert_of_an_incident_that_burns_goes_the_short_way(
    burning: Intake, ways: Ways, database_url: str
) -> None:
    receipt = await burning.record(told(stuck("second"), stuck("third")))

    assert (receipt.new, receipt.updated, receipt.repeated, receipt.resolved) == (2, 0, 0, 0)
    assert (ways.short, ways.left) == (1, 0)
    assert await counted(database_url) == (3, 3, 1)


@pytest.mark.parametrize(
    "otherwise",
    [
        told(stuck("first")),
        told(stuck("second"), stuck("second")),
        told(stuck("second", alertname="Watchdog")),
        told(stuck("second", workflow_name="another")),
        told(stuck("second"), began=timedelta(days=2)),
        parse(delivery(Firing(labels=stuck("second"), annotations={}, starts_at=NOW, ends_at=NOW)), NOW),
        parse(told(stuck("second")).body.replace(b'"truncatedAlerts": 0', b'"truncatedAlerts": 3'), NOW),
    ],
    ids=["known", "twice", "watchdog", "elsewhere", "old", "resolved", "truncated"],
)
async def test_what_is_anything_else_never_tries_it(burning: Intake, ways: Ways, otherwise: Delivery) -> None:
    await burning.commit([otherwise])

    assert (ways.short, ways.left) == (0, 0)


@pytest.mark.parametrize(
    ("meanwhile", "open_incidents"),
    [
        ("update incidents set state = 'closed', closed_at = now()", 1),
        ("update incidents set quiet_since = now(), firing = 0", 1),
        ("update incidents set key = 'renamed'", 2),
    ],
    ids=["closed", "quiet", "renamed"],
)
async def test_an_incident_that_burns_no_more_is_found_out(
    burning: Intake, ways: Ways, database_url: str, meanwhile: str, open_incidents: int
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(meanwhile)

    receipt = await burning.record(told(stuck("second")))
    await burning.record(told(stuck("third")))

    assert receipt.new == 1
    assert ways.left == 1
    assert ways.short == 1
    alerts, _, incidents = await counted(database_url)
    assert (alerts, incidents) == (3, open_incidents)


async def test_what_another_replica_recorded_is_found_out(
    burning: Intake, ways: Ways, database: Database, database_url: str
) -> None:
    await (await replica(database)).record(told(stuck("second")))

    receipt = await burning.record(told(stuck("second"), stuck("third")))

    assert (receipt.new, receipt.repeated) == (1, 1)
    assert (ways.short, ways.left) == (0, 1)
    assert await counted(database_url) == (3, 3, 1)


async def test_what_was_recorded_though_its_answer_was_lost_is_recorded_once(
    burning: Intake, database: Database, database_url: str
) -> None:
    again = told(stuck("second"), key=7)
    first = await burning.record(again)
    other = await replica(database)
    await other.record(told(stuck("third")))

    second = await other.record(again)

    assert second.webhook_id == first.webhook_id
    assert second.new == 0
    assert await counted(database_url) == (3, 3, 1)


async def test_two_replicas_at_once_count_each_alert_once(
    burning: Intake, ways: Ways, database: Database, database_url: str
) -> None:
    other = await replica(database)
    await other.record(told(stuck("another")))
    pods = [f"pod-{number}" for number in range(200)]

    await asyncio.gather(*(each.record(told(stuck(pod))) for pod in pods for each in (burning, other)))

    assert ways.short
    assert await counted(database_url) == (202, 202, 1)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("update incidents set firing = firing + 40", (2, 42, 1)),
        ("update incidents set severity = 'critical', asked = false", (2, 2, 1)),
        ("update incidents set state = 'closed', closed_at = now()", (2, 1, 1)),
    ],
    ids=["counted", "worse", "closed"],
)
async def test_what_changes_while_it_waits_for_the_incident_counts(
    burning: Intake, ways: Ways, database_url: str, change: str, found: tuple[int, int, int]
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as first:
        await first.execute(change)
        second = asyncio.create_task(burning.record(told(stuck("second"))))
        await waits_for_a_lock(first)
        assert not second.done()
        await first.commit()
        await second

    assert ways.left == ("closed" in change)
    assert await counted(database_url) == found
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        (incident,) = connection.execute("select * from incidents where state = 'open'").fetchall()
        jobs = connection.execute("select args from procrastinate_jobs where task_name = 'look'").fetchall()
    if "severity" in change:
        assert (incident["severity"], incident["asked"]) == ("critical", True)
        assert [job["args"]["incident_id"] for job in jobs] == [incident["id"]] * 2


async def test_batches_are_made_ready_beside_each_other_and_taken_to_postgres_one_after_the_other(
    burning: Intake, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way_in, "_TURN", timedelta(seconds=10))
    monkeypatch.setattr(way_in, "_CROWDED_FOR", timedelta(seconds=10))
    under_way = with_postgres = 0
    most = 0
    beside = asyncio.Event()

    async def watched(connection: Any, deliveries: Any, tellings: Any, memory: Any, turn: Turn) -> list[Receipt] | None:
        nonlocal under_way
        under_way += 1
        if under_way == 2:
            beside.set()
        receipts = await begin(connection, deliveries, tellings, memory, alone(turn))
        under_way -= 1
        return receipts

    @asynccontextmanager
    async def alone(turn: Turn) -> AsyncIterator[None]:
        nonlocal with_postgres, most
        async with turn:
            with_postgres += 1
            # However slow the machine is, the other gets as far as its turn meanwhile.
            await beside.wait()
            yield
            most = max(most, with_postgres)
            with_postgres -= 1

    # The door has to have seen a crowd to share one between two batches.
    await asyncio.gather(*(burning.record(told(stuck(f"pod-{number} before"))) for number in range(2)))
    monkeypatch.setattr(way_in, "begin", watched)
    await asyncio.gather(*(burning.record(told(stuck(f"pod-{number}"))) for number in range(50)))

    assert most == 1
    assert await counted(database_url) == (53, 53, 1)


async def test_a_batch_that_waits_for_its_incident_holds_up_no_other(
    burning: Intake, ways: Ways, database_url: str
) -> None:
    await burning.record(told(stuck("another", workflow_name="another")))
    async with await psycopg.AsyncConnection.connect(database_url) as holding:
        await holding.execute("select from incidents where workflow = 'etl' for update")
        held_up = asyncio.create_task(burning.record(told(stuck("second"))))
        await waits_for_a_lock(holding)

        await burning.record(told(stuck("one more", workflow_name="another")))

        assert (ways.short, held_up.done()) == (1, False)
    await held_up
    assert ways.short == 2


async def waits_for_a_lock(connection: psycopg.AsyncConnection[Any]) -> None:
    """Wait until somebody waits for a lock that this connection holds."""
    for _ in range(1_000):
        waiting = await connection.execute("select count(*) from pg_locks where not granted")
        if (await waiting.fetchone() or (0,))[0]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_a_connection_is_what_it_was_afterwards(
    burning: Intake, ways: Ways, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await burning.record(told(stuck("second")))

    for _ in range(8):
        async with database.pool.connection() as connection:
            assert not connection.autocommit

    monkeypatch.setattr(way_in, "_LIMIT", timedelta(seconds=0.2))
    async with database.pool.connection() as holding:
        await holding.execute("select * from incidents for update")
        with pytest.raises(StoreUnavailable):
            await burning.record(told(stuck("third")))
    assert ways.short == 1
    for _ in range(8):
        async with database.pool.connection() as connection:
            assert not connection.autocommit


async def test_what_postgres_refuses_takes_no_neighbour_with_it(burning: Intake, ways: Ways, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table alerts add check (labels ->> 'pod' <> 'refused')")

    answers = await asyncio.gather(
        *(burning.record(told(stuck(pod))) for pod in ("a", "b", "refused", "c")), return_exceptions=True
    )

    assert [type(answer).__name__ for answer in answers] == ["Receipt", "Receipt", "StoreError", "Receipt"]
    assert ways.short
    assert await counted(database_url) == (4, 4, 1)
