"""Which months of history lie on S3, and the rows of a month as they are at one moment.

Whether rows changed since is told by their versions: a number over where Postgres keeps each row and which transaction
wrote it. It costs a look at the rows and not the work of exporting them. Equal means unchanged; different may also mean
that the rows were only moved, which the hash over what they say then shows.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Numeric, Text, and_, cast, column, func, literal, select, table, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from receiver.model.errors import TiersBusy
from receiver.model.history import Export, Relation, next_month
from receiver.store.database import Database, Transaction, translated
from receiver.store.partitions import partitions_of
from receiver.store.rows import Row
from receiver.store.tables import EventRow, ExportRow, OccurrenceRow

TABLES: Final = {Relation.ALERTS: OccurrenceRow.__table__, Relation.TIMELINE: EventRow.__table__}

_LOCK: Final = 7_215_004_814
"""Advisory lock of whoever exports or prunes: two at once would only undo each other's work."""

_FETCH: Final = 1_000
"""Rows that come from the server at once."""


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[None]:
    """Be the only one on this database who exports or prunes.

    Raises:
        TiersBusy: Somebody else is.
    """
    with translated():
        async with database.pool.connection() as connection:
            # Outside of a transaction: the lock is held for as long as the work takes, and a transaction must not be.
            await connection.set_autocommit(True)
            try:
                taken = await (await connection.execute("select pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
                if taken is None or not taken[0]:
                    raise TiersBusy("another export or prune works on this database; let it end, then begin again")
                try:
                    yield
                finally:
                    await connection.execute("select pg_advisory_unlock(%s)", (_LOCK,))
            finally:
                await connection.set_autocommit(False)


def within(relation: Relation, month: datetime) -> ColumnElement[bool]:
    """Say that a row belongs to a month, whichever partition it lies in."""
    time = time_of(relation)
    return and_(time >= month, time < next_month(month))


def time_of(relation: Relation) -> ColumnElement[datetime]:
    """Give the column that decides about the month."""
    found: ColumnElement[datetime] = TABLES[relation].c[relation.time]
    return found


def default_of(relation: Relation) -> Any:
    """Give the default partition, in which whatever has no partition of its own lies."""
    return table(f"{relation.value}_p_default", column("id"), column(relation.time), column("last_seen_at"))


async def months(tx: Transaction, relation: Relation, *, until: datetime) -> list[datetime]:
    """List the months that Postgres holds anything of and that are over by a time, oldest first."""
    names = await tx.run_sync(partitions_of, relation.value)
    pattern = re.compile(rf"{relation.value}_p_(\d{{4}})(\d{{2}})")
    found = {_month(name[1], name[2]) for name in map(pattern.fullmatch, names) if name}
    rest = default_of(relation)
    month = func.date_trunc("month", rest.c[relation.time], "UTC")
    found |= set((await tx.execute(select(month).distinct())).scalars())
    return sorted(first for first in found if next_month(first) <= until)


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Transaction]:
    """Open a transaction that sees the rows as they are at one moment, and changes none."""
    async with database.transaction() as tx:
        await tx.execute(text("set transaction isolation level repeatable read, read only"))
        yield tx


async def versions(tx: Transaction, relation: Relation, month: datetime) -> tuple[int, str]:
    """Count the rows of a month in Postgres, and say what they are now; see the head of this module."""
    place = func.concat_ws(" ", *(cast(text(name), Text) for name in ("tableoid", "ctid", "xmin")))
    mark = func.coalesce(func.sum(cast(func.hashtextextended(place, 0), Numeric)), 0)
    row = (
        await tx.execute(select(func.count(), mark).select_from(TABLES[relation]).where(within(relation, month)))
    ).one()
    return row[0], f"{row[0]}:{row[1]}"


async def rows(
    tx: Transaction, relation: Relation, month: datetime, *, at_once: int
) -> AsyncIterator[list[dict[str, Any]]]:
    """Read the rows of a month in order, some at once; only those are in memory."""
    columns = [cast(one, Text).label(one.name) if one.name == "detail" else one for one in TABLES[relation].c]
    time = time_of(relation)
    wanted = select(*columns).where(within(relation, month)).order_by(time, TABLES[relation].c.id)
    async with tx.stream(wanted, execution_options={"yield_per": _FETCH}) as stream:
        async for part in stream.mappings().partitions(at_once):
            yield [dict(row) for row in part]


async def find(tx: Transaction, relation: Relation, month: datetime) -> Export | None:
    """Find what is known of a month's export."""
    wanted = select(ExportRow.__table__).where(ExportRow.relation == relation.value, ExportRow.month == month)
    row = (await tx.execute(wanted)).one_or_none()
    return None if row is None else _export(row)


async def every(tx: Transaction) -> list[Export]:
    """List all exports, by relation and month."""
    wanted = select(ExportRow.__table__).order_by(ExportRow.relation, ExportRow.month)
    return [_export(row) for row in await tx.execute(wanted)]


async def pruned(
    tx: Transaction, relation: Relation, *, since: datetime | None, until: datetime | None
) -> list[Export]:
    """List the exports of months that Postgres does not hold any more, newest first.

    Args:
        tx: Where they are looked up.
        relation: Of which relation.
        since: Months that were over by then are left out.
        until: Months that begin then, or later, are left out.
    """
    wanted = select(ExportRow.__table__).where(ExportRow.relation == relation.value, ExportRow.pruned_at.is_not(None))
    if until is not None:
        wanted = wanted.where(ExportRow.month < until)
    found = [_export(row) for row in await tx.execute(wanted.order_by(ExportRow.month.desc()))]
    return [one for one in found if since is None or next_month(one.month) > since]


async def keep(tx: Transaction, export: Export) -> None:
    """Write down what is now known of a month's export."""
    values = {**asdict(export), "relation": export.relation.value}
    same = {name: value for name, value in values.items() if name not in {"relation", "month"}}
    wanted = insert(ExportRow).values(**values)
    await tx.execute(wanted.on_conflict_do_update(index_elements=["relation", "month"], set_=same))


async def note_versions(tx: Transaction, export: Export, now_versions: str) -> None:
    """Write down that rows with other versions say the same as the exported ones."""
    await _change(tx, export, versions=now_versions)


async def distrust(tx: Transaction, export: Export) -> None:
    """Write down that an export was not found whole; it is made anew next time."""
    await _change(tx, export, verified_at=None)


async def trust(tx: Transaction, export: Export, at: datetime) -> None:
    """Write down that an export was read back and is whole."""
    await _change(tx, export, verified_at=at)


async def mark_pruned(tx: Transaction, export: Export, at: datetime) -> None:
    """Write down that a month is on S3 alone."""
    await _change(tx, export, pruned_at=at)


async def _change(tx: Transaction, export: Export, **values: Any) -> None:
    which = and_(ExportRow.relation == literal(export.relation.value), ExportRow.month == export.month)
    await tx.execute(update(ExportRow).where(which).values(**values))


def _export(row: Row) -> Export:
    return Export(**{**row._mapping, "relation": Relation(row.relation)})  # noqa: SLF001 - SQLAlchemy's name for it


def _month(year: str, month: str) -> datetime:
    return datetime(int(year), int(month), 1, tzinfo=UTC)
