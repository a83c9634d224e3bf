"""Incidents become one, or two, under locks: whoever delivers meanwhile, and however many replicas do it at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from receiver.model.alert import Receipt
from receiver.model.incident import LabelNames, Subject
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store import looks
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.store.merging import Sighting, family, settle
from receiver.webhook.message import parse

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
PATIENCE = 30.0


@dataclass
class Replica:
    """One of several services on a database."""

    database: Database
    intake: Intake

    async def tell(self, *alerts: Firing, at: datetime = NOW) -> Receipt:
        return await self.intake.record(parse(delivery(*alerts), at))

    async def see(self, number: int, name: str, lineage: str, *, created_at: datetime = LONG_AGO) -> tuple[int, ...]:
        """Look at an incident's workflow, and find that it is of a lineage."""
        async with self.database.transaction() as transaction:
            return await settle(transaction, number, sighting(name, lineage, created_at=created_at))


def sighting(name: str, lineage: str, *, created_at: datetime = LONG_AGO) -> Sighting:
    subject = Subject(namespace="argo", workflow=name)
    return Sighting(subject=subject, lineage=lineage, created_at=created_at, at=NOW + timedelta(minutes=1))


@pytest.fixture
async def replicas(database_url: str) -> AsyncIterator[list[Replica]]:
    made = []
    for _ in range(2):
        database = Database(database_url, connections=6)
        await database.open()
        queue = Queue(database)
        await queue.open()
        made.append(Replica(database=database, intake=Intake(database, queue, LabelNames())))
    yield made
    for replica in made:
        await replica.intake.close()
        await replica.database.close()


def firing(name: str, alertname: str = "WorkflowStuckDetection", *, starts_at: datetime = NOW) -> Firing:
    labels = {"alertname": alertname, "severity": "warning", "namespace": "argo", "workflow_name": name}
    return Firing(labels=labels, annotations={}, starts_at=starts_at)


def over(alert: Firing) -> Firing:
    return Firing(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.starts_at,
        ends_at=alert.starts_at + timedelta(minutes=1),
    )


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.transaction() as transaction:
        return [tuple(row) for row in await transaction.execute(text(query))]


async def contradictions(database: Database) -> list[tuple[Any, ...]]:
    """Whatever cannot be, all together: empty when the incidents and their alerts agree."""
    return await rows(
        database,
        """
        select 'miscounted', id from incidents i where firing <>
          (select count(*) from alerts a where a.incident_id = i.id and a.status = 'firing')
        union all select 'left behind', a.id from alerts a join incidents i on i.id = a.incident_id
          where i.state = 'merged'
        union all select 'two of a lineage', min(id) from incidents where state = 'open' and lineage <> ''
          group by lineage having count(*) > 1
        union all select 'merged into a merged one', i.id from incidents i join incidents s on s.id = i.merged_into
          where s.state = 'merged'
        union all select 'younger survived', id from incidents where merged_into >= id
        union all select 'quiet or not', id from incidents
          where state = 'open' and (firing = 0) <> (quiet_since is not null)
        """,
    )


