"""Brings closed months of history to S3, and proves that they arrived.

A month is written from one snapshot to a local file, sent with its hash, brought back and compared row for row, and
only then written down as exported. Whatever is interrupted is done again from the beginning: an object that was sent
already is found by its hash. Objects are never changed nor removed; a month that changed gets a new one, and its
manifest names the newest.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec

from receiver.clients.parquet import ROW_GROUP, SCHEMA_VERSION, ParquetWriter, read_parquet
from receiver.clients.s3 import LARGEST, S3
from receiver.model.errors import S3Damaged, S3Error, S3Exists
from receiver.model.history import Digest, Export, Relation
from receiver.store import exports
from receiver.store.database import Database
from receiver.upkeep.merge import merged

GRACE: Final = timedelta(days=2)
"""How long after its end a month is left alone: most of what is late comes until then, and spares a second object."""

_PARQUET: Final = "application/vnd.apache.parquet"


class Outcome(Enum):
    """What became of a month."""

    EXPORTED = "exported"
    WOULD_EXPORT = "would export"
    UNCHANGED = "unchanged"
    PRUNED = "pruned"
    WOULD_PRUNE = "would prune"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One month, and what became of it.

    Attributes:
        rows: Of the month, as far as they were counted.
        size: Bytes of its object.
        key: Of its object; empty where there is none.
        reason: Why, where that is not plain.
    """

    relation: Relation
    month: datetime
    outcome: Outcome
    rows: int = 0
    size: int = 0
    key: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A month in a local file, not yet sent."""

    relation: Relation
    month: datetime
    path: Path
    digest: Digest
    versions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What a file must be: its bytes and its rows, as hashes."""

    relation: Relation
    sha256: str
    content: str


