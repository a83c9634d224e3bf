"""The way in, whether Postgres is there or not.

A delivery goes to the database, and where that fails, to the spool, under the same key: if the database did commit and
only its answer was lost, recording it once more changes nothing. After a failure nobody tries the database for a
while: all deliveries go straight to the spool, and only the drain asks, every second, whether it takes anything. From
its first success on deliveries go to the database again, even while older ones still lie in the spool: what an alert
becomes depends on when its deliveries were received, not on when they are recorded.
"""

import asyncio
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from uuid import uuid4

import structlog

from receiver.model.alert import Delivery, Receipt, Spooled
from receiver.model.errors import DeliveryError, SpoolUnavailable, StoreCrowded, StoreUnavailable
from receiver.store import deadletters
from receiver.store.database import Database, within
from receiver.store.intake import Intake
from receiver.store.spool import Record, Spool

_LETTER_LIMIT: Final = timedelta(seconds=5)
"""Longest time to write one dead letter."""

log = structlog.get_logger()


class Outage:
    """Whether Postgres is taken to be away; begun by whoever was refused, ended by the drain."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._since: float | None = None
        self._appended = 0
        self.begun = asyncio.Event()
        """Set while it lasts."""

    @property
    def lasts(self) -> bool:
        """Whether deliveries go straight to the spool."""
        return self._since is not None

    async def begin(self, reason: str) -> None:
        """Note that Postgres does not take a delivery."""
        if self._since is not None:
            return
        self._since = monotonic()
        self._appended = self._spool.figures.appended
        self.begun.set()
        log.warning("spool", action="spooling_began", reason=reason)
        await self._database.renew()

    def end(self) -> None:
        """Note that Postgres takes deliveries again."""
        if self._since is None:
            return
        lasted = timedelta(seconds=round(monotonic() - self._since, 1))
        self._since = None
        self.begun.clear()
        figures = self._spool.figures
        log.warning(
            "spool",
            action="spooling_ended",
            lasted=str(lasted),
            spooled=figures.appended - self._appended,
            waiting=figures.waiting,
        )


class Reception:
    """Makes deliveries durable.

    Args:
        intake: The way into the database.
        database: Where dead letters are kept.
        spool: The way onto the local disk.
        outage: Shared with the drain.
    """

    def __init__(self, intake: Intake, database: Database, spool: Spool, outage: Outage) -> None:
        self._intake = intake
        self._database = database
        self._spool = spool
        self._outage = outage

    async def record(self, delivery: Delivery) -> Receipt | Spooled:
        """Keep a delivery; when this returns it survives any crash.

        Raises:
            StoreUnavailable: Neither the database nor the spool could take it.
            StoreError: Postgres refuses just this delivery.
        """
        reason = "Postgres does not answer"
        if not self._outage.lasts:
            try:
                return await self._intake.record(delivery)
            except StoreUnavailable as error:
                reason = await self._missed(error)
        record = Record(key=delivery.key, received_at=delivery.received_at, body=delivery.body)
        return await self._spooled(record, reason)

    async def keep(self, body: bytes, error: DeliveryError, at: datetime) -> int | Spooled:
        """Keep a body that is no delivery; returns its number, or the key under which it lies in the spool.

        Raises:
            StoreUnavailable: Neither the database nor the spool could take it.
            StoreError: Postgres refuses just this body.
        """
        key = uuid4()
        reason = "Postgres does not answer"
        if not self._outage.lasts:
            try:
                return await within(_LETTER_LIMIT, deadletters.keep(self._database, body, error, at, key=key))
            except StoreUnavailable as refusal:
                reason = await self._missed(refusal)
        record = Record(key=key, received_at=at, body=body, reason=error.reason, place=error.place)
        return await self._spooled(record, reason)

    async def _missed(self, error: StoreUnavailable) -> str:
        if not isinstance(error, StoreCrowded):
            await self._outage.begin(str(error))
        return str(error)

    async def _spooled(self, record: Record, reason: str) -> Spooled:
        try:
            await self._spool.append(record)
        except SpoolUnavailable as error:
            raise StoreUnavailable(f"{reason}; and {error}") from error
        return Spooled(key=record.key)
