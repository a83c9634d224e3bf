"""A person's word about a remediation: given here or to a service elsewhere, acted upon, and waited for.

Here it is written down as the API writes it. Where a worker lives on the same database it acts on it; where none does,
this process takes the steps of that one remediation itself, as long as it waits and has a cluster.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import typer

from receiver.cli.person import person
from receiver.cli.reading import Where, absent, elsewhere, opened, settings_of
from receiver.cli.tables import say
from receiver.cli.waking import waking
from receiver.cli.wiring import open_rooms
from receiver.clients.receiver import ReceiverClient
from receiver.model.errors import RemoteError, StoreError
from receiver.model.remediation import Outcome, Run, RunState
from receiver.model.request import Kind
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.tick import tick
from receiver.settings import Settings
from receiver.store import requests
from receiver.store.database import Database
from receiver.store.history import remediations
from receiver.store.jobs import Queue
from receiver.web.api.asking import Asked
from receiver.web.api.remediations import RunShape, run_shape

_POLL: Final = timedelta(seconds=0.5)
_HINT: Final = timedelta(seconds=15)
"""After so long without any progress it is said who would have to act."""

_WANTED: Final = {Kind.APPROVE: Outcome.SUCCEEDED, Kind.REJECT: Outcome.REJECTED, Kind.CANCEL: Outcome.CANCELLED}
"""The end that somebody who asks hopes for."""


class Desk(Protocol):
    """Where a word is given: the own database, or a service elsewhere."""

    async def ask(self, kind: Kind, number: int, note: str) -> int | None:
        """Write a word down; returns the number of the request, None where there is no such remediation."""

    async def look(self, number: int) -> RunShape | None:
        """Say how a remediation stands, once what can be done for it from here is done."""


async def give_word(where: Where, kind: Kind, number: int, note: str, *, wait: bool) -> None:
    """Give a word about a remediation, and wait for its end unless told otherwise; exits with 1 for another end.

    Raises:
        StoreError: There is no such remediation, or it has ended.
        RemoteError: The service refuses, or does not answer.
    """
    async with _desk(where) as desk:
        asked = await desk.ask(kind, number, note)
        if asked is None:
            raise absent(f"remediation {number}", "remediations list")
        say(f"request {asked} is written down: {kind.value} remediation {number}")
        if not wait:
            return
        ended = await _ended(desk, number)
    outcome = ended.outcome.value if ended.outcome else "finished"
    say(f"remediation {number} ended: {outcome}. {ended.reason}")
    if ended.outcome is not _WANTED[kind]:
        raise typer.Exit(1)


async def _ended(desk: Desk, number: int) -> RunShape:
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
            typer.echo("still waiting; a running `receiver serve` or `receiver worker` acts on it", err=True)
        stood = stands
        await asyncio.sleep(_POLL.total_seconds())


class _Elsewhere:
    """A service that is asked through its API."""

    def __init__(self, service: ReceiverClient) -> None:
        self._service = service

    async def ask(self, kind: Kind, number: int, note: str) -> int | None:
        asked = await self._service.post(f"/api/v1/remediations/{number}/{kind.value}", Asked, {"note": note})
        return None if asked is None else asked.request_id

    async def look(self, number: int) -> RunShape | None:
        try:
            return await self._service.get(f"/api/v1/remediations/{number}", RunShape)
        except RemoteError as error:
            raise RemoteError(f"{error}. What was asked is written down; `remediations show` tells its end") from error


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

    async def _opened(self) -> Rooms:
        if self._rooms is None:
            self._rooms = await self._stack.enter_async_context(open_rooms(self._settings, self._database))
        return self._rooms

    async def _read(self, number: int) -> Run | None:
        async with self._database.transaction() as tx:
            return await remediations.get(tx, number)


@asynccontextmanager
async def _desk(where: Where) -> AsyncIterator[Desk]:
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
