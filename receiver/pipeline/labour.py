"""Keeps the work going: jobs, the sweep for what is overdue, closing what is over, reaping dead workers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Final

import structlog

from receiver.model.errors import StoreUnavailable
from receiver.model.timeline import Event, Kind
from receiver.pipeline.asked import act_on
from receiver.pipeline.bulletins import tell
from receiver.pipeline.look import look
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.send import Postman
from receiver.pipeline.tick import tick
from receiver.store import looks, sweeps, timeline
from receiver.store.jobs import Job

log = structlog.get_logger()

_CONCURRENCY: Final = 8
"""Jobs at once in one process; most of their time they wait for the cluster or for Slack."""
_SWEEP_EVERY: Final = timedelta(seconds=1)
_TELL_EVERY: Final = timedelta(seconds=5)
_REAP_EVERY: Final = timedelta(seconds=5)
_COURTESY: Final = timedelta(milliseconds=100)
_COURTESIES: Final = 100
"""How often a look gives way, at most: ten seconds in all."""
_LONGEST_PAUSE: Final = timedelta(seconds=30)
_WELL_AFTER: Final = timedelta(seconds=15)
"""How long a part must go on until an earlier failure is forgotten: longer than one needs to find Postgres away."""
_CLOSED_AT_ONCE: Final = 100


class Labour:
    """The work of one process; any number of processes may do it on one database."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._crowded: Callable[[], bool] = _never
        self._failing: dict[str, str] = {}
        self._turn = asyncio.Semaphore()
        self._postman = Postman(rooms)
        rooms.queue.on(Job.LOOK, self._look)
        rooms.queue.on(Job.TICK, self._tick)
        rooms.queue.on(Job.SEND, self._send)
        rooms.queue.on(Job.ASK, self._ask)

    def give_way(self, crowded: Callable[[], bool]) -> None:
        """Let looks wait for a moment while deliveries crowd the door of this process."""
        self._crowded = crowded

    @property
    def trouble(self) -> str:
        """Say which part does not run at the moment, and why; empty when all is well."""
        return "; ".join(f"{part}: {reason}" for part, reason in sorted(self._failing.items()))

    @property
    def failing(self) -> int:
        """Count the parts that do not run at the moment."""
        return len(self._failing)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.keep_going("jobs", self._jobs))
                group.create_task(self.keep_going("sweep", self._every(_SWEEP_EVERY, self._sweep)))
                group.create_task(self.keep_going("bulletins", self._every(_TELL_EVERY, self._tell)))
                group.create_task(self.keep_going("reaper", self._every(_REAP_EVERY, self._reap)))
        finally:
            await self._postman.end()

    async def keep_going(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work for ever, starting it anew after any failure, more slowly each time."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                await self._go(part, work)
                failures = 0
            except Exception as error:
                # This loop must outlive whatever goes wrong within it: without it nobody is healed and nobody is told.
                failures = 1 if loop.time() - began > _WELL_AFTER.total_seconds() else failures + 1
                pause = min(timedelta(seconds=0.5 * 2 ** min(failures, 6)), _LONGEST_PAUSE)
                self._failing[part] = str(error) or type(error).__name__
                if isinstance(error, StoreUnavailable):
                    log.warning("work", action="part_failed", part=part, again_in=str(pause), error=str(error))
                else:
                    log.exception("work", action="part_failed", part=part, again_in=str(pause))
                await asyncio.sleep(pause.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret

    async def _go(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do a part once; it is well again when it ends, or has gone on for a while: jobs end only by failing."""
        loop = asyncio.get_running_loop()
        well = loop.call_later(_WELL_AFTER.total_seconds(), self._failing.pop, part, None)
        try:
            await work()
        finally:
            well.cancel()
        self._failing.pop(part, None)

    def _every(self, pause: timedelta, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            await work()
            await asyncio.sleep(pause.total_seconds())

        return once

    async def _jobs(self) -> None:
        await self._rooms.queue.work(concurrency=_CONCURRENCY)

    async def _sweep(self) -> None:
        now = self._rooms.now()
        async with self._rooms.database.transaction() as transaction:
            await sweeps.enqueue_due(transaction, self._rooms.queue, now)
            closed = await looks.close_quiet(transaction, now - self._rooms.linger, now, most=_CLOSED_AT_ONCE)
            for incident_id in closed:
                text = "no alert fires any more, no run is unfinished, and the linger has passed"
                await timeline.add(
                    transaction, Event(at=now, kind=Kind.INCIDENT_CLOSED, text=text, incident_id=incident_id)
                )
            await self._rooms.queue.enqueue(transaction, Job.LOOK, *({"incident_id": number} for number in closed))

    async def _tell(self) -> None:
        await tell(self._rooms)

    async def _reap(self) -> None:
        reaped = await self._rooms.queue.reap()
        if reaped:
            log.warning("reaper", action="jobs_returned", jobs=reaped)

    async def _look(self, *, incident_id: int) -> None:
        # Recording comes first: a delivery that is refused may be lost, a look that waits ten seconds is only late.
        # From then on there is one look at a time, so that a flood that does not end leaves nobody unheard either.
        for _ in range(_COURTESIES):
            if not self._crowded():
                break
            await asyncio.sleep(_COURTESY.total_seconds())
        async with self._turn if self._crowded() else nullcontext():
            with structlog.contextvars.bound_contextvars(incident_id=incident_id):
                await look(self._rooms, incident_id)

    async def _tick(self, *, run_id: int, cursor: int) -> None:
        with structlog.contextvars.bound_contextvars(run_id=run_id):
            await tick(self._rooms, run_id, cursor)

    async def _ask(self, *, request_id: int) -> None:
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await act_on(self._rooms, request_id)

    async def _send(self, *, message_id: int) -> None:
        with structlog.contextvars.bound_contextvars(message_id=message_id):
            await self._postman.call(message_id)


def _never() -> bool:
    return False
