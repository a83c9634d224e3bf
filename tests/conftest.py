"""What tests of several rooms share: one Postgres for the session, a database of its own for each test."""

import gc
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from receiver.store.database import Database
from receiver.store.embedded import EmbeddedPostgres, scratch
from receiver.store.migrate import migrate_blocking

ROOM = 8 * 1024**3
"""Bytes that the servers of all tests side by side need at most."""

_NUMBERS = count(1)


def pytest_configure() -> None:
    """Listen to Ctrl-C again where whoever began the tests in the background had it ignored, which is inherited."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it stays, and looking through it took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real Postgres, without durability: tests of crashes start their own."""
    with scratch(durable=False, where=roomy_memory()) as server:
        yield server


def roomy_memory() -> Path | None:
    """Find a file system in memory that has room; None where there is none.

    On disk a quarter of the time of all tests went into finding free inodes: a database has six hundred files, and a
    test makes and drops one.
    """
    memory = Path("/dev/shm")  # noqa: S108 - the folder within it is made for us alone
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """Name of a database that has the newest schema and nothing else."""
    name = "receiver_template"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    migrate_blocking(make_conninfo(postgres.url, dbname=name))
    return name


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A fresh database, made from the template and dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        copy = sql.SQL("create database {} template {} strategy file_copy")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    yield make_conninfo(postgres.url, dbname=name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The fresh database, opened."""
    opened = Database(database_url, connections=8)
    await opened.open()
    yield opened
    await opened.close()


def tool(name: str) -> str:
    """Find a program that a test needs: absent, the test is skipped by its name; in CI it fails."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found
