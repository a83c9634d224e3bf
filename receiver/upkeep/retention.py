"""Drops what goes by age alone: raw deliveries, and tombstones that nobody will ask for."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from receiver.model.errors import StoreError
from receiver.store import pruning, tombstones
from receiver.store.database import Database

log = structlog.get_logger()

_EVERY: Final = timedelta(hours=6)
_AGAIN: Final = timedelta(minutes=5)


async def keep_retention(database: Database, webhooks: timedelta, now: Callable[[], datetime]) -> None:
    """Drop old raw deliveries several times a day, until cancelled; what fails is tried again soon.

    Args:
        database: Where they are.
        webhooks: How long they stay, counted from the end of their day.
        now: The clock.
    """
    while True:
        pause = _EVERY
        try:
            await drop_deliveries(database, now() - webhooks)
            async with database.transaction() as tx:
                await tombstones.forget(tx, now())
        except StoreError as error:
            log.warning("retention", action="deliveries_not_dropped", error=str(error))
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


async def _delete_stray(database: Database, horizon: datetime) -> bool:
    async with database.transaction() as tx:
        return await pruning.delete_stray_deliveries(tx, horizon) > 0
