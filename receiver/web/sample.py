"""Numbers of the database, read at most every so often however often Prometheus asks."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Generic, TypeVar

import structlog

from receiver.model.errors import StoreError
from receiver.store.database import Database, Transaction, within

PATIENCE: Final = timedelta(seconds=2)
"""With which the database is waited for; Prometheus gives up after ten seconds."""

Numbers = TypeVar("Numbers")

_log = structlog.get_logger(__name__)


class Sample(Generic[Numbers]):
    """The newest numbers of one kind.

    Args:
        database: Where they are counted.
        count: Counts them.
        fresh: For how long they are shown again.
    """

    def __init__(
        self,
        database: Database,
        count: Callable[[Transaction], Awaitable[Numbers]],
        *,
        fresh: timedelta,
    ) -> None:
        self._database = database
        self._count = count
        self._fresh = fresh
        self._counted_at: float | None = None
        self.numbers: Numbers | None = None
        """As of the last counting; None while the database is away."""

    async def refresh(self) -> None:
        """Count again, unless that was done a moment ago."""
        now = time.monotonic()
        if self._counted_at is not None and now - self._counted_at < self._fresh.total_seconds():
            return
        self._counted_at = now
        try:
            self.numbers = await within(PATIENCE, self._read())
        except StoreError as error:
            self.numbers = None
            _log.warning("metrics_without_database", reason=str(error))

    async def _read(self) -> Numbers:
        async with self._database.transaction() as tx:
            return await self._count(tx)
