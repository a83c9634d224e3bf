"""Keep a finished workflow whole on S3, read it back, and only then write down that it is there.

Whatever is cut short leaves either nothing, or an object that nobody relies on yet: the next attempt finds it, sees
that it is the same, and writes it into the index. An object is never replaced, and nothing here deletes anything.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from receiver.clients.argo import ArgoServer
from receiver.clients.kubernetes import Cluster
from receiver.clients.kubernetes.rerun import restoration
from receiver.clients.kubernetes.whole import with_steps, with_steps_of
from receiver.model.archive import Archived, NotAnArchive, State, canonical, fault, key_of, packed, read, unpacked
from receiver.model.errors import (
    Conflict,
    NodesUnreadable,
    PreconditionFailed,
    RequestRefused,
    S3Damaged,
    S3Error,
    S3Exists,
    S3Frozen,
    S3Missing,
    WouldBeMasked,
)
from receiver.model.redaction import Redaction
from receiver.model.workflow import Workflow
from receiver.pipeline.together import Together
from receiver.store import archives
from receiver.store.database import Database

_SMALL: Final = 16 * 1024
"""Bytes of an object that takes less long to unpack than to hand to a thread."""

_FEW_STEPS: Final = 40
"""Of a workflow that takes less long to pack than to hand to a thread."""


class Label(Protocol):
    """What an object says of itself, without being read."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """As it was given when the object was put."""


class Bucket(Protocol):
    """A bucket for archives, as `receiver.clients.archive` has it; raises `S3Error` when it cannot."""

    @property
    def bucket(self) -> str:
        """Its name."""

    async def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        """Write an object that is not there yet."""

    async def get(self, key: str) -> bytes:
        """Read an object."""

    async def head(self, key: str) -> Label | None:
        """Look at an object; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """A workflow as it is now, ready to be sent."""

    archived: Archived
    body: bytes


