"""A cluster of finished workflows, a bucket in memory, and a process that can die at each call to either."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any

from receiver.clients.archive import Label
from receiver.clients.kubernetes import Cluster
from receiver.model.cleanup import CleanupRun, Move
from receiver.model.errors import S3Error, S3Exists, S3Missing, S3Unreachable
from receiver.model.redaction import Redaction
from receiver.pipeline.archiving import Archivist
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer, Json
from receiver.sandbox.kubernetes.kind import PVC
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.store.database import Database, Transaction
from receiver.upkeep.cleanup import Cleanup
from receiver.upkeep.leaving import Rules
from receiver.upkeep.remnants import Remnants

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
WHERE = "argo"


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass
class Fate:
    """When the process dies: after so many more points at which it could; None when it lives on."""

    left: int | None = None

    def pass_by(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed


class Mortal:
    """Passes every call on, and may die before and after each."""

    def __init__(self, real: Any, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not iscoroutinefunction(found):
            return found

        async def call(*given: Any, **named: Any) -> Any:
            self._fate.pass_by()
            answer = await found(*given, **named)
            self._fate.pass_by()
            return answer

        return call


class MortalDatabase(Database):
    """A database whose process may die before, inside and after each transaction."""

    fate = Fate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.fate.pass_by()
        async with super().transaction() as transaction:
            yield transaction
            self.fate.pass_by()
        self.fate.pass_by()


@dataclass
class Bucket:
    """A bucket in memory that can be away or spoil what it takes, and says when something was read back."""

    bucket: str = "kept"
    objects: dict[str, bytes] = field(default_factory=dict)
    away: bool = False
    spoils: bool = False
    on_get: Callable[[], None] = field(default=lambda: None)

    async def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        del metadata
        if self.away:
            raise S3Unreachable("the store does not answer")
        if key in self.objects:
            raise S3Exists(key)
        self.objects[key] = body[:-1] if self.spoils else body

    async def get(self, key: str) -> bytes:
        if self.away:
            raise S3Unreachable("the store does not answer")
        if key not in self.objects:
            raise S3Missing(key)
        self.on_get()
        return self.objects[key]

    async def head(self, key: str) -> Label | None:
        raise S3Error(f"nothing lies in an archive class here: {key}")


@dataclass
class Yard:
    """What is cleaned up."""

    api: ApiServer
    cluster: Any
    database: Database
    bucket: Any
    moves: list[Move] = field(default_factory=list)

    def ended(self, name: str, *, days: float = 8, phase: str = "Succeeded", **metadata: Any) -> Json:
        """Put a workflow there that ended so many days ago."""
        spec = metadata.pop("spec", {})
        at = timestamp(NOW - timedelta(days=days))
        status = {"phase": phase, "startedAt": at} | ({"finishedAt": at} if phase != "Running" else {})
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": name, "namespace": WHERE, "creationTimestamp": at, "labels": {}} | metadata,
            "spec": {"entrypoint": "main", "templates": []} | spec,
            "status": status,
        }
        return self.api.adopt(body)[0]

    def claim(self, name: str, *owners: Json, days: float = 8) -> Json:
        """Put a claim of 10 GiB there that these workflows own."""
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name,
                "namespace": WHERE,
                "creationTimestamp": timestamp(NOW - timedelta(days=days)),
                "ownerReferences": [_reference(owner) for owner in owners],
            },
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
        }
        return self.api.adopt(body)[0]

    def pod(self, name: str, *owners: Json, phase: str = "Succeeded", claim: str = "", days: float = 8) -> Json:
        """Put a pod there that these workflows own."""
        volumes = [{"name": "work", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": WHERE,
                "creationTimestamp": timestamp(NOW - timedelta(days=days)),
                "ownerReferences": [_reference(owner) for owner in owners],
            },
            "spec": {"containers": [{"name": "main", "image": "x"}], "volumes": volumes},
            "status": {"phase": phase},
        }
        return self.api.adopt(body)[0]

    def change(self, name: str) -> None:
        """Write to a workflow, as anybody might."""

        def labelled(found: Json) -> Json:
            metadata = found["metadata"]
            return found | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | {"seen": "true"}}}

        self.api.registry.patch(WORKFLOW, WHERE, name, labelled)

    def replace(self, name: str) -> None:
        """Delete a workflow, and put another one of its name there that ended as long ago."""
        self.api.registry.delete(WORKFLOW, WHERE, name, {})
        self.ended(name)

    def names(self) -> list[str]:
        """The workflows that are there."""
        return [one["metadata"]["name"] for one in self.api.storage.every(WORKFLOW, WHERE)]

    def claims(self) -> list[str]:
        """The claims that are there."""
        return [one["metadata"]["name"] for one in self.api.storage.every(PVC, WHERE)]

    def cleanup(self, *kinds: Any, mask: Sequence[str] = (), **rules: Any) -> Cleanup:
        """Whoever cleans this up."""
        wanted = Rules(**{"older_than": timedelta(days=7), **rules})
        keeper = Archivist(
            self.database,
            self.bucket,
            cluster=self.cluster,
            prefix="workflow-archives",
            redaction=Redaction(mask),
            now=lambda: NOW,
        )
        remnants = Remnants(self.cluster, wanted, kinds, lambda: NOW) if kinds else None
        return Cleanup(
            self.database,
            self.cluster,
            keeper,
            namespaces=[WHERE],
            rules=wanted,
            remnants=remnants,
            now=lambda: NOW,
        )

    async def clean(self, *kinds: Any, budget: int = 500, **rules: Any) -> CleanupRun:
        """Clean up once; what became of each is in `moves`."""
        self.moves = []
        return await self.cleanup(*kinds, **rules).run(
            by="ann", budget=budget, tell=lambda move, _: self.moves.append(move)
        )

    def told(self) -> list[tuple[str, str]]:
        """Of each object its name and what became of it, or why it was left alone."""
        return [(move.name, move.reason.value if move.reason else move.fate.value) for move in self.moves]


def _reference(owner: Json) -> Json:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }


@asynccontextmanager
async def yard(database: Database, bucket: Any) -> AsyncIterator[Yard]:
    """A cluster with nothing in it."""
    async with ApiServer(clock=lambda: NOW) as api:
        cluster = Cluster.at(api.url, api.token, timeout=timedelta(seconds=10))
        yield Yard(api=api, cluster=cluster, database=database, bucket=bucket)
        await cluster.close()
