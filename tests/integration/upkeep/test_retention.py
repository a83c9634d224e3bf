"""What goes by age alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, text

from receiver.model.errors import StoreCrowded
from receiver.settings import Retention
from receiver.store.evidence_tables import BacktestRow, EvidenceRow
from receiver.store.tables import DeliveryRow, LineageRow, TombstoneRow
from receiver.upkeep.retention import drop_deliveries, drop_evidence, drop_stories, keep_retention

DAY = timedelta(days=1)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


async def received(shelf: Any, *times: datetime) -> None:
    async with shelf.database.transaction() as tx:
        for at in times:
            row = {"received_at": at, "key": uuid4(), "receiver": "", "group_key": "", "external_url": ""}
            await tx.execute(insert(DeliveryRow).values(**row, truncated_alerts=0, alerts=0, body=b"{}"))


async def days(shelf: Any) -> list[datetime]:
    async with shelf.database.transaction() as tx:
        return list((await tx.execute(select(DeliveryRow.received_at).order_by(DeliveryRow.received_at))).scalars())


async def partition(shelf: Any, day: datetime) -> None:
    await shelf.run(
        f"create table deliveries_p_{day:%Y%m%d} partition of deliveries "
        f"for values from ('{day.isoformat()}') to ('{(day + DAY).isoformat()}')"
    )


async def test_days_of_deliveries_go_when_they_are_over_for_so_long(shelf: Any) -> None:
    await partition(shelf, JULY)
    await partition(shelf, JULY + DAY)
    await received(shelf, JULY, JULY + DAY, JULY + 2 * DAY, JULY - 40 * DAY)

    await drop_deliveries(shelf.database, JULY + DAY - timedelta(microseconds=1))
    early = await days(shelf)
    await drop_deliveries(shelf.database, JULY + DAY)
    there = await shelf.partitions("deliveries")

    assert early == [JULY, JULY + DAY, JULY + 2 * DAY]
    assert await days(shelf) == [JULY + DAY, JULY + 2 * DAY]
    assert "deliveries_p_20260701" not in there
    assert "deliveries_p_20260702" in there


async def test_a_table_in_use_is_not_waited_for(shelf: Any) -> None:
    await partition(shelf, JULY)
    await received(shelf, JULY)

    async with shelf.database.transaction() as tx:
        await tx.execute(text("select from deliveries limit 1"))
        with pytest.raises(StoreCrowded, match="in use"):
            await drop_deliveries(shelf.database, JULY + DAY)

    assert await days(shelf) == [JULY]


async def test_the_loop_drops_deliveries_and_old_tombstones(shelf: Any) -> None:
    await received(shelf, JULY)
    async with shelf.database.transaction() as tx:
        old = {"fingerprint": "a", "starts_at": JULY, "pruned_at": JULY}
        await tx.execute(insert(TombstoneRow).values(**old))

    loop = asyncio.create_task(keep_retention(shelf.database, Retention(), lambda: shelf.now))
    async with asyncio.timeout(60):
        while await days(shelf) or await shelf.tombstones():  # noqa: ASYNC110 - the loop tells nobody
            await asyncio.sleep(0.02)
    loop.cancel()

    with pytest.raises(asyncio.CancelledError):
        await loop


async def story(shelf: Any, title: str, **given: Any) -> int:
    """An incident that was over in June, with everything that there may be about one."""
    june = {"state": "closed", "opened_at": JULY - 20 * DAY, "closed_at": JULY - 20 * DAY}
    incident = int(await shelf.records.incident(key=title, title=title, **(june | given)))
    run = await shelf.records.run(
        incident_id=incident, state="finished", outcome="succeeded", finished_at=JULY, lineage=title
    )
    await shelf.records.entry(run_id=run)
    await shelf.records.finding(incident_id=incident)
    await shelf.records.decision(incident_id=incident, alert_id=title)
    await shelf.records.message(incident_id=incident, key=title, state="sent")
    seen = {"uid": title, "namespace": "", "name": title, "created_at": JULY, "lineage": title}
    await shelf.records.insert(LineageRow, seen | {"seen_at": JULY - 20 * DAY})
    return incident


async def left(shelf: Any) -> dict[str, set[str]]:
    """The titles of incidents of which each table has something."""
    asked = {
        "runs": "select title from runs join incidents i on i.id = incident_id",
        "journal": "select title from journal join runs r on r.id = run_id join incidents i on i.id = incident_id",
        "findings": "select title from findings join incidents i on i.id = incident_id",
        "decisions": "select title from decisions join incidents i on i.id = incident_id",
        "outbox": "select title from outbox join incidents i on i.id = incident_id",
        "lineages": "select lineage from lineages",
    }
    async with shelf.database.transaction() as tx:
        return {name: set((await tx.execute(text(query))).scalars()) for name, query in asked.items()}


async def test_details_of_an_incident_go_after_its_story_and_not_while_anything_is_under_way(shelf: Any) -> None:
    await story(shelf, "over")
    await story(shelf, "late", closed_at=JULY + DAY)
    survivor = await story(shelf, "open", state="open", closed_at=None)
    await story(shelf, "merged", state="merged", merged_into=survivor)
    await shelf.records.event(incident_id=await story(shelf, "told"), at=JULY)
    await shelf.records.alert(incident_id=await story(shelf, "heard"), starts_at=JULY)
    await shelf.records.run(incident_id=await story(shelf, "running"), state="waiting", lineage="running")
    await shelf.records.message(incident_id=await story(shelf, "unsent"), key="waits", state="pending")
    asked = await story(shelf, "asked")
    proved, stored = await story(shelf, "proved"), await story(shelf, "over in a bucket")
    async with shelf.database.transaction() as tx:
        runs = dict((await tx.execute(text("select incident_id, id from runs"))).all())
    await shelf.records.request(run_id=runs[asked])
    bundle = {"cursor": 0, "at": JULY, "bucket": "", "key": "", "sha256": "", "size": 0, "body": b""}
    await shelf.records.insert(EvidenceRow, {"run_id": runs[proved]} | bundle)
    await shelf.records.insert(
        EvidenceRow, {"run_id": runs[stored]} | bundle | {"bucket": "b", "key": "k", "body": None}
    )
    everything = await left(shelf)

    await drop_stories(shelf.database, JULY)

    stay = everything["runs"] - {"over", "over in a bucket"}
    assert len(stay) == 9
    assert await left(shelf) == dict.fromkeys(everything, stay)
    assert await proofs(shelf) == [runs[proved]]


async def proofs(shelf: Any) -> list[int]:
    """The runs of which evidence is on record."""
    async with shelf.database.transaction() as tx:
        return list((await tx.execute(select(EvidenceRow.run_id).order_by(EvidenceRow.run_id))).scalars())


async def test_evidence_in_postgres_and_backtests_go_by_age_once_their_story_is_over(shelf: Any) -> None:
    old, young, far = [await story(shelf, title) for title in ("old", "young", "far")]
    survivor = await story(shelf, "open", state="open", closed_at=None)
    merged = await story(shelf, "merged", state="merged", merged_into=survivor)
    running = await story(shelf, "running")
    async with shelf.database.transaction() as tx:
        runs = dict((await tx.execute(text("select incident_id, id from runs"))).all())
        await tx.execute(text("update runs set state = 'waiting' where id = :id"), {"id": runs[running]})
    bundle = {"cursor": 0, "at": JULY - DAY, "bucket": "", "key": "", "sha256": "", "size": 0, "body": b"x"}
    for incident, more in (
        (old, {}),
        (young, {"at": JULY}),
        (far, {"bucket": "b", "key": "k", "body": None}),
        (survivor, {}),
        (merged, {}),
        (running, {}),
    ):
        await shelf.records.insert(EvidenceRow, {"run_id": runs[incident]} | bundle | more)
    for number, at in ((1, JULY - DAY), (2, JULY)):
        made = {"request_id": number, "at": at, "playbook": "p", "version": "v", "result": {}}
        await shelf.records.insert(BacktestRow, made)

    await drop_evidence(shelf.database, JULY)

    assert await proofs(shelf) == sorted(set(runs.values()) - {runs[old]})
    async with shelf.database.transaction() as tx:
        assert list((await tx.execute(select(BacktestRow.request_id))).scalars()) == [2]
