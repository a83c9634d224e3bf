"""What tests of several rooms share: one Postgres for the session, a database of its own for each test."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from receiver.store.database import Database
from receiver.store.embedded import EmbeddedPostgres, scratch
from receiver.store.migrate import migrate_blocking

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real Postgres, without durability: tests of crashes start their own."""
    with scratch(durable=False) as server:
        yield server


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
        connection.execute("set file_copy_method = clone")  # half the time of a copy by Postgres itself
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
