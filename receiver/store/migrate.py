"""Brings the schema to the newest version, and keeps partitions ahead of the clock.

Revisions live in `migrations/` and are named `NNNN_pre|post_what.py`: `pre` may run while the previous version of the
service still works on the database, `post` only after the last of it is gone. A shipped revision is never edited.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.sql.schema import SchemaItem

import receiver.store.archive_tables
import receiver.store.cleanup_tables
import receiver.store.digest_tables
import receiver.store.evidence_tables
import receiver.store.guard_tables
import receiver.store.lane_tables
import receiver.store.peer_tables
import receiver.store.press_tables
import receiver.store.rollup_tables  # noqa: F401 - each declares its tables beside those of receiver.store.tables
from receiver.store.database import Transaction, translated
from receiver.store.partitions import keep_ahead

_LOCK: Final = 7_215_004_811
"""Advisory lock of all replicas that start at once: one migrates, the others wait and find it done."""


async def migrate(url: str) -> str:
    """Bring the database to the newest schema without holding up the event loop; see `migrate_blocking`."""
    return await asyncio.to_thread(migrate_blocking, url)


def is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, compared: SchemaItem | None) -> bool:  # noqa: ARG001, FBT001 - Alembic's signature
    """Answer whether a reflected object is declared by us: not the queue's, and no single partition."""
    return not (kind == "table" and name is not None and (name.startswith("procrastinate_") or "_p_" in name))


def newest_revision() -> str:
    """Name the revision that this version of the code works with."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def is_behind(revision: str) -> bool:
    """Answer whether a database is older than this version of the code wants; a revision it never heard of is newer."""
    return revision in _known() and revision != newest_revision()


async def revision_of(tx: Transaction) -> str | None:
    """Read the revision of a database; None where no schema is there yet."""
    there = (await tx.execute(text("select to_regclass('alembic_version')"))).scalar_one()
    return None if there is None else (await tx.execute(text("select version_num from alembic_version"))).scalar()


def migrate_blocking(url: str) -> str:
    """Bring the database to the newest schema; safe to run from several processes at once.

    A schema that a newer version has made stays as it is: this one may be the last of the previous ones to start.

    Args:
        url: A libpq connection string or URL.

    Returns:
        The revision that the database now has.

    Raises:
        StoreUnavailable: The server does not answer.
        StoreError: A revision was refused; the schema is as it was before that revision.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        poolclass=NullPool,
        creator=lambda: psycopg.connect(url, connect_timeout=5, options="-c timezone=UTC"),
    )
    with translated(), engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        revision = _revision(connection)
        connection.commit()
        try:
            if revision in {"", *_known()}:
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            keep_ahead(connection, datetime.now(UTC))
            connection.commit()
            return _revision(connection)
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _known() -> set[str]:
    """Name all revisions that this version of the code has heard of."""
    return {found.revision for found in ScriptDirectory.from_config(_config()).walk_revisions()}


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _config() -> Config:
    config = Config()
    package = Path(__file__).resolve().parents[1]
    shipped = package / "migrations"
    config.set_main_option("script_location", str(shipped if shipped.is_dir() else package.parent / "migrations"))
    return config