class Tiers:
    """The way of history to S3.

    Args:
        database: Where it is.
        s3: Where it goes.
        prefix: Begin of all keys.
        scratch: A folder of our own, for files under way; whatever lies in it is removed.
        now: The clock.
    """

    def __init__(self, *, database: Database, s3: S3, prefix: str, scratch: Path, now: Callable[[], datetime]) -> None:
        self._database = database
        self._s3 = s3
        self._prefix = prefix.strip("/")
        self._scratch = scratch
        self._now = now

    async def export(self, *, before: datetime | None = None, dry_run: bool = False) -> AsyncGenerator[Move, None]:
        """Bring all closed months to S3 that are not there, or changed since; tells of each as it is done.

        Args:
            before: Only months that begin earlier.
            dry_run: Only say what would be done.

        Raises:
            TiersBusy: Somebody else exports or prunes.
            S3Error: S3 cannot be used, or did not keep what it was sent; what was told of before is safe.
            StoreError: The database cannot be used.
        """
        async with exports.alone(self._database):
            await self._s3.check()
            for relation in Relation:
                async with self._database.transaction() as tx:
                    closed = await exports.months(tx, relation, until=self._now() - GRACE)
                for month in closed:
                    if before is None or month < before:
                        move = await self._export(relation, month, dry_run=dry_run)
                        if move is not None:
                            yield move

    async def verify(self, export: Export) -> None:
        """Bring an export back and compare it with what was written down.

        Raises:
            S3Damaged: It is not what it was.
            S3Error: It is not there, or cannot be read.
        """
        self._clear()
        await self._read_back(
            export.key, _Proof(relation=export.relation, sha256=export.sha256, content=export.content)
        )

    async def _export(self, relation: Relation, month: datetime, *, dry_run: bool) -> Move | None:
        """Export a month if need be; None where there is nothing of it."""
        async with exports.snapshot(self._database) as tx:
            count, versions = await exports.versions(tx, relation, month)
            known = await exports.find(tx, relation, month)
        trusted = known if known is not None and known.verified_at and known.bucket == self._s3.bucket else None
        if count == 0:
            return None
        if trusted is not None and trusted.versions == versions:
            return _move(trusted, Outcome.UNCHANGED)
        if dry_run:
            return Move(relation=relation, month=month, outcome=Outcome.WOULD_EXPORT, rows=count)
        self._clear()
        draft = await self._write(relation, month, await self._bring_pruned(known))
        if trusted is not None and trusted.content == draft.digest.content:
            async with self._database.transaction() as tx:
                await exports.note_versions(tx, trusted, draft.versions)
            return _move(trusted, Outcome.UNCHANGED)
        return await self._send(draft, known)

    async def _bring_pruned(self, known: Export | None) -> Path | None:
        """Bring back what S3 alone has of a month, to be joined with what came since."""
        if known is None or known.pruned_at is None:
            return None
        path = self._scratch / "pruned.parquet"
        await self._s3.fetch(known.key, path)
        if await asyncio.to_thread(_sha256, path) != known.sha256:
            raise S3Damaged(f"{known.key} is not what was exported; later rows of that month cannot be joined to it")
        return path

    async def _write(self, relation: Relation, month: datetime, pruned: Path | None) -> _Draft:
        """Write a month into a local file, from one snapshot."""
        path, digest = self._scratch / "export.parquet", Digest(relation)
        async with exports.snapshot(self._database) as tx:
            _, versions = await exports.versions(tx, relation, month)
            rows = exports.rows(tx, relation, month, at_once=ROW_GROUP)
            if pruned is not None:
                rows = merged(relation, read_parquet(pruned, relation), rows, at_once=ROW_GROUP)
            with ParquetWriter(path, relation) as file:
                async for some in rows:
                    await asyncio.to_thread(_append, file, digest, some)
        return _Draft(relation=relation, month=month, path=path, digest=digest, versions=versions)

    async def _send(self, draft: _Draft, known: Export | None) -> Move:
        """Send a file, prove that it arrived, and write that down."""
        size = draft.path.stat().st_size
        if size > LARGEST:
            raise S3Error(
                f"{draft.relation.value} of {draft.month:%Y-%m} has {size} bytes, more than S3 takes in one piece"
            )
        sha256 = await asyncio.to_thread(_sha256, draft.path)
        export = Export(
            relation=draft.relation,
            month=draft.month,
            bucket=self._s3.bucket,
            key=await self._put(draft, sha256),
            rows=draft.digest.rows,
            size=size,
            sha256=sha256,
            content=draft.digest.content,
            versions=draft.versions,
            exported_at=self._now(),
            verified_at=self._now(),
            pruned_at=known.pruned_at if known else None,
        )
        manifest = msgspec.json.format(msgspec.json.encode(_manifest(export, draft.digest)), indent=2)
        await self._s3.put(self._name(draft, ".json"), manifest, fresh=False, kind="application/json")
        async with self._database.transaction() as tx:
            await exports.keep(tx, export)
        return _move(export, Outcome.EXPORTED)

    async def _put(self, draft: _Draft, sha256: str) -> str:
        """Put a file under the name of its month, else under one of its own, and read it back; gives the key.

        The second name holds the hash, so that whatever is there already can only be the same file, or a broken one.
        """
        proof = _Proof(relation=draft.relation, sha256=sha256, content=draft.digest.content)
        plain, own = self._name(draft, ".parquet"), self._name(draft, f".{sha256[:12]}.parquet")
        try:
            await self._s3.put(plain, draft.path, sha256=sha256, kind=_PARQUET)
        except S3Exists:
            there = await self._s3.head(plain)
            if there is not None and there.sha256 == sha256 and await self._is_whole(plain, proof):
                return plain
            await self._s3.put(own, draft.path, sha256=sha256, fresh=False, kind=_PARQUET)
            await self._read_back(own, proof)
            return own
        await self._read_back(plain, proof)
        return plain

    async def _is_whole(self, key: str, proof: _Proof) -> bool:
        try:
            await self._read_back(key, proof)
        except S3Damaged:
            return False
        return True

    async def _read_back(self, key: str, proof: _Proof) -> None:
        path = self._scratch / "back.parquet"
        await self._s3.fetch(key, path)
        await asyncio.to_thread(_compare, path, key, proof)
        path.unlink()

    def _name(self, draft: _Draft, end: str) -> str:
        return f"{self._prefix}/{draft.relation.value}/{draft.month.year:04d}-{draft.month.month:02d}{end}".lstrip("/")

    def _clear(self) -> None:
        """Begin with an empty folder, whatever a killed process has left in it."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)


def _append(file: ParquetWriter, digest: Digest, rows: list[dict[str, Any]]) -> None:
    file.write(rows)
    digest.add(rows)


def _compare(path: Path, key: str, proof: _Proof) -> None:
    """Compare a file with what it must be, as bytes and row for row."""
    if _sha256(path) != proof.sha256:
        raise S3Damaged(f"{key} came back with other bytes than were sent; nothing relies on it")
    digest = Digest(proof.relation)
    for rows in read_parquet(path, proof.relation):
        digest.add(rows)
    if digest.content != proof.content:
        raise S3Damaged(f"{key} came back with other rows than Postgres has; nothing relies on it")


def _manifest(export: Export, digest: Digest) -> Mapping[str, Any]:
    """Say what lies in S3, for people and for programs that know nothing of us."""
    first, last = digest.first, digest.last
    return {
        "relation": export.relation.value,
        "month": f"{export.month.year:04d}-{export.month.month:02d}",
        "key": export.key,
        "schema": SCHEMA_VERSION,
        "rows": export.rows,
        "bytes": export.size,
        "sha256": export.sha256,
        "content_sha256": export.content,
        "first": first and {export.relation.time: first[0], "id": first[1]},
        "last": last and {export.relation.time: last[0], "id": last[1]},
        "exported_at": export.exported_at,
    }


def _move(export: Export, outcome: Outcome) -> Move:
    return Move(
        relation=export.relation,
        month=export.month,
        outcome=outcome,
        rows=export.rows,
        size=export.size,
        key=export.key,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
