"""History of several months in Postgres, a real S3 store, and one clock."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from receiver.clients.s3 import S3
from receiver.model.history import Export
from receiver.store import exports
from receiver.store.database import Database
from receiver.store.tables import OccurrenceRow, Table, TombstoneRow
from receiver.upkeep.prune import Prune
from receiver.upkeep.tiers import Move, Tiers

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
KEEP = timedelta(days=90)
_FINGERPRINTS = count(1)


@dataclass
class Shelf:
    """What a test of the tiers works with; `weed` is the store that holds the bucket."""

    database: Database
    records: Any
    weed: Any
    bucket: str
    scratch: Path
    now: datetime = NOW
    clients: list[S3] = field(default_factory=list)

    def s3(self, **given: Any) -> S3:
        """A client for the bucket."""
        self.clients.append(self.weed.client(given.pop("bucket", self.bucket), **given))
        return self.clients[-1]

    def tiers(self, s3: S3 | None = None) -> Tiers:
        """The way to S3."""
        return Tiers(
            database=self.database,
            s3=s3 or self.s3(),
            prefix="history",
            scratch=self.scratch / "export",
            now=lambda: self.now,
        )

    async def export(self, s3: S3 | None = None, **given: Any) -> list[str]:
        """Export; gives lines such as `alerts 2026-03 exported 4`."""
        return [told(move) async for move in self.tiers(s3).export(**given)]

    async def prune(
        self, s3: S3 | None = None, *, discard: bool = False, keep: timedelta = KEEP, **given: Any
    ) -> list[str]:
        """Prune; gives such lines too, with the reason where there is one."""
        tiers = None if discard else self.tiers(s3)
        run = Prune(database=self.database, tiers=tiers, keep=keep, now=lambda: self.now, **given)
        return [told(move) async for move in run.run()]

    async def occurrence(self, at: datetime, **given: Any) -> str:
        """Insert a resolved occurrence that was heard of when it happened; gives its public id."""
        seen = max(at, datetime(2026, 1, 1, tzinfo=UTC))
        row = {
            "fingerprint": f"{next(_FINGERPRINTS):016x}",
            "starts_at": at,
            "status": "resolved",
            "ends_at": at + timedelta(minutes=5) if at.year < 9999 else at,
            "first_seen_at": seen,
            "last_seen_at": seen,
            "resolved_seen_at": seen,
        }
        return str(await self.records.alert(**{**row, **given}))

    async def all_of(self, table: type[Table]) -> list[dict[str, Any]]:
        """Every row of a table, with every column."""
        async with self.database.transaction() as tx:
            found = await tx.execute(select(table.__table__).order_by(table.__table__.c.id))
            return [dict(row) for row in found.mappings()]

    async def partition(self, name: str, month: datetime) -> None:
        """Give a month a partition of its own, as `serve` did when the month came."""
        after = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
        async with self.database.transaction() as tx:
            await tx.execute(
                text(
                    f"create table {name}_p_{month:%Y%m} partition of {name} "
                    f"for values from ('{month.isoformat()}') to ('{after.isoformat()}')"
                )
            )

    async def partitions(self, name: str) -> list[str]:
        """The partitions of a table, without the default one."""
        async with self.database.transaction() as tx:
            found = await tx.execute(
                text("select inhrelid::regclass::text from pg_inherits where inhparent = cast(:name as regclass)"),
                {"name": name},
            )
            return sorted(one for one in found.scalars() if not one.endswith("_default"))

    async def all_of_exports(self) -> list[Export]:
        """What is written down about exports, by relation and month."""
        async with self.database.transaction() as tx:
            return await exports.every(tx)

    async def tombstones(self) -> list[tuple[str, datetime]]:
        """The keys of all tombstones."""
        async with self.database.transaction() as tx:
            found = await tx.execute(select(TombstoneRow.fingerprint, TombstoneRow.starts_at).order_by(text("1, 2")))
            return [(row.fingerprint, row.starts_at) for row in found]

    async def run(self, statement: str) -> None:
        """Do something to the database by hand."""
        async with self.database.transaction() as tx:
            await tx.execute(text(statement))

    async def ids(self, table: type[Table] = OccurrenceRow) -> list[int]:
        """The numbers of all rows that Postgres holds."""
        return [row["id"] for row in await self.all_of(table)]


def told(move: Move) -> str:
    """One line about a month."""
    line = f"{move.relation.value} {move.month.year:04d}-{move.month.month:02d} {move.outcome.value} {move.rows}"
    return f"{line}: {move.reason}" if move.reason else line


@pytest.fixture
async def shelf(database: Database, records: Any, weed: Any, tmp_path: Path) -> AsyncIterator[Shelf]:
    """A shelf with a bucket of its own."""
    made = Shelf(database=database, records=records, weed=weed, bucket=weed.new_bucket(), scratch=tmp_path)
    yield made
    for client in made.clients:
        await client.close()
