"""Evidence: which bundles were kept, and those that lie in Postgres itself."""

from typing import Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.errors import EvidenceAway, S3Error
from receiver.model.evidence import Evidence
from receiver.store.database import Database, Transaction
from receiver.store.evidence_tables import EvidenceRow
from receiver.store.rows import Row


class Vault(Protocol):
    """A bucket for evidence, as `receiver.clients.s3` has it; raises `S3Error` when it cannot."""

    bucket: str

    async def put(self, key: str, source: bytes, *, fresh: bool = True, kind: str) -> str:
        """Write an object; returns its SHA-256 in hex, which the store has checked."""

    async def get(self, key: str) -> bytes:
        """Read an object."""


class Bundles:
    """The bundles, wherever each of them lies.

    Args:
        database: What was kept is written down there, and what lies in no bucket lies there.
        vault: The configured bucket; None where none is.
    """

    def __init__(self, database: Database, vault: Vault | None) -> None:
        self._database = database
        self._vault = vault

    async def of_run(self, run_id: int) -> tuple[Evidence, ...]:
        """List what was kept of a run, by step."""
        async with self._database.transaction() as tx:
            return await of_run(tx, run_id)

    async def read(self, kept: Evidence) -> bytes:
        """Read a bundle, compressed as it is.

        Raises:
            EvidenceAway: It lies in a bucket that is not configured any more, or that cannot be read.
            StoreError: The database cannot be used.
        """
        if not kept.bucket:
            async with self._database.transaction() as tx:
                return await _body(tx, kept)
        if self._vault is None or self._vault.bucket != kept.bucket:
            raise EvidenceAway(f"{kept.place} is not in the bucket that archive.bucket names now")
        try:
            return await self._vault.get(kept.key)
        except S3Error as error:
            raise EvidenceAway(f"{kept.place} cannot be read: {error}") from error


async def keep(transaction: Transaction, kept: Evidence, body: bytes | None) -> None:
    """Write down that a bundle was kept; the first one of a step stays, since it was gathered before any attempt.

    Args:
        transaction: It is on record when this commits.
        kept: The bundle.
        body: Its bytes, where it lies in Postgres; None where it lies in a bucket.
    """
    await transaction.execute(
        upsert(EvidenceRow)
        .values(
            run_id=kept.run_id,
            cursor=kept.cursor,
            at=kept.at,
            bucket=kept.bucket,
            key=kept.key,
            sha256=kept.sha256,
            size=kept.size,
            body=body,
        )
        .on_conflict_do_nothing()
    )


async def of_run(transaction: Transaction, run_id: int) -> tuple[Evidence, ...]:
    """List what was kept of a run, by step."""
    columns = (
        EvidenceRow.run_id,
        EvidenceRow.cursor,
        EvidenceRow.at,
        EvidenceRow.bucket,
        EvidenceRow.key,
        EvidenceRow.sha256,
        EvidenceRow.size,
    )
    found = await transaction.execute(select(*columns).where(EvidenceRow.run_id == run_id).order_by(EvidenceRow.cursor))
    return tuple(_evidence(row) for row in found)


async def _body(transaction: Transaction, kept: Evidence) -> bytes:
    which = (EvidenceRow.run_id == kept.run_id, EvidenceRow.cursor == kept.cursor)
    body = (await transaction.execute(select(EvidenceRow.body).where(*which))).scalar()
    if body is None:
        raise EvidenceAway(f"the evidence of run {kept.run_id} was dropped meanwhile")
    return bytes(body)


def _evidence(row: Row) -> Evidence:
    return Evidence(
        run_id=row.run_id,
        cursor=row.cursor,
        at=row.at,
        bucket=row.bucket,
        key=row.key,
        sha256=row.sha256,
        size=row.size,
    )
