"""Counts the hours that are over, so that questions about months never read occurrences."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from receiver.model.errors import StoreError
from receiver.store import rollups
from receiver.store.database import Database, Transaction
from receiver.store.rollups import HOUR, SETTLED, hour_of
from receiver.store.turns import Turn, claim

log = structlog.get_logger()

_EVERY: Final = timedelta(minutes=1)
"""So late the hour that just ended is counted; until then questions count it themselves."""

_NEWEST: Final = 2 * HOUR
"""What is counted anew each time."""

_ALL: Final = timedelta(minutes=10)
"""How often all of the two days is counted anew: so long an end of last night that came from a spool may be missing."""

_AT_ONCE: Final = timedelta(days=1)
"""What one transaction counts, where much is to be caught up on."""

_OVERLAP: Final = timedelta(minutes=10)
"""How far before the last time late news is looked for again: what was received may be recorded a little later."""

_FIRST: Final = datetime.min.replace(tzinfo=UTC)


async def keep_counted(database: Database, now: Callable[[], datetime]) -> None:
    """Count what is over, every minute, until cancelled; a failure is made good by the next time."""
    counted_at: datetime | None = None
    while True:
        at = now()
        try:
            done = await count_up(database, at, counted_at=counted_at)
            if done and _is_due(counted_at, at):
                counted_at = at
        except StoreError as error:
            log.warning("rollup", action="hours_not_counted", error=str(error))
        await asyncio.sleep(_EVERY.total_seconds())


async def count_up(database: Database, now: datetime, *, counted_at: datetime | None = None) -> bool:
    """Count all hours that are over and not settled, and whatever was missed before.

    Args:
        database: Where it is counted.
        now: The present time; the hour it lies in is not over.
        counted_at: When all of the two days was counted last.

    Returns:
        Whether it was done; False when somebody else is at it.
    """
    end = hour_of(now)
    again = SETTLED if _is_due(counted_at, now) else _NEWEST
    begin: datetime | None = None
    while begin is None or begin < end:
        async with database.transaction() as tx:
            if not await claim(tx, Turn.ROLLUP):
                return False
            if begin is None:
                begin = await _begin(tx, end, again)
            until = min(begin + _AT_ONCE, end)
            await rollups.count(tx, begin, until)
            begin = await _following(tx, until, end)
    async with database.transaction() as tx:
        if await claim(tx, Turn.ROLLUP):
            # What waited in a spool was received long before it was recorded: once an hour all is looked through.
            fresh = counted_at is not None and hour_of(counted_at) == end
            seen_since = counted_at - _OVERLAP if counted_at and fresh else now - SETTLED
            await rollups.add_late(tx, seen_since=seen_since, before=end - SETTLED)
    return True


def _is_due(counted_at: datetime | None, now: datetime) -> bool:
    return counted_at is None or now - counted_at >= _ALL


async def _begin(tx: Transaction, end: datetime, again: timedelta) -> datetime:
    """Find the first hour to be counted: where nothing was counted yet, the first in which anything happened."""
    counted = await rollups.counted_until(tx)
    if counted is None:
        first = await rollups.next_happening(tx, _FIRST)
        counted = end if first is None else hour_of(first)
    return min(counted, end - again)


async def _following(tx: Transaction, until: datetime, end: datetime) -> datetime:
    """Find where to go on: years in which nothing happened are passed over."""
    if until >= end - SETTLED:
        return until
    following = await rollups.next_happening(tx, until)
    return min(end - SETTLED, end if following is None else hour_of(following))
