"""Drops what goes by itself: raw deliveries, tombstones, evidence, backtests, details of stories that have gone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from receiver.model.errors import StoreError
from receiver.settings import Retention
from receiver.store import daily, details, digests, pruning, tombstones
from receiver.store.database import Database, Transaction

log = structlog.get_logger()

_EVERY: Final = timedelta(hours=6)
_AGAIN: Final = timedelta(minutes=5)


async def keep_retention(database: Database, keep: Retention, now: Callable[[], datetime]) -> None:
    """Drop what is old several times a day, until cancelled; what fails is tried again soon.

    Args:
        database: Where it is.
        keep: How long each class of things stays.
        now: The clock.
    """
    while True:
        pause = _EVERY
        try:
            await drop_deliveries(database, now() - keep.webhooks)
            async with database.transaction() as tx:
                await tombstones.forget(tx, now())
            await drop_evidence(database, now() - keep.evidence)
            await drop_stories(database, now() - keep.history)
        except StoreError as error:
            log.warning("retention", action="not_all_dropped", error=str(error))
            pause = _AGAIN
        await asyncio.sleep(pause.total_seconds())


async def drop_deliveries(database: Database, horizon: datetime) -> None:
    """Drop the days of raw deliveries that were over by a time.

    Raises:
        StoreCrowded: The table is in use; days that were dropped before are gone.
        StoreError: The database cannot be used.
    """
    async with database.transaction() as tx:
        days = await pruning.old_days(tx, horizon)
    for day in days:
        async with database.transaction() as tx:
            await pruning.drop_day(tx, day)
        log.info("retention", action="deliveries_dropped", day=f"{day:%Y-%m-%d}")
    while await _delete_stray(database, horizon):
        pass


async def drop_evidence(database: Database, horizon: datetime) -> None:
    """Drop the evidence that lies in Postgres, and the results of backtests, of before a time.

    Raises:
        StoreError: The database cannot be used; what was dropped before is gone.
    """
    dropped = await _drop_all(database, details.drop_evidence, horizon)
    async with database.transaction() as tx:
        backtests = await details.drop_backtests(tx, horizon)
    if dropped or backtests:
        log.info("retention", action="evidence_dropped", bundles=dropped, backtests=backtests)


async def drop_stories(database: Database, horizon: datetime) -> None:
    """Drop what was found, decided, done and told about incidents that were over by a time and left no history here.

    Raises:
        StoreError: The database cannot be used; what was dropped before is gone.
    """
    dropped = await _drop_all(database, details.drop_details, horizon)
    async with database.transaction() as tx:
        await details.forget_lineages(tx, horizon)
        await digests.forget(tx, horizon)
        await daily.forget_bulletins(tx, horizon)
    if dropped:
        log.info("retention", action="details_dropped", incidents=dropped)


async def _drop_all(
    database: Database, drop: Callable[[Transaction, datetime], Awaitable[int]], horizon: datetime
) -> int:
    """Drop some at a time, each in a transaction of its own, until none are left; answers how many there were."""
    dropped = 0
    while True:
        async with database.transaction() as tx:
            some = await drop(tx, horizon)
        if not some:
            return dropped
        dropped += some


async def _delete_stray(database: Database, horizon: datetime) -> bool:
    async with database.transaction() as tx:
        return await pruning.delete_stray_deliveries(tx, horizon) > 0
