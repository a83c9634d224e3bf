"""What is left of occurrences whose month was dropped, so that a late delivery about one of them is not news.

Not every key is kept: a delivery is late by minutes, by days after an outage, and by weeks only when somebody replays
it. So a key is kept when it was heard of within `REACH` before the retention's horizon, which every month that is
dropped in its turn was, and is forgotten `KEPT` after the drop. The table holds the keys of a few months, whatever the
age of the history.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from receiver.model.history import Relation
from receiver.store.database import Transaction
from receiver.store.exports import within
from receiver.store.tables import OccurrenceRow, TombstoneRow

REACH: Final = timedelta(days=92)
"""A quarter: a prune that was forgotten for two months still keeps the keys of all three."""

KEPT: Final = timedelta(days=92)
"""Longer than Alertmanager remembers anything (120 hours), than a spool waits and than raw deliveries are kept."""

_COLUMNS: Final = ("fingerprint", "starts_at", "ends_at", "pruned_at")


_YOUNGEST: Final = timedelta(days=1)
"""What began later than so long ago was never dropped: no retention is shorter."""

_BURIED: Final = """
select t.fingerprint, t.starts_at
from tombstones t
join unnest(%(fingerprint)s::text[], %(starts_at)s::timestamptz[]) as k (fingerprint, starts_at)
  on t.fingerprint = k.fingerprint and t.starts_at = k.starts_at
"""


def may_be_buried(start: datetime, at: datetime) -> bool:
    """Answer whether what began then, and is told of now, may have been dropped from the history."""
    return start < at - _YOUNGEST


async def buried(
    connection: psycopg.AsyncConnection[Any], told: Iterable[tuple[str, datetime, datetime]]
) -> set[tuple[str, datetime]]:
    """Pick, of occurrences that seem to be new, those that were dropped: what is told of them is late, and not news.

    Nothing is asked when all began lately, as nearly always.

    Args:
        connection: That of the transaction which records what is told.
        told: Fingerprint and start of each, and when it was told.
    """
    old = [(name, start) for name, start, at in told if may_be_buried(start, at)]
    if not old:
        return set()
    names, starts = [name for name, _ in old], [start for _, start in old]
    found = await connection.execute(_BURIED, {"fingerprint": names, "starts_at": starts}, prepare=True)
    return {(name, start) for name, start in await found.fetchall()}


async def bury(tx: Transaction, month: datetime, *, horizon: datetime, at: datetime, only: Any = None) -> int:
    """Leave a tombstone for each occurrence of a month that is about to be dropped; returns how many.

    Args:
        tx: The transaction that drops them.
        month: Which month.
        horizon: Now less the retention of history.
        at: Now.
        only: A further condition, where not the whole month is dropped.
    """
    which = [within(Relation.ALERTS, month), OccurrenceRow.last_seen_at >= horizon - REACH]
    if only is not None:
        which.append(only)
    dying = select(
        OccurrenceRow.fingerprint, OccurrenceRow.starts_at, OccurrenceRow.ends_at, literal(at).label("pruned_at")
    ).where(*which)
    made = insert(TombstoneRow).from_select(list(_COLUMNS), dying).on_conflict_do_nothing()
    return (await tx.execute(made)).rowcount


async def forget(tx: Transaction, now: datetime) -> int:
    """Remove the tombstones that nobody will ask for any more; returns how many."""
    return (await tx.execute(delete(TombstoneRow).where(TombstoneRow.pruned_at < now - KEPT))).rowcount
