"""Where a person asks for something: the own database, or a service elsewhere. Both are asked alike, and waited for.

Here it is written down as the API writes it. Where a worker lives on the same database it acts on it; where none does,
this process takes the steps of what was asked itself, as long as it waits and has a cluster.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import typer

from receiver.cli.person import person
from receiver.cli.reading import Where, elsewhere, opened, settings_of
from receiver.cli.tables import say
from receiver.cli.waking import waking
from receiver.cli.wiring import open_rooms
from receiver.clients.receiver import ReceiverClient
from receiver.model.errors import RemoteError, StoreError
from receiver.model.incident import IncidentState
from receiver.model.remediation import Run, RunState
from receiver.model.request import Kind, Request
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.model.shapes.playbook_requests import RunWish
from receiver.model.shapes.remediations import RunShape
from receiver.model.shapes.requests import RequestShape
from receiver.pipeline.asked import act_on
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.tick import tick
from receiver.remediate.loader import load_all
from receiver.settings import Settings
from receiver.store import requests
from receiver.store.database import Database
from receiver.store.history import incidents, remediations
from receiver.store.jobs import Queue
from receiver.web.api.incident_requests import word_detail
from receiver.web.api.playbook_requests import run_detail
from receiver.web.api.remediations import run_shape
from receiver.web.api.requests import request_shape

_POLL: Final = timedelta(seconds=0.5)
_HINT: Final = timedelta(seconds=15)
"""After so long without any progress it is said who would have to act."""
_WAITING: Final = "still waiting; a running `receiver serve` or `receiver worker` acts on it"


class Desk(Protocol):
    """Where something is asked for: the own database, or a service elsewhere."""

    async def ask(self, kind: Kind, number: int, note: str) -> int | None:
        """Write a word down; returns the number of the request, None where there is no such remediation."""

    async def look(self, number: int) -> RunShape | None:
        """Say how a remediation stands, once what can be done for it from here is done."""

    async def wish(self, playbook: str, wanted: RunWish) -> int | None:
        """Ask for a run of a playbook; returns the number of the request, None where there is no such playbook."""

    async def tell(self, incident: int, wish: TakingWish | SilenceWish) -> int | None:
        """Write down a word about an incident; returns the number of the request, None where there is no such one."""

    async def answer(self, request: int) -> RequestShape | None:
        """Say how a request stands, once what can be done for it from here is done."""


async def answered(desk: Desk, request: int) -> RequestShape:
    """Wait until somebody has acted on a request."""
    loop = asyncio.get_running_loop()
    asked, hinted = loop.time(), False
    while True:
        found = await desk.answer(request)
        if found is None:
            raise StoreError(f"request {request} has gone from the database")
        if found.answered_at is not None:
            return found
        if not hinted and loop.time() - asked > _HINT.total_seconds():
            hinted = True
            typer.echo(_WAITING, err=True)
        await asyncio.sleep(_POLL.total_seconds())


async def answered_by(service: ReceiverClient, request: int, *, wait: bool = True) -> RequestShape:
    """Wait until a service elsewhere has acted on a request; without waiting, say how it stands."""
    if wait:
        return await answered(_Elsewhere(service), request)
    found = await service.request(request)
    if found is None:
        raise StoreError(f"request {request} has gone from the database")
    return found


async def ended(desk: Desk, number: int) -> RunShape:
    """Wait until a remediation has ended, and say each time where it stands."""
    loop = asyncio.get_running_loop()
    moved, hinted, stood = loop.time(), False, None
    while True:
        found = await desk.look(number)
        if found is None:
            raise StoreError(f"remediation {number} has gone from the database")
        if found.state is RunState.FINISHED:
            return found
        stands = (found.cursor, len(found.journal))
        if stood is not None and stands != stood:
            moved, hinted = loop.time(), False
            say(f"step {min(found.cursor + 1, len(found.steps))} of {len(found.steps)}")
        elif not hinted and loop.time() - moved > _HINT.total_seconds():
            hinted = True
            typer.echo(_WAITING, err=True)
        stood = stands
        await asyncio.sleep(_POLL.total_seconds())


class _Elsewhere:
    """A service that is asked through its API."""

    def __init__(self, service: ReceiverClient) -> None:
        self._service = service

    async def ask(self, kind: Kind, number: int, note: str) -> int | None:
        words = self._service.remediations
        give = {Kind.APPROVE: words.approve, Kind.REJECT: words.reject, Kind.CANCEL: words.cancel}[kind]
        asked = await give(number, note)
        return None if asked is None else asked.request_id

    async def look(self, number: int) -> RunShape | None:
        try:
            return await self._service.remediations.get(number)
        except RemoteError as error:
            raise RemoteError(f"{error}. What was asked is written down; `remediations show` tells its end") from error

    async def wish(self, playbook: str, wanted: RunWish) -> int | None:
        asked = await self._service.playbooks.run(playbook, wanted)
        return None if asked is None else asked.request_id

    async def tell(self, incident: int, wish: TakingWish | SilenceWish) -> int | None:
        if isinstance(wish, SilenceWish):
            asked = await self._service.incidents.silence(incident, wish)
        else:
            asked = await self._service.incidents.acknowledge(incident, wish)
        return None if asked is None else asked.request_id

    async def answer(self, request: int) -> RequestShape | None:
        return await self._service.request(request)


class _Here:
    """The own database."""

    def __init__(self, settings: Settings, database: Database, queue: Queue, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._database = database
        self._queue = queue
        self._stack = stack
        self._rooms: Rooms | None = None

    async def ask(self, kind: Kind, number: int, note: str) -> int | None:
        async with self._database.transaction() as tx:
            found = await remediations.get(tx, number)
            if found is None:
                return None
            if found.state is RunState.FINISHED:
                outcome = found.outcome.value if found.outcome else "finished"
                raise StoreError(f"remediation {number} has already ended: {outcome}")
            asked = await requests.ask(tx, kind, number, asked_by=person(), detail={"note": note})
            await waking(self._queue, _now)(tx, number)
        return asked

    async def look(self, number: int) -> RunShape | None:
        found = await self._read(number)
        if found is not None and _is_due(found) and not await self._queue.is_worked():
            rooms = await self._opened()
            if rooms.cluster is not None:  # Without one, all that could be done is to fail it.
                await tick(rooms, number, found.cursor)
                found = await self._read(number)
        return run_shape(found) if found else None

    async def wish(self, playbook: str, wanted: RunWish) -> int | None:
        detail = run_detail(playbook, wanted)
        if all(one.name != playbook for one in load_all(self._settings.playbooks)):
            return None
        async with self._database.transaction() as tx:
            return await requests.ask(tx, Kind.RUN, None, asked_by=person(), detail=detail)

    async def tell(self, incident: int, wish: TakingWish | SilenceWish) -> int | None:
        kind = Kind.SILENCE if isinstance(wish, SilenceWish) else Kind.ACKNOWLEDGE
        async with self._database.transaction() as tx:
            found = await incidents.get(tx, incident)
            if found is None:
                return None
            if found.state is IncidentState.CLOSED:
                raise StoreError(f"incident {incident} is over; what fires later is a new one")
            return await requests.ask(tx, kind, None, asked_by=person(), detail=word_detail(incident, wish))

    async def answer(self, request: int) -> RequestShape | None:
        found = await self._request(request)
        if found is not None and found.answered_at is None and not await self._queue.is_worked():
            await act_on(await self._opened(), request)
            found = await self._request(request)
        return request_shape(found) if found else None

    async def _opened(self) -> Rooms:
        if self._rooms is None:
            s3 = bucket = None
            if self._settings.archive.bucket is not None:
                from receiver.cli import s3 as buckets  # noqa: PLC0415 - boto3 is slow to load, and most commands need none

                s3 = await self._stack.enter_async_context(buckets.open_s3(self._settings))
                bucket = buckets.make_bucket(s3)
            opening = open_rooms(self._settings, self._database, vault=s3, bucket=bucket)
            self._rooms = await self._stack.enter_async_context(opening)
        return self._rooms

    async def _request(self, number: int) -> Request | None:
        async with self._database.transaction() as tx:
            return await requests.get(tx, number)

    async def _read(self, number: int) -> Run | None:
        async with self._database.transaction() as tx:
            return await remediations.get(tx, number)


@asynccontextmanager
async def desk_at(where: Where) -> AsyncIterator[Desk]:
    """Open where something is asked for.

    Raises:
        SettingsError: The address or the settings cannot be used.
    """
    async with AsyncExitStack() as stack:
        if where.server is not None:
            yield _Elsewhere(await stack.enter_async_context(elsewhere(where)))
            return
        settings = settings_of(where.config)
        database = await stack.enter_async_context(opened(settings))
        queue = Queue(database)
        await queue.open()
        yield _Here(settings, database, queue, stack)


def _is_due(run: Run) -> bool:
    """Answer whether a worker would take a step now: one that runs has a job, which nobody else will do."""
    return run.state is RunState.RUNNING or (
        run.state is RunState.WAITING and run.wake_at is not None and run.wake_at <= _now()
    )


def _now() -> datetime:
    return datetime.now(UTC)
