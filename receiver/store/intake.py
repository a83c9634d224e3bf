"""Group commit: deliveries that arrive together are kept together, each answered after its own commit.

One writer takes whatever has gathered while the last transaction ran. There is no timer: under load batches grow by
themselves, and a lone delivery waits for nothing.
"""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Final

import psycopg

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import StoreError, StoreUnavailable
from receiver.model.incident import LabelNames
from receiver.store.database import Database, translated
from receiver.store.jobs import Queue
from receiver.store.recording import Recording
from receiver.store.stories import Contended

_BATCH: Final = 500
"""Alerts in one transaction; more would only make those who wait in front of it wait longer."""
_WAITING: Final = 2_000
"""Deliveries that may wait at once; beyond, the sender is asked to come again."""
_LIMIT: Final = timedelta(seconds=10)
"""Longest time of one transaction: a Postgres that hangs is as good as away."""
_TRIES: Final = 4
"""How often a batch that lost a race against another replica is tried again."""


class Intake:
    """The way into the store for deliveries."""

    def __init__(self, database: Database, queue: Queue, names: LabelNames) -> None:
        self._database = database
        self._queue = queue
        self._names = names
        self._waiting: deque[tuple[Delivery, asyncio.Future[Receipt]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def record(self, delivery: Delivery) -> Receipt:
        """Keep a delivery; when this returns it survives any crash.

        Raises:
            StoreUnavailable: It could not be made durable; nothing of it was kept, or nobody knows.
            StoreError: Postgres refuses just this delivery.
        """
        if len(self._waiting) >= _WAITING:
            raise StoreUnavailable(f"{_WAITING} deliveries wait to be written already")
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, answer))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="intake")
        return await answer

    async def close(self) -> None:
        """Wait until everything that was handed in is answered."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            alerts = len(batch[0][0].alerts)
            while self._waiting and alerts + len(self._waiting[0][0].alerts) <= _BATCH:
                batch.append(self._waiting.popleft())
                alerts += len(batch[-1][0].alerts)
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[Delivery, asyncio.Future[Receipt]]]) -> None:
        try:
            receipts = await self._commit([delivery for delivery, _ in batch])
        except StoreError as error:
            if len(batch) > 1 and not error.retryable:
                # One delivery that Postgres refuses must not take its neighbours with it.
                for one in batch:
                    await self._answer([one])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), receipt in zip(batch, receipts, strict=True):
                if not answer.done():
                    answer.set_result(receipt)

    async def _commit(self, deliveries: list[Delivery]) -> list[Receipt]:
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(_LIMIT.total_seconds()):
                    with translated():
                        return await self._transact(deliveries)
            except Contended:
                continue
            except TimeoutError as error:
                raise StoreUnavailable(f"Postgres did not commit within {_LIMIT.total_seconds():.0f} s") from error
        raise StoreUnavailable("the same alerts were written by others at the same time, again and again")

    async def _transact(self, deliveries: list[Delivery]) -> list[Receipt]:
        async with self._database.pool.connection() as connection:
            try:
                async with connection.transaction():
                    return await Recording(connection, self._queue, self._names).record(deliveries)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                raise Contended from error
