"""What a driver says is sorted into two: Postgres is away, so the spool takes it; or Postgres refuses just this."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError

from receiver.model.errors import StoreError, StoreUnavailable
from receiver.store.database import translated, within

AWAY = [
    psycopg.OperationalError("connection refused"),
    psycopg.InterfaceError("the connection is closed"),
    PoolTimeout("couldn't get a connection after 5.00 sec"),
    errors.DiskFull("could not extend file"),
    errors.OutOfMemory("out of memory"),
    errors.IoError("could not read block 7"),
    errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    errors.AdminShutdown("terminating connection due to administrator command"),
    errors.CrashShutdown("terminating connection because of crash of another server process"),
    errors.CannotConnectNow("the database system is starting up"),
    errors.TooManyConnections("sorry, too many clients already"),
    errors.UndefinedTable('relation "deliveries" does not exist'),
    OperationalError("insert ...", {}, psycopg.OperationalError("server closed the connection unexpectedly")),
]

REFUSED = [
    errors.NotNullViolation("null value in column"),
    errors.DatetimeFieldOverflow("timestamp out of range"),
    errors.ProgramLimitExceeded("index row size 9016 exceeds btree version 4 maximum 2704"),
    errors.StatementTooComplex("stack depth limit exceeded"),
    errors.UntranslatableCharacter("unsupported Unicode escape sequence"),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_postgres_is_away(error: Exception) -> None:
    with pytest.raises(StoreUnavailable), translated():
        raise error


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: type(error).__name__)
def test_postgres_refuses_just_this(error: Exception) -> None:
    with pytest.raises(StoreError) as raised, translated():
        raise error

    assert not raised.value.retryable


async def test_work_that_cannot_be_cancelled_is_not_waited_for() -> None:
    go_on = asyncio.Event()
    ended = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await go_on.wait()
            ended.set()

    with pytest.raises(StoreUnavailable, match="did not answer"):
        await within(timedelta(seconds=0.01), stubborn())

    assert not ended.is_set()
    go_on.set()
    await ended.wait()


async def test_work_that_ends_in_time_gives_its_result_or_its_error() -> None:
    async def good() -> int:
        return 7

    async def bad() -> int:
        raise StoreError("it was refused")

    assert await within(timedelta(seconds=5), good()) == 7
    with pytest.raises(StoreError, match="it was refused"):
        await within(timedelta(seconds=5), bad())
