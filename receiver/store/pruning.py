"""Dropping what is old: months of history that S3 has, days of raw deliveries.

A partition is dropped under a lock of its own, after one more look that nothing changed since. Postgres then needs the
whole table for a moment; where it is not to be had at once the transaction gives up and is tried again, rather than
hold up the deliveries that would queue behind it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from sqlalchemy import ColumnElement, CursorResult, and_, column, delete, func, select, table, text, tuple_
from sqlalchemy.exc import DBAPIError

from receiver.model.errors import StoreCrowded
from receiver.model.history import Relation, next_month
from receiver.store.database import Transaction
from receiver.store.exports import TABLES, default_of, time_of, versions, within
from receiver.store.partitions import CALENDARS, partitions_of
from receiver.store.tables import OccurrenceRow
from receiver.store.tombstones import bury

_LOCK_TIMEOUT: Final = timedelta(milliseconds=800)
"""Shorter than Postgres' `deadlock_timeout` of a second: in a deadlock with deliveries it is we who give way."""

_BATCH: Final = 5_000
"""Rows of a default partition that are deleted in one transaction."""

_FIRING: Final = """
select exists (select from alerts where starts_at >= :first and starts_at < :after and status = 'firing')
"""
_HEARD_OF: Final = """
select exists (select from alerts where starts_at >= :first and starts_at < :after and last_seen_at > :horizon)
"""
# Open incidents, and what was merged into them.
_OF_OPEN_INCIDENT: Final = """
with recursive stories (id) as (
  select id from incidents where state = 'open'
  union select i.id from incidents i join stories s on i.merged_into = s.id
)
select exists (
  select from alerts a join stories s on a.incident_id = s.id where a.starts_at >= :first and a.starts_at < :after
)
"""
_ABOUT_OPEN_INCIDENT: Final = """
with recursive stories (id) as (
  select id from incidents where state = 'open'
  union select i.id from incidents i join stories s on i.merged_into = s.id
)
select exists (select from timeline t join stories s on t.incident_id = s.id where t.at >= :first and t.at < :after)
"""
_ABOUT_FIRING: Final = """
select exists (
  select from alerts a
  join timeline t on t.alert_id = to_char(a.starts_at at time zone 'UTC', 'YYYYMM') || '-' || a.id
  where a.status = 'firing' and t.at >= :first and t.at < :after
)
"""
_OBSTACLES: Final = {
    Relation.ALERTS: (
        ("one of its alerts still fires", _FIRING),
        ("one of its alerts belongs to an open incident", _OF_OPEN_INCIDENT),
        ("one of its alerts was heard of within retention.history", _HEARD_OF),
    ),
    Relation.TIMELINE: (
        ("it tells of an open incident", _ABOUT_OPEN_INCIDENT),
        ("it tells of an alert that still fires", _ABOUT_FIRING),
    ),
}
"""Why a month of a relation stays, each with the question that finds it out."""


async def obstacle(tx: Transaction, relation: Relation, month: datetime, horizon: datetime) -> str:
    """Say why a month must stay in Postgres whatever its age; empty when nothing speaks for it."""
    asked = {"first": month, "after": next_month(month), "horizon": horizon}
    for reason, question in _OBSTACLES[relation]:
        names = {name: value for name, value in asked.items() if f":{name}" in question}
        if (await tx.execute(text(question), names)).scalar_one():
            return reason
    return ""


async def hold(tx: Transaction, relation: Relation, month: datetime) -> None:
    """Keep everybody from changing the partition of a month until the transaction ends; reading goes on.

    Raises:
        StoreCrowded: Somebody changes it just now.
    """
    name = await partition(tx, relation.value, month)
    if name:
        async with _impatiently(tx):
            await tx.execute(text(f"lock table {name} in share mode"))


async def drop_month(tx: Transaction, relation: Relation, month: datetime, *, horizon: datetime, at: datetime) -> bool:
    """Drop the partition of a month, where it has one, and leave tombstones of its occurrences.

    Returns:
        Whether it had a partition.

    Raises:
        StoreCrowded: The table is in use; try again in a new transaction.
    """
    name = await partition(tx, relation.value, month)
    if not name:
        return False
    if relation is Relation.ALERTS:
        await bury(tx, month, horizon=horizon, at=at)
    async with _impatiently(tx):
        await tx.execute(text(f"drop table {name}"))
    return True


