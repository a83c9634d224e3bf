"""Bring what lies in the spool into the database: oldest first, each record once.

A record leaves the spool only after its transaction is committed. A death in between means that it is recorded again
under the same key, which changes nothing. The drain is also what finds out that Postgres is back, since nothing else
asks while it is away.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from receiver.model.alert import Delivery, Receipt
from receiver.model.errors import DeliveryError, SpoolUnavailable, StoreCrowded, StoreError, StoreUnavailable
from receiver.store import deadletters
from receiver.store.database import Database, within
from receiver.store.intake import Intake
from receiver.store.reception import Outage
from receiver.store.spool import Record, Spool

Parse = Callable[[bytes, datetime, UUID], Delivery]
"""Read a body as at the door, under the key that it was given there; raises DeliveryError."""

PAUSE: Final = timedelta(seconds=1)
"""Between two questions whether Postgres is back."""

_AT_ONCE: Final = 100
"""Records that are read from the disk at once."""
_ALERTS: Final = 500
"""Alerts in one transaction, as at the door."""
_LIMIT: Final = timedelta(seconds=30)
"""Time for one transaction; more patience than at the door, where somebody waits."""
_LOOK_AROUND: Final = timedelta(seconds=30)
"""How often it is looked whether another process left something behind."""

log = structlog.get_logger()


class Drain:
    """Empties a spool.

    Args:
        spool: What is emptied.
        intake: How deliveries are recorded.
        database: Where dead letters go.
        outage: Ended with the first success, begun with a failure.
        parse: Reads a body.
        count: Told what was recorded, for whoever counts.
    """

    def __init__(
        self,
        spool: Spool,
        intake: Intake,
        database: Database,
        outage: Outage,
        *,
        parse: Parse,
        count: Callable[[Receipt], None],
    ) -> None:
        self._spool = spool
        self._intake = intake
        self._database = database
        self._outage = outage
        self._parse = parse
        self._count = count
        self._looked_at = monotonic()

    async def step(self) -> None:
        """Wait until there is something to drain, and drain some of it; a failure costs a pause."""
        await self._look_around()
        if not await self._called():
            return
        try:
            await self.drain()
        except SpoolUnavailable as error:
            log.warning("spool", action="drain_failed", reason=str(error))
        except StoreCrowded as error:
            log.warning("spool", action="drain_delayed", reason=str(error))
        except StoreUnavailable as error:
            await self._outage.begin(str(error))
        else:
            return
        await asyncio.sleep(PAUSE.total_seconds())

    async def drain(self) -> None:
        """Drain what was read at once; with nothing to drain, only see whether Postgres is back.

        Raises:
            StoreUnavailable: Postgres does not take it; it stays in the spool.
            SpoolUnavailable: The disk of the spool fails.
        """
        kept = await self._spool.peek(_AT_ONCE)
        if not kept.records:
            await within(_LIMIT, self._database.ping())
            self._outage.end()
            return
        while kept.records:
            count = await self._record_some(kept.records)
            self._outage.end()
            kept = await self._spool.drop(kept, count)
        if not self._spool.figures.waiting:
            log.info("spool", action="spool_drained", drained=self._spool.figures.drained)

    async def _record_some(self, records: Sequence[Record]) -> int:
        """Record the first few; returns how many."""
        deliveries: list[Delivery] = []
        alerts = 0
        for record in records:
            try:
                delivery = self._read(record)
            except DeliveryError as error:
                if deliveries:
                    break
                await self._keep(record.body, error, record.received_at, record.key)
                return 1
            alerts += len(delivery.alerts)
            if deliveries and alerts > _ALERTS:
                break
            deliveries.append(delivery)
        await self._record(deliveries)
        return len(deliveries)

    def _read(self, record: Record) -> Delivery:
        """Read a record; one that is no delivery, or is none any more to this version of us, is refused as before."""
        if record.reason is not None:
            raise DeliveryError(record.reason, place=record.place)
        return self._parse(record.body, record.received_at, record.key)

    async def _record(self, deliveries: Sequence[Delivery]) -> None:
        try:
            receipts = await self._intake.commit(deliveries, limit=_LIMIT)
        except StoreUnavailable:
            raise
        except StoreError as error:
            if len(deliveries) > 1:
                for one in deliveries:
                    await self._record([one])
                return
            # It was answered 200, so it must not be dropped: a person decides what becomes of it.
            [refused] = deliveries
            log.warning("spool", action="delivery_refused", key=str(refused.key), reason=str(error))
            fault = DeliveryError(f"it was taken while Postgres was away, and is now refused: {error}")
            await self._keep(refused.body, fault, refused.received_at, refused.key)
        else:
            for receipt in receipts:
                self._count(receipt)

    async def _keep(self, body: bytes, error: DeliveryError, at: datetime, key: UUID) -> None:
        await within(_LIMIT, deadletters.keep(self._database, body, error, at, key=key))

    async def _called(self) -> bool:
        """Wait until there is something to do, though not for ever; says whether there is."""
        wanted = (self._spool.filled, self._outage.begun)
        if not any(event.is_set() for event in wanted):
            waits = [asyncio.create_task(event.wait()) for event in wanted]
            await asyncio.wait(waits, timeout=_LOOK_AROUND.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
        return any(event.is_set() for event in wanted)

    async def _look_around(self) -> None:
        if monotonic() - self._looked_at >= _LOOK_AROUND.total_seconds():
            self._looked_at = monotonic()
            await self._spool.adopt()
