"""Sends the trace of each incident that is over, once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from receiver.clients.traces import TraceCollector
from receiver.model.errors import ReceiverError, TraceError
from receiver.model.timeline import Event, Kind
from receiver.model.trace import Trace
from receiver.store import timeline
from receiver.store.database import Database
from receiver.store.history.traces import course, waiting
from receiver.store.turns import Turn, alone
from receiver.upkeep.trace import trace_of

log = structlog.get_logger()

EVERY: Final = timedelta(seconds=10)
SETTLED: Final = timedelta(seconds=30)
"""How long after its end an incident is written down: by then, people have been told of the end as well."""
LATEST: Final = timedelta(hours=1)
"""How long a trace is tried that the collector does not take."""
_AT_ONCE: Final = 50


class Tracing:
    """One replica's part in sending traces; only one sends at a time.

    Args:
        database: Where incidents are.
        collector: Where their traces go.
        origin: What tells this installation from others that send to the same place.
        now: The present time; aware, UTC.
    """

    def __init__(
        self, *, database: Database, collector: TraceCollector, origin: str, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._send: Callable[[Trace], Awaitable[str]] = collector.send
        self._origin = origin
        self._now = now

    async def run(self) -> None:
        """Send until cancelled; what is not taken is tried again, and delays nobody."""
        while True:
            try:
                await self.round()
            except ReceiverError as error:
                log.warning("tracing", action="traces_not_sent", error=str(error))
            await asyncio.sleep(EVERY.total_seconds())

    async def round(self) -> int:
        """Send what waits, if nobody else does; returns how many traces were taken.

        Raises:
            StoreError: The database failed.
            TraceError: The collector did not take one; the second such one ends the round.
        """
        async with alone(self._database, Turn.TRACES) as ours:
            if not ours:
                return 0
            now = self._now()
            async with self._database.transaction() as transaction:
                found = await waiting(transaction, since=now - LATEST, until=now - SETTLED, most=_AT_ONCE)
            taken = 0
            refused: TraceError | None = None
            for incident_id in found:
                try:
                    await self._trace(incident_id)
                except TraceError as error:
                    if refused is not None:
                        raise
                    # It may be this one trace that is not taken; it must not hold up all others.
                    refused = error
                else:
                    taken += 1
            if refused is not None:
                raise refused
            return taken

    async def _trace(self, incident_id: int) -> None:
        async with self._database.transaction() as transaction:
            trace = trace_of(await course(transaction, incident_id), origin=self._origin)
        number = await self._send(trace)
        text = f"the trace {number} of this incident was sent"
        async with self._database.transaction() as transaction:
            await timeline.add(
                transaction,
                Event(
                    at=self._now(),
                    kind=Kind.INCIDENT_TRACED,
                    text=text,
                    incident_id=incident_id,
                    detail={"trace_id": number},
                ),
            )