class Archivist:
    """Whoever keeps workflows, for playbooks and for people.

    Many may be kept at the same time; those share their statements and commits.

    Args:
        database: Holds the index.
        bucket: Holds the objects.
        cluster: Where workflows are read; None where none is configured, and then nothing can be archived.
        argo: Tells the steps that Argo keeps in its database; None where it is not configured.
        prefix: Begin of all keys.
        redaction: What no archive may hold; as a rule that is nothing, since what is masked cannot be brought back.
        now: The clock.
    """

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        *,
        cluster: Cluster | None,
        argo: ArgoServer | None = None,
        prefix: str,
        redaction: Redaction | None = None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._bucket = bucket
        self._cluster = cluster
        self._argo = argo
        self._prefix = prefix
        self._redaction = redaction or Redaction()
        self._now = now
        self._found: Together[State, None, Archived] = Together(self._find)
        self._written: Together[State, Archived, Archived] = Together(self._write)

    async def keep(self, workflow: Workflow, *, by: str, masked: bool = False) -> Archived:
        """Archive a finished workflow in exactly the state in which it was read.

        Where that state is archived already and its object is whole, that one is returned.

        Args:
            workflow: Which, in which state.
            by: Who asks.
            masked: Whether an archive will do in which parts are masked, so that it cannot be brought back: not for
                whoever deletes the workflow then.

        Raises:
            Conflict: It has changed since it was read.
            PreconditionFailed: The name belongs to another run now.
            WouldBeMasked: `archive.mask` matches something in it, and *masked* is not set.
            ClusterError: It is not finished, could not be read, or not with all its steps.
            S3Error: The bucket did not take it, or what it gave back is not what was sent. The index does not have it.
            StoreError: The index could not be written; the next attempt finds the object.
        """
        whole = await self._read(workflow, by)
        known = await self._vouched(whole)
        less = None
        if known is None and self._redaction:
            less = await asyncio.to_thread(_redacted, whole, self._redaction, self._prefix)
        if less is not None:
            if not masked:
                raise WouldBeMasked(
                    f"Workflow {workflow.namespace}/{workflow.name} holds what archive.mask masks, so its archive "
                    "could not be brought back: it is kept in the cluster. `receiver archive create` masks it."
                )
            whole, known = less, await self._vouched(less)
        if known is not None:
            return known
        stored = await self._store(whole)
        kept = await self._written.answer(stored.state, replace(stored, verified_at=self._now()))
        return kept or stored

    async def kept(self, workflow: Workflow) -> Archived | None:
        """Find the archive of a workflow in exactly the state in which it was read, having read it back.

        Returns:
            None where there is none, where the workflow has changed, or where the object is damaged or gone.

        Raises:
            ClusterError: The workflow could not be read with all its steps.
            S3Error: The object could not be read.
        """
        if not workflow.finished:
            return None
        try:
            whole = await self._read(workflow, by="")
        except (Conflict, PreconditionFailed):
            return None
        return await self._vouched(whole)

    async def verify(self, archived: Archived) -> str:
        """Read an object back, compare it with the index, and write down how it was found.

        Returns:
            What is wrong with it; empty where it is whole.

        Raises:
            S3Error: It could not be read, so nobody knows. Nothing was written down.
        """
        trouble = await self._trouble(archived)
        async with self._database.transaction() as transaction:
            if trouble:
                await archives.distrust(transaction, archived, trouble)
            else:
                await archives.trust(transaction, archived, self._now())
        return trouble

    async def read(self, archived: Archived) -> bytes:
        """Read an archived workflow, compressed as it is, and see that it is the one.

        Raises:
            S3Damaged: It is not.
            S3Error: It could not be read; of one in an archive class, how it is brought back.
        """
        self._check_bucket(archived)
        body = await self._bucket.get(archived.key)
        found = await _fault(archived, body)
        if found:
            raise S3Damaged(f"{archived.place} is not what the index says: {found}")
        return body

    async def restore(self, archived: Archived, *, name: str, suspended: bool) -> Workflow:
        """Create a new workflow out of an archived one. Repeating it under one name makes no second one.

        Args:
            archived: Of which.
            name: What the new one is called.
            suspended: Whether it waits for a person before it begins.

        Raises:
            AlreadyExists: Another workflow has that name.
            RequestRefused: It was masked, or no cluster is configured.
            ClusterError: It could not be created; after `ClusterUnreachable` it may have been.
            S3Error: The archive could not be read, or is not whole.
        """
        if archived.masked:
            raise RequestRefused(f"{archived.place} cannot be restored: parts of it were masked when it was archived.")
        body = await self.read(archived)
        if self._cluster is None:
            raise RequestRefused(f"{archived.place} cannot be restored: no cluster is configured.")
        raw = read(unpacked(body))
        operation = f"restore:{archived.id}:{archived.uid}"
        made = restoration(raw, name=name, operation=operation, place=archived.place, suspended=suspended)
        return await self._cluster.create_workflow(made, name, operation=operation)

    async def _read(self, workflow: Workflow, by: str) -> _Whole:
        """Read a workflow with all its steps, and write it in the form of the archive."""
        name = f"{workflow.namespace}/{workflow.name}"
        if not workflow.finished:
            said = workflow.phase.value or "not begun"
            raise RequestRefused(f"Workflow {name} is {said}: only a finished one is archived.")
        raw = await self._raw(workflow, name)
        try:
            content, body = _pack(raw) if _few_steps(raw) else await asyncio.to_thread(_pack, raw)
        except NotAnArchive as error:
            raise RequestRefused(f"Workflow {name} cannot be archived: {error}.") from error
        at = self._now()
        ended, digest = workflow.finished_at or at, hashlib.sha256(content).hexdigest()
        archived = Archived(
            namespace=workflow.namespace,
            name=workflow.name,
            uid=workflow.uid,
            content=digest,
            labels=dict(workflow.labels),
            phase=workflow.phase.value,
            started_at=workflow.started_at,
            finished_at=ended,
            archived_at=at,
            archived_by=by,
            bucket=self._bucket.bucket,
            key=key_of(self._prefix, workflow.namespace, workflow.name, ended),
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        return _Whole(archived=archived, body=body)

    async def _raw(self, workflow: Workflow, name: str) -> dict[str, Any]:
        if self._cluster is None:
            raise RequestRefused(
                f"Workflow {name} cannot be read: no cluster is configured; set kubernetes.kubeconfig."
            )
        raw = await self._cluster.raw_workflow(workflow.namespace, workflow.name)
        metadata = raw.get("metadata", {})
        if metadata.get("uid") != workflow.uid:
            raise PreconditionFailed(f"Workflow {name} was replaced by another of its name. Nothing was archived.")
        if metadata.get("resourceVersion") != workflow.resource_version:
            raise Conflict(f"Workflow {name} has changed since it was read. Nothing was archived: look again.")
        whole = with_steps(raw)
        if whole is not None:
            return whole
        if self._argo is None:
            raise NodesUnreadable(
                f"Argo keeps the steps of workflow {name} in its database, and without them it is not archived: "
                "set argo.server_url and argo.token_file."
            )
        return with_steps_of(raw, await self._argo.raw_workflow(workflow.namespace, workflow.name))

    async def _vouched(self, whole: _Whole) -> Archived | None:
        """Find the archive of a state, having read it back; None where there is none that is whole."""
        known = await self._found.answer(whole.archived.state, None)
        return None if known is None or await self._trouble(known) else known

    async def _find(self, states: Mapping[State, None]) -> Mapping[State, Archived]:
        async with self._database.transaction() as transaction:
            return await archives.find_all(transaction, states)

    async def _write(self, stored: Mapping[State, Archived]) -> Mapping[State, Archived]:
        async with self._database.transaction() as transaction:
            return await archives.keep_all(transaction, stored.values())

    async def _trouble(self, archived: Archived) -> str:
        """Say what is wrong with an object of the index; empty where it is whole.

        One that would have to be brought back from an archive class is believed by its size and the hash that was
        written with it: it was read back when it was put, and no object is ever replaced.
        """
        self._check_bucket(archived)
        try:
            return await _fault(archived, await self._bucket.get(archived.key))
        except S3Frozen:
            label = await self._bucket.head(archived.key)
            meant = (archived.size, archived.sha256)
            same = label is not None and (label.size, label.metadata.get("checksum-sha256")) == meant
            return "" if same else "it lies in an archive class, and is not the object that was put there"
        except S3Missing as error:
            return str(error)
        except S3Damaged as error:
            return str(error)

    async def _store(self, whole: _Whole) -> Archived:
        """Put a workflow under the first of its keys that holds nothing else, and see that it is there whole."""
        for archived in _keys(self._prefix, whole.archived):
            try:
                await self._bucket.put(archived.key, whole.body, metadata=archived.metadata)
            except S3Exists:
                found = await self._adopted(archived)
                if found is not None:
                    return found
                continue
            trouble = await _fault(archived, await self._bucket.get(archived.key))
            if trouble:
                raise S3Damaged(f"{archived.place} was written, and came back otherwise: {trouble}")
            return archived
        raise S3Error(
            f"{whole.archived.place} and its other name hold something else than workflow {whole.archived.uid}: "
            "nothing was replaced; move these objects away"
        )

    async def _adopted(self, archived: Archived) -> Archived | None:
        """Give the archive that an object is which lay there already; None where it is another workflow, or state."""
        body = await self._bucket.get(archived.key)
        if await _fault(archived, body):
            return None
        # Perhaps another version of gzip has compressed it.
        return replace(archived, size=len(body), sha256=hashlib.sha256(body).hexdigest())

    def _check_bucket(self, archived: Archived) -> None:
        if archived.bucket != self._bucket.bucket:
            raise S3Error(f"{archived.place} is not in {self._bucket.bucket}, the bucket that archive.bucket names now")


async def _fault(archived: Archived, body: bytes) -> str:
    """See what is wrong with an object; a large one is unpacked beside all else."""
    return fault(archived, body) if len(body) <= _SMALL else await asyncio.to_thread(fault, archived, body)


def _few_steps(raw: Mapping[str, Any]) -> bool:
    nodes, templates = raw.get("status", {}).get("nodes"), raw.get("spec", {}).get("templates")
    return all(not isinstance(part, list | dict) or len(part) <= _FEW_STEPS for part in (nodes, templates))


def _pack(raw: Mapping[str, Any]) -> tuple[bytes, bytes]:
    content = canonical(raw)
    return content, packed(content)


def _redacted(whole: _Whole, redaction: Redaction, prefix: str) -> _Whole | None:
    """Write a workflow without what no archive may hold; None where it holds nothing of that."""
    masked = redaction.of(read(unpacked(whole.body)))
    if masked is None:
        return None
    content, body = _pack(masked)
    old = whole.archived
    archived = replace(
        old,
        content=hashlib.sha256(content).hexdigest(),
        labels={str(name): str(value) for name, value in (masked["metadata"].get("labels") or {}).items()},
        key=key_of(prefix, old.namespace, old.name, old.finished_at, masked=True),
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    return _Whole(archived=archived, body=body)


def _keys(prefix: str, archived: Archived) -> Iterator[Archived]:
    """List the names that an archive may have: its own, and the one of a second state of the same second."""
    yield archived
    name = (prefix, archived.namespace, archived.name, archived.finished_at)
    other = key_of(*name, content=archived.content, masked=archived.masked)
    yield replace(archived, key=other)