async def delete_stray(
    tx: Transaction, relation: Relation, month: datetime, *, newest: int, horizon: datetime, at: datetime
) -> int:
    """Delete some of the rows of a month that lie in the default partition, and leave tombstones.

    Args:
        tx: The transaction.
        relation: Of which relation.
        month: Of which month.
        newest: Highest number of a row that S3 has.
        horizon: Alerts that were heard of later stay.
        at: Now.

    Returns:
        How many; nothing is left when it is none.
    """
    rest = default_of(relation)
    which: list[ColumnElement[bool]] = [_month_of(rest, relation, month), rest.c.id <= newest]
    if relation is Relation.ALERTS:
        which.append(rest.c.last_seen_at <= horizon)
    key = (rest.c[relation.time], rest.c.id)
    found = (await tx.execute(select(*key).where(*which).order_by(*key).limit(_BATCH).with_for_update())).all()
    keys = [tuple(row) for row in found]
    if not keys:
        return 0
    if relation is Relation.ALERTS:
        ours = tuple_(OccurrenceRow.starts_at, OccurrenceRow.id).in_(keys)
        await bury(tx, month, horizon=horizon, at=at, only=ours)
    return _count(await tx.execute(delete(rest).where(tuple_(*key).in_(keys))))


async def newest_number(tx: Transaction, relation: Relation, month: datetime) -> int:
    """Give the highest number among the rows of a month."""
    wanted = select(func.coalesce(func.max(TABLES[relation].c.id), 0)).where(within(relation, month))
    return int((await tx.execute(wanted)).scalar_one())


async def partition(tx: Transaction, name: str, first: datetime) -> str:
    """Name the partition of a table that begins at a time; empty where there is none."""
    calendar = next(one for one in CALENDARS if one.table == name)
    wanted = calendar.name(first)
    return wanted if wanted in await tx.run_sync(partitions_of, name) else ""


async def is_empty(tx: Transaction, relation: Relation, month: datetime) -> bool:
    """Answer whether Postgres holds nothing of a month."""
    found = select(time_of(relation)).where(within(relation, month)).limit(1)
    return (await tx.execute(found)).first() is None


async def old_days(tx: Transaction, horizon: datetime) -> list[datetime]:
    """List the days of raw deliveries that have a partition and were over by a time."""
    calendar = next(one for one in CALENDARS if one.table == "deliveries")
    days = []
    for name in sorted(await tx.run_sync(partitions_of, "deliveries")):
        end = name.removeprefix("deliveries_p_")
        if end.isdecimal():
            first = datetime.strptime(end, calendar.pattern).replace(tzinfo=UTC)
            if calendar.start(first, 1) <= horizon:
                days.append(first)
    return days


async def drop_day(tx: Transaction, day: datetime) -> None:
    """Drop a day of raw deliveries.

    Raises:
        StoreCrowded: The table is in use; try again in a new transaction.
    """
    name = await partition(tx, "deliveries", day)
    if name:
        async with _impatiently(tx):
            await tx.execute(text(f"drop table {name}"))


async def delete_stray_deliveries(tx: Transaction, horizon: datetime) -> int:
    """Delete some raw deliveries that lie in the default partition and came before a time; returns how many."""
    rest = table("deliveries_p_default", column("received_at"), column("id"))
    old = select(rest.c.received_at, rest.c.id).where(rest.c.received_at < horizon).limit(_BATCH)
    return _count(await tx.execute(delete(rest).where(tuple_(rest.c.received_at, rest.c.id).in_(old))))


async def unchanged(tx: Transaction, relation: Relation, month: datetime, expected: str) -> bool:
    """Answer whether the rows of a month are still those that had these versions."""
    _, now = await versions(tx, relation, month)
    return now == expected


@asynccontextmanager
async def _impatiently(tx: Transaction) -> AsyncIterator[None]:
    """Wait for locks only so long."""
    await tx.execute(text(f"set local lock_timeout = {int(_LOCK_TIMEOUT.total_seconds() * 1000)}"))
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            raise StoreCrowded("the table is in use at the moment; nothing was dropped") from error
        raise
    await tx.execute(text("set local lock_timeout = 0"))


def _month_of(rest: Any, relation: Relation, month: datetime) -> ColumnElement[bool]:
    time = rest.c[relation.time]
    return and_(time >= month, time < next_month(month))


def _count(result: CursorResult[Any]) -> int:
    return result.rowcount
