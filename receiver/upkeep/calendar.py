"""Keeps the partitions of the growing tables ahead of the clock."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from receiver.model.errors import StoreError
from receiver.store.database import Database
from receiver.store.partitions import keep_ahead

log = structlog.get_logger()

_EVERY: Final = timedelta(hours=6)
_AGAIN: Final = timedelta(minutes=5)


async def keep_calendar(database: Database, now: Callable[[], datetime]) -> None:
    """Make the partitions of the coming months, several times a day, until cancelled.

    A failure costs nothing at once: months are made ahead, and rows without a partition of their own go into the
    default one until theirs is made.
    """
    while True:
        pause = _EVERY
        try:
            async with database.transaction() as transaction:
                made = await transaction.run_sync(keep_ahead, now())
        except StoreError as error:
            log.warning("partitions", action="partitions_not_made", error=str(error))
            pause = _AGAIN
        else:
            if made:
                log.info("partitions", action="partitions_made", names=made)
        await asyncio.sleep(pause.total_seconds())
