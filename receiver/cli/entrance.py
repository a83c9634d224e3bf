"""The way in: the database, the spool for when it is away, and the drain between them, opened and closed together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from prometheus_client import CollectorRegistry

from receiver.model.alert import Delivery
from receiver.pipeline.rooms import Rooms
from receiver.settings import Settings
from receiver.store.drain import Drain
from receiver.store.intake import Intake
from receiver.store.reception import Outage, Reception
from receiver.store.spool import Spool
from receiver.web.health import Condition, State
from receiver.web.metrics import SpoolFigures
from receiver.webhook.message import parse
from receiver.webhook.metrics import DoorMetrics


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """What takes deliveries in, and where it is counted."""

    registry: CollectorRegistry
    reception: Reception
    drain: Drain
    spool: Spool
    counts: DoorMetrics
    crowded: Callable[[], bool]
    """Whether deliveries wait to be written at this moment."""

    async def look(self) -> Condition:
        """Say for `/readyz` whether the local disk could take a delivery, and what lies there."""
        trouble = await self.spool.look()
        if trouble:
            return Condition(state=State.DEGRADED, text=trouble)
        figures = self.spool.figures
        if figures.oldest is None:
            return Condition(state=State.OK)
        age = (datetime.now(UTC) - figures.oldest).total_seconds()
        return Condition(
            state=State.OK, text=f"{figures.waiting} deliveries wait for Postgres, the oldest for {age:.0f} s"
        )


@asynccontextmanager
async def open_entrance(settings: Settings, rooms: Rooms) -> AsyncIterator[Entrance]:
    """Open the spool, and lead what comes to the database or to it.

    Raises:
        SettingsError: `data_dir` cannot be used.
    """
    registry = CollectorRegistry()
    counts = DoorMetrics(registry)
    spool = await Spool.open(Path(settings.data_dir), max_bytes=settings.spool.max_bytes)
    registry.register(SpoolFigures(lambda: spool.figures))
    intake = Intake(rooms.database, rooms.queue, settings.names)
    outage = Outage(rooms.database, spool)
    try:
        yield Entrance(
            registry=registry,
            reception=Reception(intake, rooms.database, spool, outage),
            drain=Drain(spool, intake, rooms.database, outage, parse=_parse, count=counts.recorded),
            spool=spool,
            counts=counts,
            crowded=lambda: intake.crowded,
        )
    finally:
        await intake.close()
        await spool.close()


def _parse(body: bytes, received_at: datetime, key: UUID) -> Delivery:
    return parse(body, received_at, key=key)
