"""The migrated schema is the declared one."""

from datetime import UTC, datetime
from pathlib import Path

import procrastinate
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text

from receiver.store.database import Database
from receiver.store.migrate import is_ours, migrate, newest_revision
from receiver.store.partitions import keep_ahead
from receiver.store.tables import Table


async def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        return list(compare_metadata(context, Table.metadata))

    async with database.transaction() as transaction:
        found = await transaction.run_sync(differences)

    assert found == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert await migrate(database_url) == newest_revision()
    assert await migrate(database_url) == newest_revision()


async def test_what_a_newer_version_has_migrated_is_left_alone(database: Database, database_url: str) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(text("update alembic_version set version_num = '9999'"))

    assert await migrate(database_url) == "9999"


def test_the_queue_has_the_schema_of_the_installed_release() -> None:
    frozen = Path("migrations/sql/procrastinate-3.10.0.sql").read_text(encoding="utf-8")

    assert procrastinate.__version__ == "3.10.0", "a new release: add its migrations as pre and post revisions"
    assert frozen.split("\n", 1)[1] == SchemaManager.get_schema()


async def test_a_month_that_is_made_late_takes_its_rows_out_of_the_default_partition(database: Database) -> None:
    far = datetime(2031, 5, 17, tzinfo=UTC)
    async with database.transaction() as transaction:
        await transaction.execute(
            text("insert into timeline (at, kind, text, detail) values (:at, 'k', 'waits', '{}')"), {"at": far}
        )

    async with database.transaction() as transaction:
        made = await transaction.run_sync(keep_ahead, far)
        where = (await transaction.execute(text("select tableoid::regclass::text from timeline"))).scalar_one()

    assert "timeline_p_203105" in made
    assert where == "timeline_p_203105"