async def waits_for_a_lock(database: Database) -> None:
    """Wait until some statement waits for a lock."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with asyncio.timeout(PATIENCE):
        while not await rows(database, waiting):  # noqa: ASYNC110 - no event tells what Postgres does
            await asyncio.sleep(0.01)


async def test_the_lower_number_survives_and_takes_over_all_counts(replicas: list[Replica]) -> None:
    one, _ = replicas
    await one.tell(firing("a"))
    await one.tell(firing("b"), at=NOW + timedelta(seconds=1))
    await one.tell(firing("b", "WorkflowFailed"), at=NOW + timedelta(seconds=2))
    await one.see(2, "b", "root")

    assert await one.see(1, "a", "root") == (1, 2)

    assert await rows(one.database, "select state, firing, merged_into from incidents order by id") == [
        ("open", 3, None),
        ("merged", 0, 1),
    ]
    assert await contradictions(one.database) == []


async def test_the_survivor_is_the_older_one_also_when_the_younger_was_bound_first(replicas: list[Replica]) -> None:
    one, _ = replicas
    for name in ("a", "b", "c"):
        await one.tell(firing(name))
    await one.see(3, "c", "root")
    assert await one.see(2, "b", "root") == (2, 3)

    assert await one.see(1, "a", "root") == (1, 2)

    async with one.database.transaction() as transaction:
        assert await family(transaction, 1) == (1, 2, 3)
    assert await contradictions(one.database) == []


async def test_whoever_looked_at_an_incident_while_it_was_merged_is_sent_to_the_survivor(
    replicas: list[Replica],
) -> None:
    one, two = replicas
    await one.tell(firing("a"))
    await one.tell(firing("b"))
    await one.see(1, "a", "root")
    await one.see(2, "b", "root")

    assert await two.see(2, "b", "root") == (1,)


async def test_a_closed_incident_takes_nothing_over(replicas: list[Replica]) -> None:
    one, _ = replicas
    alert = firing("a")
    await one.tell(alert)
    await one.see(1, "a", "root")
    await one.tell(over(alert), at=NOW + timedelta(minutes=1))
    async with one.database.transaction() as transaction:
        await transaction.execute(text("update incidents set look_at = null"))
        assert await looks.close_quiet(transaction, NOW + timedelta(minutes=2), NOW, most=10) == [1]
    await one.tell(firing("b"))

    assert await one.see(2, "b", "root") == ()

    found = await rows(one.database, "select state, previous_id, merged_into from incidents order by id")
    assert found == [("closed", None, None), ("open", 1, None)]


async def test_a_key_leads_to_the_survivor_only_while_that_is_open(replicas: list[Replica]) -> None:
    one, _ = replicas
    alerts = [firing("a"), firing("b")]
    for alert in alerts:
        await one.tell(alert)
    await one.see(1, "a", "root")
    await one.see(2, "b", "root")
    await one.tell(*(over(alert) for alert in alerts), at=NOW + timedelta(minutes=1))
    async with one.database.transaction() as transaction:
        await transaction.execute(text("update incidents set look_at = null"))
        assert await looks.close_quiet(transaction, NOW + timedelta(minutes=2), NOW, most=10) == [1]

    await one.tell(firing("b", "WorkflowFailed"), at=NOW + timedelta(minutes=9))

    found = await rows(one.database, "select id, state, previous_id from incidents order by id")
    assert found == [(1, "closed", None), (2, "merged", None), (3, "open", 1)]


async def test_two_replicas_that_merge_at_once_merge_once(replicas: list[Replica]) -> None:
    one, two = replicas
    for number in range(20):
        await one.tell(firing(f"a{number}"), firing(f"b{number}"))
    numbers = dict(await rows(one.database, "select workflow, id from incidents"))

    for number in range(20):
        await asyncio.gather(
            one.see(numbers[f"a{number}"], f"a{number}", f"root{number}"),
            two.see(numbers[f"b{number}"], f"b{number}", f"root{number}"),
        )

    assert await rows(one.database, "select state, count(*) from incidents group by 1 order by 1") == [
        ("merged", 20),
        ("open", 20),
    ]
    assert await rows(one.database, "select count(*) from timeline where kind = 'incident.merged'") == [(40,)]
    assert await contradictions(one.database) == []


async def test_an_alert_that_is_delivered_during_the_merger_goes_to_the_survivor(replicas: list[Replica]) -> None:
    one, two = replicas
    await one.tell(firing("a"))
    await one.tell(firing("b"))
    await one.see(1, "a", "root")

    async with one.database.transaction() as transaction:
        assert await settle(transaction, 2, sighting("b", "root")) == (1, 2)
        late = asyncio.create_task(two.tell(firing("b", "WorkflowFailed")))
        await waits_for_a_lock(one.database)
    receipt = await late

    assert receipt.new == 1
    assert await rows(one.database, "select id, state, firing from incidents order by id") == [
        (1, "open", 3),
        (2, "merged", 0),
    ]
    assert await contradictions(one.database) == []


async def test_a_resolve_that_is_delivered_during_the_merger_counts_for_the_survivor(replicas: list[Replica]) -> None:
    one, two = replicas
    alert = firing("b")
    await one.tell(firing("a"))
    await one.tell(alert)
    await one.see(1, "a", "root")

    async with one.database.transaction() as transaction:
        assert await settle(transaction, 2, sighting("b", "root")) == (1, 2)
        late = asyncio.create_task(two.tell(over(alert), at=NOW + timedelta(minutes=1)))
        await waits_for_a_lock(one.database)
    await late

    assert await rows(one.database, "select id, state, firing from incidents order by id") == [
        (1, "open", 1),
        (2, "merged", 0),
    ]
    assert await contradictions(one.database) == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_at_once_no_alert_is_left_behind_or_counted_twice(
    replicas: list[Replica], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable course of events
    names = [f"w{number}" for number in range(6)]
    for name in names:
        await replicas[0].tell(firing(name))
    numbers = dict(await rows(replicas[0].database, "select workflow, id from incidents"))
    alerts = [firing(name, f"Alert{number}") for name in names for number in range(6)]
    told = [("tell", alert) for alert in alerts] + [("end", alert) for alert in alerts if chance.random() < 0.6]
    seen = [("see", name) for name in names for _ in range(3)]
    course: list[tuple[str, Any]] = [*told, *seen]
    chance.shuffle(course)

    async def do(what: str, about: Any) -> None:
        replica = chance.choice(replicas)
        if what == "see":
            await replica.see(numbers[about], about, f"root{names.index(about) % 2}")
        else:
            alert = over(about) if what == "end" else about
            await replica.tell(alert, at=NOW + timedelta(minutes=1))

    for begin in range(0, len(course), 12):
        await asyncio.gather(*(do(*one) for one in course[begin : begin + 12]))

    assert await contradictions(replicas[0].database) == []
    states = await rows(replicas[0].database, "select state, count(*) from incidents group by 1 order by 1")
    assert states == [("merged", 4), ("open", 2)]
    assert await rows(replicas[0].database, "select count(*) from alerts") == [(len(names) + len(alerts),)]


async def test_a_split_takes_the_key_and_the_newer_alerts_along(replicas: list[Replica]) -> None:
    one, _ = replicas
    await one.tell(firing("a"))
    await one.see(1, "a", "root")
    created_at = NOW + timedelta(minutes=10)
    later = firing("a", "WorkflowFailed", starts_at=created_at + timedelta(minutes=1))
    await one.tell(later, at=later.starts_at)

    assert await one.see(1, "a", "another", created_at=created_at) == (1, 2)

    assert await rows(one.database, "select id, firing, previous_id from incidents order by id") == [
        (1, 1, None),
        (2, 1, 1),
    ]
    await one.tell(firing("a", "Third", starts_at=later.starts_at), at=later.starts_at)
    assert await rows(one.database, "select firing from incidents where id = 2") == [(2,)]
    assert await contradictions(one.database) == []


async def test_an_incident_that_would_lose_all_its_alerts_is_simply_about_the_newer_workflow(
    replicas: list[Replica],
) -> None:
    one, _ = replicas
    await one.tell(firing("a"))
    await one.see(1, "a", "root")

    assert await one.see(1, "a", "another", created_at=NOW - timedelta(minutes=1)) == ()

    assert await rows(one.database, "select id, lineage from incidents") == [(1, "another")]


async def test_two_replicas_that_split_at_once_split_once(replicas: list[Replica]) -> None:
    one, two = replicas
    await one.tell(firing("a"))
    await one.see(1, "a", "root")
    created_at = NOW + timedelta(minutes=10)
    later = firing("a", "WorkflowFailed", starts_at=created_at)
    await one.tell(later, at=created_at)

    await asyncio.gather(*(one_of.see(1, "a", "another", created_at=created_at) for one_of in (one, two, one, two)))

    assert await rows(one.database, "select id, firing from incidents order by id") == [(1, 1), (2, 1)]
    assert await contradictions(one.database) == []


async def test_an_open_run_of_a_merged_incident_keeps_the_survivor_open(replicas: list[Replica]) -> None:
    one, _ = replicas
    alerts = [firing("a"), firing("b")]
    for alert in alerts:
        await one.tell(alert)
    await one.see(1, "a", "root")
    await one.see(2, "b", "root")
    await one.tell(*(over(alert) for alert in alerts), at=NOW + timedelta(minutes=1))
    async with one.database.transaction() as transaction:
        await transaction.execute(text("update incidents set look_at = null"))
        await transaction.execute(
            text(
                "insert into runs (incident_id, alert_id, playbook, version, mode, lineage, state, reason, confirm, "
                "escalate, steps, cursor, vars, entered_at, started_at) values (2, '202611-1', 'p', '1', 'live', '', "
                "'waiting', '', '', true, '[]', 0, '{}', now(), now())"
            )
        )

        assert await looks.close_quiet(transaction, NOW + timedelta(hours=1), NOW, most=10) == []

        await transaction.execute(text("update runs set state = 'finished'"))
        assert await looks.close_quiet(transaction, NOW + timedelta(hours=1), NOW, most=10) == [1]
