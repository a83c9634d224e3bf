"""The queue: procrastinate as transport, kept behind this one module.

A job says only *look at that row now*. What is to be done stands in our own tables, each with a time by which somebody
must have looked (`look_at`, `wake_at`, `due_at`); a sweep makes a new job for whatever is overdue. So a job may be lost
or run twice, and the queue could be emptied at any time, without anything being forgotten or done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final

import procrastinate
import psycopg
import structlog
from procrastinate import exceptions, jobs, manager
from psycopg import errors
from sqlalchemy import BigInteger, ColumnElement, SQLColumnExpression, cast, column, literal_column, select, table, text

from receiver.model.errors import StoreUnavailable
from receiver.store.database import Database, Transaction, end

log = structlog.get_logger()

QUEUE: Final = "receiver"
"""Name of the one queue."""
_HEARTBEAT: Final = timedelta(seconds=5)
_POLL_EVERY: Final = timedelta(seconds=1)
"""How often a worker looks for jobs of which it was not told."""

_STALLED: Final = timedelta(seconds=20)
"""A worker that has not beaten its heart for so long is taken for dead, and its jobs are done again."""

_ALIVE: Final = "select exists (select from procrastinate_workers where last_heartbeat > now() - :stalled)"

_JOBS: Final = table("procrastinate_jobs", column("task_name"), column("args"), column("status"))
"""Of procrastinate's own table, what we ask it."""

_WAITING: Final = """
select task_name, count(*) as number from procrastinate_jobs
where status = 'todo' and queue_name = :queue and (scheduled_at is null or scheduled_at <= now())
group by task_name
"""

_GRACE: Final = timedelta(seconds=10)
"""How long jobs under way are given to end."""
_GOODBYE: Final = timedelta(seconds=1)
"""What the worker has to write after that; with a Postgres that hangs it never ends, and Kubernetes waits 30 s."""


_GONE: Final = "Job was not found"
"""How Postgres begins to say, by a function of procrastinate, that a job which is over had been over already."""


class Job(Enum):
    """What may be looked at, most urgent last: the value is the job's priority in the queue."""

    LOOK = 0
    """An incident: enrich, decide, tell."""
    SEND = 1
    """A message of the outbox."""
    TICK = 2
    """A run: take its next step."""
    ASK = 3
    """What a person asked for that is about no run yet: somebody waits for it."""

    @property
    def title(self) -> str:
        """Its name in the queue."""
        return self.name.lower()


class Queue:
    """Jobs of this service in the database's own queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        connector = procrastinate.PsycopgConnector()
        self._app = procrastinate.App(connector=connector)
        self._app.job_manager = _Jobs(connector)

    async def open(self) -> None:
        """Join the database's pool."""
        await self._app.open_async(self._database.pool)

    def on(self, job: Job, do: Callable[..., Awaitable[None]]) -> None:
        """Say what is done for a kind of job; its keyword arguments are those given to `enqueue`."""
        self._app.task(name=job.title, queue=QUEUE)(do)

    async def enqueue(self, transaction: Transaction, job: Job, *arguments: dict[str, Any]) -> None:
        """Add jobs to an open transaction: they exist when it is committed, and only then."""
        raw = await transaction.get_raw_connection()
        connection = raw.driver_connection
        if connection is None:
            raise StoreUnavailable("the connection to Postgres is gone")
        await self.enqueue_on(connection, job, arguments)

    async def enqueue_on(
        self, connection: psycopg.AsyncConnection[Any], job: Job, arguments: Sequence[dict[str, Any]]
    ) -> None:
        """Add jobs to whatever transaction a connection of the driver is in."""
        if arguments:
            deferrer = self._app.configure_task(job.title, queue=QUEUE, priority=job.value, connection=connection)
            try:
                await deferrer.batch_defer_async(*arguments)
            except exceptions.ConnectorException as error:
                # The queue only passes on what the driver said of this transaction, which its owner understands.
                if isinstance(error.__cause__, psycopg.Error):
                    raise error.__cause__ from None
                raise

    async def work(self, *, concurrency: int) -> None:
        """Do jobs until cancelled; those under way are given ten seconds to end.

        Raises:
            StoreUnavailable: The database went away.
        """
        working = asyncio.ensure_future(
            self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=concurrency,
                install_signal_handlers=False,
                fetch_job_polling_interval=_POLL_EVERY.total_seconds(),
                update_heartbeat_interval=_HEARTBEAT.total_seconds(),
                stalled_worker_timeout=_STALLED.total_seconds(),
                shutdown_graceful_timeout=_GRACE.total_seconds(),
                delete_jobs="always",
            )
        )
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            await end(working, patience=_GRACE + _GOODBYE)
            raise
        except exceptions.ConnectorException as error:
            raise StoreUnavailable(f"the queue lost Postgres: {_reason(error)}") from error

    async def is_worked(self) -> bool:
        """Answer whether any process works on this database: whether one has beaten its heart lately.

        Raises:
            StoreError: The database cannot be asked.
        """
        async with self._database.transaction() as tx:
            return bool((await tx.execute(text(_ALIVE), {"stalled": _STALLED})).scalar_one())

    async def reap(self) -> int:
        """Give the jobs of dead workers back to the queue; returns how many."""
        try:
            stalled = await self._app.job_manager.get_stalled_jobs(
                queue=QUEUE, seconds_since_heartbeat=_STALLED.total_seconds()
            )
            found = list(stalled)
            for job in found:
                await self._app.job_manager.retry_job(job)
        except exceptions.ConnectorException as error:
            raise StoreUnavailable(f"the queue lost Postgres: {_reason(error)}") from error
        return len(found)


class _Jobs(manager.JobManager):
    """Procrastinate's own, which bears that a job was ended by another worker while this one was halted."""

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:  # noqa: FBT001 - its own form
        """Set a job to its final state; where it has none any more, say so in one line."""
        try:
            await super().finish_job(job, status, delete_job)
        except exceptions.ConnectorException as error:
            cause = error.__cause__
            if not isinstance(cause, errors.RaiseException) or not str(cause).startswith(_GONE):
                raise
            log.warning(
                "worker",
                action="job_done_elsewhere",
                job=job.task_name,
                arguments=job.task_kwargs,
                hint=f"this process stood still for over {_STALLED.total_seconds():.0f} s, and another did the job",
            )


async def count_waiting(transaction: Transaction) -> dict[str, int]:
    """Count the jobs that no worker has taken yet, by kind; those of a later time are not among them."""
    return {row.task_name: int(row.number) for row in await transaction.execute(text(_WAITING), {"queue": QUEUE})}


def waits(job: Job, argument: str, number: SQLColumnExpression[int]) -> ColumnElement[bool]:
    """Say in SQL whether a job about a row waits in the queue; one that a worker has taken does not wait any more.

    Args:
        job: Which kind of job.
        argument: Its argument that is the number of the row.
        number: The number of the row.
    """
    waiting = select(cast(_JOBS.c.args.op("->>")(argument), BigInteger)).where(
        _JOBS.c.task_name == job.title, _JOBS.c.status == literal_column("'todo'")
    )
    return number.in_(waiting)


def _reason(error: Exception) -> str:
    """Say what the driver said: procrastinate's own errors only tell that there was one."""
    said = str(error.__cause__ or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
