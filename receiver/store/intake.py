"""Group commit: deliveries that arrive together are kept together, each answered after its own commit.

One writer takes whatever has gathered while the last transaction ran, so that under load batches grow by themselves; a
lone delivery waits for nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg
import structlog

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import StoreCrowded, StoreError
from receiver.model.incident import LabelNames
from receiver.store.database import Database, translated, within
from receiver.store.jobs import Queue
from receiver.store.recording import Heard, Recording
from receiver.store.stories import Contended

log = structlog.get_logger()

_BATCH: Final = 500
"""Alerts in one transaction; more would only make those who wait in front of it wait longer."""
_WAITING: Final = 2_000
"""Deliveries that may wait at once; beyond, the sender is asked to come again."""
_LIMIT: Final = timedelta(seconds=5)
"""Longest time of one transaction: a Postgres that hangs is as good as away."""
_LIMIT_PER_ALERT: Final = timedelta(milliseconds=1)
"""What each alert adds to it: ten times what it takes, so that the largest delivery is never taken for an outage."""
_GATHER: Final = timedelta(milliseconds=1)
"""How long a crowded door waits for a batch to gather; measured: a tenth to a fifth more deliveries, and less CPU. A
lone delivery waits for nothing, and five milliseconds would cost half the rate."""
_CROWDED_FOR: Final = timedelta(milliseconds=250)
"""How long after a batch of several deliveries the door counts as crowded."""
_TRIES: Final = 4
"""How often a batch that lost a race against another replica is tried again."""


class Intake:
    """The way into the store for deliveries."""

    def __init__(self, database: Database, queue: Queue, names: LabelNames) -> None:
        self._database = database
        self._queue = queue
        self._names = names
        self._heard = Heard()
        self._waiting: deque[tuple[Delivery, asyncio.Future[Receipt]]] = deque()
        self._crowded_at = -_CROWDED_FOR.total_seconds()
        self._batch: list[tuple[Delivery, asyncio.Future[Receipt]]] = []
        self._writer: asyncio.Task[None] | None = None

    @property
    def crowded(self) -> bool:
        """Whether several deliveries came at once a moment ago, and more are to be expected."""
        return time.monotonic() - self._crowded_at < _CROWDED_FOR.total_seconds()

    async def record(self, delivery: Delivery) -> Receipt:
        """Keep a delivery; when this returns it survives any crash.

        Raises:
            StoreUnavailable: It could not be made durable; nothing of it was kept, or nobody knows.
            StoreError: Postgres refuses just this delivery.
        """
        if len(self._waiting) >= _WAITING:
            raise StoreCrowded(f"{_WAITING} deliveries wait to be written already")
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, answer))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="intake")
            self._writer.add_done_callback(self._written)
        return await answer

    async def close(self) -> None:
        """Wait until everything that was handed in is answered."""
        if self._writer is not None:
            await self._writer

    def _written(self, writer: asyncio.Task[None]) -> None:
        """Leave nobody waiting whom a writer that broke can not answer any more."""
        if writer.cancelled() or writer.exception() is None:
            return
        log.error("intake", action="writer_broke", exc_info=writer.exception())
        for _, answer in (*self._batch, *self._waiting):
            if not answer.done():
                answer.set_exception(StoreError("the writer of deliveries broke; the log says how"))
        self._waiting.clear()

    async def _write(self) -> None:
        while self._waiting:
            if self.crowded:
                # Those who were just answered post again within this moment: one larger transaction instead of two.
                await asyncio.sleep(_GATHER.total_seconds())
            batch = [self._waiting.popleft()]
            alerts = len(batch[0][0].alerts)
            while self._waiting and alerts + len(self._waiting[0][0].alerts) <= _BATCH:
                batch.append(self._waiting.popleft())
                alerts += len(batch[-1][0].alerts)
            if len(batch) > 1:
                self._crowded_at = time.monotonic()
            self._batch = batch
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[Delivery, asyncio.Future[Receipt]]]) -> None:
        try:
            receipts = await self.commit([delivery for delivery, _ in batch])
        except StoreError as error:
            if len(batch) > 1 and not error.retryable:
                # One delivery that Postgres refuses must not take its neighbours with it.
                for one in batch:
                    await self._answer([one])
                return
            if error.retryable and not isinstance(error, StoreCrowded):
                # Postgres is away: those behind would wait as long only to hear the same.
                batch = [*batch, *self._waiting]
                self._waiting.clear()
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), receipt in zip(batch, receipts, strict=True):
                if not answer.done():
                    answer.set_result(receipt)

    async def commit(self, deliveries: Sequence[Delivery], *, limit: timedelta = _LIMIT) -> list[Receipt]:
        """Record deliveries in one transaction of their own, at once.

        Args:
            deliveries: What is recorded; those whose keys are known are recorded already.
            limit: Time for one try, beside what their number adds.

        Raises:
            StoreUnavailable: They could not be recorded, or nobody knows.
            StoreError: Postgres refuses them.
        """
        limit += _LIMIT_PER_ALERT * sum(len(one.alerts) for one in deliveries)
        for _ in range(_TRIES):
            try:
                with translated():
                    return await within(limit, self._transact(deliveries))
            except Contended:
                continue
        raise StoreCrowded("the same alerts were written by others at the same time, again and again")

    async def _transact(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        async with self._database.pool.connection() as connection:
            try:
                async with connection.transaction():
                    return await Recording(connection, self._queue, self._names, self._heard).record(deliveries)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                raise Contended from error
