"""One pool of connections, shared by SQLAlchemy, by the named statements and by the queue."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from receiver.model.errors import StoreError, StoreUnavailable
from receiver.store.pool_log import POOL_LOG

Transaction = AsyncConnection
"""An open transaction; made by `Database.transaction` and handed to the other functions of this room."""

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

_PATIENCE: Final = timedelta(seconds=5)
"""How long to wait for a connection: Alertmanager waits longer, a person does not."""

_AGAIN: Final = timedelta(seconds=1)
"""How long the pool tries for one connection by itself. It waits longer after each failure, minutes in the end, so it
had better give up soon: whoever next asks for a connection makes it try again at once."""

_LOST: Final = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
"""After how long a server that vanished without a word is taken for gone, in seconds and (the second) milliseconds;
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS. Without it that takes two hours."""

_NO_SCHEMA: Final = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
"""What a server says whose schema is older than this code: it may be newer a moment later."""

_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""What is said where a server does not answer, or takes nothing now."""

_TOO_LARGE: Final = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
    psycopg.errors.TooManyArguments,
)
"""What a server says of one statement (class 54), which fails for ever; psycopg counts it to the operational errors."""

_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Database:
    """Postgres, opened once by the command line and handed down.

    Opening does not wait for the server: a service that starts while Postgres is away receives all the same, and each
    use says `StoreUnavailable` until it answers.
    """

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url
        self.pool: Pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=connections,
            open=False,
            timeout=_PATIENCE.total_seconds(),
            reconnect_timeout=_AGAIN.total_seconds(),
            close_returns=True,
            configure=_configure,
            kwargs={**_LOST, "options": "-c timezone=UTC", "application_name": "receiver"},
        )
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            async_creator=self.pool.getconn,
        )

    async def open(self) -> None:
        """Start the pool; connections follow when the server answers."""
        POOL_LOG.listen()
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self._engine.dispose()
        await self.pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end, rolled back on any error.

        Raises:
            StoreUnavailable: The server does not answer, or went away in the middle; nothing was committed, unless it
                went away during the commit itself, which the caller must expect.
            StoreError: The server refused.
        """
        with translated():
            async with self._engine.begin() as transaction:
                yield transaction

    async def renew(self) -> None:
        """Trust no connection that was there before: idle ones are closed, those in use when they come back."""
        await self.pool.drain()

    async def ping(self) -> None:
        """Ask the server for an answer.

        Raises:
            StoreUnavailable: There is none.
        """
        with translated():
            async with self.pool.connection() as connection:
                await connection.execute("select 1")


_Result = TypeVar("_Result")
_given_up: set[asyncio.Task[Any]] = set()


async def within(limit: timedelta, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do work in the database, and wait for it no longer than a limit, whatever the server does.

    A server that hangs holds up the cancelling of a statement too, for ten seconds and more; here nobody waits for that
    end either. The connection is closed when it comes.

    Raises:
        StoreUnavailable: The time is over; whether the work takes effect all the same, nobody knows.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    except asyncio.CancelledError:
        _give_up(task)
        raise
    if not done:
        _give_up(task)
        raise StoreUnavailable(f"Postgres did not answer within {limit.total_seconds():.0f} s")
    return task.result()


async def end(task: asyncio.Task[Any], *, patience: timedelta) -> None:
    """Cancel work in the database, and wait for its end only so long: while the server hangs it does not come."""
    _give_up(task)
    await asyncio.wait({task}, timeout=patience.total_seconds())


def _give_up(task: asyncio.Task[Any]) -> None:
    _given_up.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take note of how work ended that nobody waits for: it was reported as given up already."""
    _given_up.discard(task)
    if not task.cancelled():
        task.exception()


class translated:  # noqa: N801 - reads as a word of its with-statement
    """Turns what drivers raise into this room's errors, at the border."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, PoolTimeout):
            raise StoreUnavailable(
                "Postgres gave no connection in time; look whether it runs and accepts more"
            ) from error
        if isinstance(cause, _NO_SCHEMA):
            raise StoreUnavailable("the schema is not there yet; `receiver migrate` makes it") from error
        if isinstance(cause, _AWAY) and not isinstance(cause, _TOO_LARGE):
            raise StoreUnavailable(f"Postgres does not answer: {_first_line(cause)}") from error
        if isinstance(cause, psycopg.Error):
            raise StoreError(f"Postgres refused: {_first_line(cause)}") from error


@asynccontextmanager
async def each_for_itself(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Let each statement in the block be a transaction of its own, on a connection that is in none."""
    await connection.set_autocommit(True)
    try:
        yield
    finally:
        # One that broke, or still waits for its answer, is thrown away by the pool.
        if connection.info.transaction_status is TransactionStatus.IDLE:
            await connection.set_autocommit(False)


def to_json(value: object) -> str:
    """Write JSON that Postgres can hold: the NUL escape, which jsonb refuses, becomes U+FFFD."""
    return _NUL.sub(r"\1\\ufffd", json.dumps(value, ensure_ascii=True, separators=(",", ":")))


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Prepare a new connection; that there is one ends an outage."""
    await _speak_json(connection)
    POOL_LOG.connected()


async def _speak_json(connection: psycopg.AsyncConnection[Any]) -> None:
    """Tell a new connection how to write and read jsonb; SQLAlchemy does not, on connections that it did not make."""
    set_json_dumps(to_json, connection)
    set_json_loads(msgspec.json.decode, connection)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
