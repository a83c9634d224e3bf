"""Counts by the hour are those of the occurrences, and cost nothing when there are many."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from receiver.model.errors import QueryRefused
from receiver.model.history import Step
from receiver.store import rollups
from receiver.store.database import Database
from receiver.store.partitions import keep_ahead
from receiver.store.rollups import HOUR
from receiver.store.stats import Stats, StatsFilter, playbook_ends, stats
from receiver.store.tables import OccurrenceRow
from receiver.store.turns import Turn, claim
from receiver.upkeep.rollup import count_up

NOW: Final = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
TODAY: Final = NOW.replace(hour=0, minute=0)


class Past:
    """Occurrences of a test, each with a name, a begin and a length in minutes."""

    def __init__(self, database: Database, records: Any) -> None:
        self._records = records
        self._database = database
        self._number = 0

    async def occurrence(self, name: str, at: datetime, minutes: float | None = None, **more: Any) -> None:
        self._number += 1
        await self._records.alert(
            labels={"alertname": name, "severity": more.pop("severity", "critical")},
            fingerprint=f"{self._number:016x}",
            starts_at=at,
            status="firing" if minutes is None else "resolved",
            ends_at=None if minutes is None else at + timedelta(minutes=minutes),
            first_seen_at=more.pop("first_seen_at", at),
            **more,
        )

    async def count(self, now: datetime = NOW, counted_at: datetime | None = None) -> bool:
        return await count_up(self._database, now, counted_at=counted_at)

    async def ask(self, *, now: datetime = NOW, top: int = 20, **more: Any) -> Stats:
        wanted: dict[str, Any] = {"since": TODAY, "until": now} | more
        async with self._database.transaction() as tx:
            return await stats(tx, StatsFilter(**wanted), now=now, top=top)

    async def hours(self) -> list[Any]:
        """Every count that is not zero."""
        async with self._database.transaction() as tx:
            found = await tx.execute(
                text(
                    "select hour, alertname, fired, resolved, firing_time from hours "
                    "where fired + resolved > 0 order by 1, 2"
                )
            )
            return [tuple(row) for row in found]


@pytest.fixture
async def past(database: Database, records: Any) -> Past:
    async with database.transaction() as tx:
        await tx.run_sync(keep_ahead, NOW)
    return Past(database, records)


async def test_what_began_and_what_ended_is_counted_in_its_own_hour(past: Past) -> None:
    await past.occurrence("A", TODAY + timedelta(minutes=50), 20)
    await past.occurrence("A", TODAY + timedelta(minutes=55), 1)
    await past.occurrence("B", TODAY + timedelta(hours=1), 90)
    await past.occurrence("C", TODAY + timedelta(hours=2))

    await past.count()

    assert await past.hours() == [
        (TODAY, "A", 2, 1, timedelta(minutes=1)),
        (TODAY + HOUR, "A", 0, 1, timedelta(minutes=20)),
        (TODAY + HOUR, "B", 1, 0, timedelta()),
        (TODAY + 2 * HOUR, "B", 0, 1, timedelta(minutes=90)),
        (TODAY + 2 * HOUR, "C", 1, 0, timedelta()),
    ]


async def test_counting_again_changes_nothing(past: Past) -> None:
    for hour in range(30):
        await past.occurrence(f"A{hour % 3}", NOW - timedelta(hours=hour), 70)

    await past.count()
    once = await past.hours()
    await past.count()

    assert await past.hours() == once
    assert sum(row[2] for row in once) == 29


async def test_the_answer_is_the_same_before_and_after_an_hour_is_counted(past: Past) -> None:
    for minutes in range(0, 300, 7):
        await past.occurrence(
            f"A{minutes % 4}", NOW - timedelta(minutes=minutes), minutes % 50 if minutes % 3 else None
        )
    before = await past.ask(since=NOW - timedelta(hours=5))
    await past.count()

    after = await past.ask(since=NOW - timedelta(hours=5))

    assert (before.total, before.steps, before.alerts) == (after.total, after.steps, after.alerts)
    assert (before.live_since, after.live_since) == (NOW.replace(minute=0) - 5 * HOUR, NOW.replace(minute=0))
    assert after.total.fired == 43


async def test_the_running_hour_is_counted_from_its_own_occurrences(past: Past) -> None:
    await past.occurrence("A", NOW - timedelta(minutes=40), 20)
    await past.count()
    await past.occurrence("A", NOW - timedelta(minutes=5), 3)

    found = await past.ask()

    assert found.live_since == NOW.replace(minute=0)
    assert found.gap_since is None
    assert [(at.hour, one.fired, one.resolved) for at, one in found.steps if one.fired or one.resolved] == [
        (8, 1, 0),
        (9, 1, 2),
    ]


async def test_an_end_that_becomes_known_within_two_days_is_counted(past: Past, database: Database) -> None:
    began = NOW - timedelta(hours=40)
    await past.occurrence("A", began)
    await past.count()
    async with database.transaction() as tx:
        ends = {"at": began + timedelta(hours=1)}
        await tx.execute(text("update alerts set status = 'resolved', ends_at = :at"), ends)

    await past.count()

    assert [row[1:4] for row in await past.hours()] == [("A", 1, 0), ("A", 0, 1)]


async def test_what_is_first_heard_of_days_later_is_added_to_its_hour(past: Past) -> None:
    began = NOW - timedelta(days=9)
    await past.occurrence("A", began, 5)
    await past.count()
    await past.occurrence("A", began + timedelta(minutes=1), first_seen_at=NOW)

    await past.count(NOW + timedelta(minutes=1), counted_at=NOW)

    assert [row[1:4] for row in await past.hours()] == [("A", 2, 1)]


async def test_an_end_that_becomes_known_days_later_is_added_to_its_hour(past: Past) -> None:
    began = NOW - timedelta(days=9)
    await past.count()
    await past.occurrence("A", began, 150, first_seen_at=NOW, resolved_seen_at=NOW)

    await past.count(NOW + timedelta(minutes=1), counted_at=NOW)

    assert [row[1:] for row in await past.hours()] == [
        ("A", 1, 0, timedelta()),
        ("A", 0, 1, timedelta(minutes=150)),
    ]


async def test_what_lay_in_a_spool_is_counted_within_minutes(past: Past) -> None:
    await past.count()
    await past.occurrence("A", NOW - timedelta(hours=9), 5)

    await past.count(NOW + timedelta(minutes=5), counted_at=NOW)
    soon = await past.hours()
    await past.count(NOW + timedelta(minutes=10), counted_at=NOW)

    assert soon == []
    assert [row[1:4] for row in await past.hours()] == [("A", 1, 1)]


async def test_an_hour_that_is_settled_never_shrinks(past: Past, database: Database) -> None:
    began = NOW - timedelta(days=9)
    await past.occurrence("A", began, 5)
    await past.occurrence("A", began + timedelta(minutes=1), 5)
    await past.count()
    async with database.transaction() as tx:
        await tx.execute(text("delete from alerts"))
    await past.occurrence("A", began + timedelta(minutes=2), 7, first_seen_at=NOW)

    await past.count()

    assert [row[1:] for row in await past.hours()] == [("A", 2, 2, timedelta(minutes=10))]


async def test_years_of_history_are_caught_up_on_without_walking_every_hour(past: Past, database: Database) -> None:
    await past.occurrence("Absurd", datetime(1, 1, 1, 5, tzinfo=UTC), 5)
    await past.occurrence("Old", NOW - timedelta(days=3000), 5)
    await past.occurrence("New", NOW - timedelta(days=1), 5)

    await past.count()
    async with database.transaction() as tx:
        rows = (await tx.execute(text("select count(*) from hours"))).scalar_one()

    assert [row[1] for row in await past.hours()] == ["Absurd", "Old", "New"]
    assert rows < 250


async def test_one_counts_while_another_waits_for_nothing(past: Past, database: Database) -> None:
    await past.occurrence("A", NOW - timedelta(days=1), 5)
    async with database.transaction() as tx:
        assert await claim(tx, Turn.ROLLUP)

        assert await past.count() is False

    assert await past.count() is True


async def test_what_was_not_counted_is_told_as_a_gap(past: Past) -> None:
    await past.count(NOW - timedelta(hours=8))

    found = await past.ask()

    assert found.gap_since == NOW.replace(minute=0) - 8 * HOUR
    assert found.live_since == NOW.replace(minute=0) - 5 * HOUR


async def test_the_mean_time_to_resolve_is_that_of_what_ended_in_the_range(past: Past) -> None:
    await past.occurrence("A", TODAY - timedelta(hours=3), 4 * 60)
    await past.occurrence("A", TODAY + timedelta(hours=1), 20)
    await past.occurrence("A", TODAY + timedelta(hours=2))
    await past.occurrence("B", TODAY + timedelta(hours=1), 10)
    await past.count()

    found = await past.ask()

    assert [(name, one.fired, one.mean_time_to_resolve) for name, one in found.alerts] == [
        ("A", 2, timedelta(minutes=130)),
        ("B", 1, timedelta(minutes=10)),
    ]
    assert found.total.mean_time_to_resolve == timedelta(minutes=90)


async def test_the_loudest_come_first_and_no_more_than_asked_for(past: Past) -> None:
    for number in range(5):
        for minute in range(number + 1):
            await past.occurrence(f"A{number}", TODAY + timedelta(minutes=minute), 1)
    await past.count()

    found = await past.ask(top=2)

    assert [(name, one.fired) for name, one in found.alerts] == [("A4", 5), ("A3", 4)]
    assert found.total.fired == 15


async def test_an_alert_that_was_known_and_did_not_fire_is_silent(past: Past) -> None:
    await past.occurrence("Silent", TODAY - timedelta(days=9), 5)
    await past.occurrence("SilentLonger", TODAY - timedelta(days=19), 5)
    await past.occurrence("Loud", TODAY - timedelta(days=9), 5)
    await past.occurrence("Loud", TODAY + timedelta(hours=1), 5)
    await past.occurrence("FiresThroughout", TODAY - timedelta(days=5))
    await past.occurrence("FiredOn", TODAY - timedelta(hours=1), 24 * 60)
    await past.occurrence("JustNow", NOW - timedelta(minutes=1))
    await past.occurrence("JustNow", TODAY - timedelta(days=1), 5)
    await past.count()

    found = await past.ask()
    first = await past.ask(top=1)

    assert [one.alertname for one in found.silent or ()] == ["Silent", "SilentLonger"]
    assert (found.silent or ())[0].last_fired_at == TODAY - timedelta(days=9)
    assert ([one.alertname for one in first.silent or ()], first.silent_alerts) == (["Silent"], 2)


async def test_a_workflow_is_counted_from_its_own_occurrences(past: Past) -> None:
    about: dict[str, Any] = {"namespace": "taskmaster", "workflow": "etl"}
    await past.occurrence("Stuck", TODAY + timedelta(hours=1), 30, **about)
    await past.occurrence("Stuck", TODAY - timedelta(hours=1), 120, **about)
    await past.occurrence("Slow", TODAY + timedelta(hours=2), **about)
    await past.occurrence("Slow", TODAY + timedelta(hours=2), namespace="taskmaster", workflow="other")
    await past.count()

    found = await past.ask(**about)

    assert [(name, one.fired, one.resolved) for name, one in found.alerts] == [("Stuck", 1, 2), ("Slow", 1, 0)]
    assert found.total.mean_time_to_resolve == timedelta(minutes=75)
    assert (found.silent, found.playbooks) == (None, None)


async def test_names_severities_and_namespaces_narrow_the_counts(past: Past) -> None:
    await past.occurrence("A", TODAY, 1, severity="warning", namespace="one")
    await past.occurrence("A", TODAY, 1, namespace="two")
    await past.occurrence("B", NOW, 1, namespace="one")
    await past.count()

    asked: list[dict[str, Any]] = [
        {"alertname": "A"},
        {"severity": "warning"},
        {"namespace": "one"},
        {"alertname": "C"},
    ]
    counts = [(await past.ask(**wanted)).total.fired for wanted in asked]

    assert counts == [2, 1, 2, 0]


async def test_an_incident_is_healed_when_a_live_run_was_seen_to_help_and_nobody_was_needed(
    past: Past, records: Any
) -> None:
    closed = {"state": "closed", "closed_at": TODAY + HOUR}
    each: list[dict[str, Any]] = [{}, {}, {"acknowledged_by": "ann"}, {}, {}, {}, {}, {}, {"merged_into": 1}]
    healed, paged, acknowledged, approved, dry, unchecked, failed, nothing, merged = [
        await records.incident(key=str(number), **closed, **more) for number, more in enumerate(each)
    ]
    await records.incident(key="open")
    await records.incident(key="before", state="closed", closed_at=TODAY - HOUR)
    ended = {"state": "finished", "outcome": "succeeded", "finished_at": TODAY, "steps": [{"action": "verify"}]}
    for number in (healed, paged, acknowledged, merged):
        await records.run(incident_id=number, **ended)
    run = await records.run(incident_id=approved, **ended)
    await records.run(incident_id=dry, **ended | {"mode": "dry_run"})
    await records.run(incident_id=unchecked, **ended | {"steps": [{"action": "workflow.terminate"}]})
    await records.run(incident_id=failed, state="finished", outcome="failed", finished_at=TODAY)
    await records.message(incident_id=paged, place="pagerduty", act="trigger", state="sent", key="page")
    await records.message(incident_id=healed, state="sent", key="told")
    await records.request(run_id=run)

    found = await past.ask()

    assert nothing
    assert found.incidents is not None
    assert (found.incidents.closed, found.incidents.healed) == (8, 1)


async def test_each_end_of_a_playbook_is_counted_once(past: Past, records: Any, database: Database) -> None:
    async def happen(at: datetime) -> None:
        await records.decision(at=at, outcome="blocked", alert_id=f"{at}")
        await records.decision(at=at, outcome=None, alert_id=f"{at} runs", run_id=1)
        await records.run(state="finished", outcome="succeeded", finished_at=at)

    await happen(TODAY + HOUR)
    await happen(TODAY + 2 * HOUR)
    await past.count()
    await past.count()
    await happen(NOW)

    found = await past.ask()
    async with database.transaction() as tx:
        alone = await playbook_ends(tx, found.since, found.until, now=NOW)

    assert found.playbooks == {"restart-stuck-workflow": {"blocked": 3, "succeeded": 3}}
    assert alone == found.playbooks


async def test_days_are_those_of_utc_and_none_is_left_out(past: Past) -> None:
    await past.occurrence("A", TODAY - timedelta(days=2, minutes=1), 1)
    await past.occurrence("A", TODAY - timedelta(days=2), 1)
    await past.count()

    found = await past.ask(since=TODAY - timedelta(days=3), until=TODAY, step=Step.DAY)

    assert [(at, one.fired) for at, one in found.steps] == [
        (TODAY - timedelta(days=3), 1),
        (TODAY - timedelta(days=2), 1),
        (TODAY - timedelta(days=1), 0),
    ]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"workflow": "etl"}, "namespace"),
        ({"since": NOW, "until": TODAY}, "before until"),
        ({"since": datetime(1, 1, 1, tzinfo=UTC)}, "1970"),
        ({"since": NOW - timedelta(days=1200)}, "1100 days"),
        ({"since": NOW - timedelta(days=90), "step": Step.HOUR}, "ask for 1d"),
    ],
)
async def test_a_question_without_an_answer_is_refused(past: Past, wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(QueryRefused, match=said):
        await past.ask(**wanted)


@pytest.mark.usefixtures("past")
async def test_neither_a_question_nor_the_counting_walks_through_the_alerts(database: Database, records: Any) -> None:
    alerts = [
        records.alert_row(
            fingerprint=f"{number:016x}",
            starts_at=NOW - timedelta(minutes=number),
            first_seen_at=NOW - timedelta(minutes=number),
            status="resolved",
            ends_at=NOW - timedelta(minutes=number - 5),
            resolved_seen_at=NOW - timedelta(minutes=number - 5),
            labels={"alertname": f"A{number % 50}"},
            namespace=f"n{number % 10}",
            workflow=f"w{number % 200}",
        )
        for number in range(30_000)
    ]
    await records.bulk(OccurrenceRow, alerts)
    await count_up(database, NOW)
    async with database.transaction() as tx:
        await tx.execute(text("analyze"))

    async with database.transaction() as tx:
        asking, counting = Explaining(tx, "analyze, "), Explaining(tx, "")
        await stats(asking, StatsFilter(since=NOW - timedelta(days=10), until=NOW), now=NOW)  # type: ignore[arg-type]
        one = StatsFilter(since=NOW - timedelta(days=2), until=NOW, namespace="n1", workflow="w1")
        await stats(asking, one, now=NOW)  # type: ignore[arg-type]
        end = NOW.replace(minute=0)
        await rollups.count(counting, end - 2 * HOUR, end)  # type: ignore[arg-type]
        await rollups.next_happening(counting, NOW - timedelta(days=15))  # type: ignore[arg-type]
        await rollups.add_late(counting, seen_since=NOW - HOUR, before=end)  # type: ignore[arg-type]
    of_alerts = [node for node in asking.nodes if "alerts_p_" in node.get("Relation Name", "")]
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in of_alerts)

    assert len(of_alerts) > 5
    assert read < 1_000
    assert "alerts_p_202611" not in asking.walked | counting.walked


class Explaining:
    """A transaction that keeps the plan of each statement on its way."""

    def __init__(self, tx: Any, how: str) -> None:
        self._tx = tx
        self._how = how
        self.nodes: list[dict[str, Any]] = []

    async def execute(self, statement: Any, values: dict[str, Any] | None = None) -> Any:
        explained = text(f"explain ({self._how}format json) {statement.text}")
        found = (await self._tx.execute(explained, values or {})).scalar_one()
        self.nodes += _nodes(found[0]["Plan"])
        return await self._tx.execute(statement, values or {})

    @property
    def walked(self) -> set[str]:
        """Names of what was read from one end to the other."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]
