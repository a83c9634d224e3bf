"""Group commit: deliveries that arrive together are kept together, each answered after its own commit.

Two batches may be under way at once, each about half of the crowd, and take turns: while Postgres works on one, the
other is made ready, and whoever was answered posts again and is read. Were both with Postgres at once they would come
back at once, and ever after one half of the machine would wait for the other. A lone delivery waits for nothing.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

import psycopg
import structlog

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import StoreCrowded, StoreError
from receiver.model.incident import LabelNames
from receiver.store.beginnings import all_begin, begin
from receiver.store.database import Database, each_for_itself, translated, within
from receiver.store.jobs import Queue
from receiver.store.memory import Memory
from receiver.store.recording import Recording
from receiver.store.stories import Contended
from receiver.store.telling import tellings_of

log = structlog.get_logger()

_BATCH: Final = 500
"""Alerts in one transaction; more would only make those who wait in front of it wait longer."""
_WAITING: Final = 2_000
"""Deliveries that may wait at once; beyond, the sender is asked to come again."""
_LIMIT: Final = timedelta(seconds=5)
"""Longest time of one transaction: a Postgres that hangs is as good as away."""
_LIMIT_PER_ALERT: Final = timedelta(milliseconds=1)
"""What each alert adds to it: ten times what it takes, so that the largest delivery is never taken for an outage."""
_CROWDED_FOR: Final = timedelta(milliseconds=250)
"""How long the door counts as crowded after several deliveries came at once, in one batch or in several."""
_AT_ONCE: Final = 2
"""Batches under way: one with Postgres, one with this process."""
_TURN: Final = timedelta(milliseconds=3)
"""How long a batch of a storm waits for the other to come back from Postgres, where half of a crowd of 32 takes two. A
slow disk, or an incident that somebody has locked, holds up nobody for longer."""
_TRIES: Final = 6
"""How often a batch is tried that loses races against others, of another replica or of this one."""
_PAUSE: Final = timedelta(milliseconds=20)
"""How long, at most, such a batch waits before its second try, and twice as long before each further one: two that lost
against each other would meet again."""


Waiting = tuple[Delivery, asyncio.Future[Receipt]]
"""A delivery, and where its answer is awaited."""

Batch = list[Waiting]


class Intake:
    """The way into the store for deliveries."""

    def __init__(self, database: Database, queue: Queue, names: LabelNames) -> None:
        self._database = database
        self._queue = queue
        self._names = names
        self._memory = Memory()
        self._waiting: deque[Waiting] = deque()
        self._gathering = False
        self._crowded_at = -_CROWDED_FOR.total_seconds()
        self._writing: dict[asyncio.Task[None], Batch] = {}
        self._with_postgres = asyncio.Lock()

    @property
    def crowded(self) -> bool:
        """Whether deliveries wait to be written, or several came at once a moment ago and more are to be expected."""
        return bool(self._waiting) or self._came_together

    @property
    def _came_together(self) -> bool:
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
        if not self._gathering:
            # Whoever comes in the same turn of the loop goes along, else the first of a crowd would go alone.
            self._gathering = True
            asyncio.get_running_loop().call_soon(self._begin)
        return await answer

    async def close(self) -> None:
        """Wait until everything that was handed in is answered."""
        self._begin()
        while self._writing:
            await asyncio.wait(self._writing)

    def _begin(self) -> None:
        """Begin to write what waits: at once when nothing is being written, else when as much waits as is written."""
        self._gathering = False
        while self._waiting and len(self._writing) < _AT_ONCE:
            under_way = sum(map(len, self._writing.values()))
            if len(self._waiting) < under_way:
                return
            batch = self._take(most=(len(self._waiting) + under_way + 1) // 2 if self._came_together else _BATCH)
            if len(batch) > 1 or self._waiting:
                self._crowded_at = time.monotonic()
            writing = asyncio.create_task(self._answer(batch), name="intake")
            self._writing[writing] = batch
            writing.add_done_callback(self._written)

    def _take(self, *, most: int) -> Batch:
        batch = [self._waiting.popleft()]
        alerts = len(batch[0][0].alerts)
        while self._waiting and len(batch) < most and alerts + len(self._waiting[0][0].alerts) <= _BATCH:
            batch.append(self._waiting.popleft())
            alerts += len(batch[-1][0].alerts)
        return batch

    def _written(self, writing: asyncio.Task[None]) -> None:
        """Go on with those who wait, and leave nobody waiting whom a write that broke can not answer any more."""
        batch = self._writing.pop(writing)
        if writing.cancelled() or writing.exception() is not None:
            broke = None if writing.cancelled() else writing.exception()
            log.error("intake", action="writer_broke", exc_info=broke)
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(StoreError("the writer of deliveries broke; the log says how"))
        self._begin()

    async def _answer(self, batch: Batch) -> None:
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
        for lost in range(_TRIES):
            if lost:
                await asyncio.sleep(_PAUSE.total_seconds() * 2 ** (lost - 1) * random.random())  # noqa: S311 - chance is no secret
            try:
                with translated():
                    return await within(limit, self._transact(deliveries))
            except Contended:
                continue
        raise StoreCrowded("the same alerts were written by others at the same time, again and again")

    async def _transact(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        tellings = tellings_of(deliveries, self._names)
        async with self._database.pool.connection() as connection:
            try:
                if all_begin(deliveries, tellings, self._memory):
                    async with each_for_itself(connection):
                        begun = await begin(connection, deliveries, tellings, self._memory, self._turn())
                    if begun is not None:
                        return begun
                recording = Recording(connection, self._queue, self._names, self._memory)
                return await recording.record(deliveries, tellings)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
                raise Contended from error

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Have Postgres to oneself, or, where whoever has it stays for long, not."""
        mine = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_TURN.total_seconds()):
                mine = await self._with_postgres.acquire()
        try:
            yield
        finally:
            if mine:
                self._with_postgres.release()
