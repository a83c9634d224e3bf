"""Workflows of the stand-in cluster, archived on a real S3 store: whole or not at all, and once each."""

import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.clients.archive import ArchiveBucket, Label
from receiver.clients.argo import ArgoServer
from receiver.clients.kubernetes import Cluster
from receiver.clients.s3 import S3, Credentials
from receiver.model.archive import Archived, canonical, of_object, packed, unpacked
from receiver.model.errors import (
    Conflict,
    NodesUnreadable,
    RequestRefused,
    S3Damaged,
    S3Error,
    S3Forbidden,
    S3Unreachable,
)
from receiver.model.redaction import Redaction
from receiver.pipeline.archiving import Archivist
from receiver.sandbox import argo_server
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer, Json
from receiver.sandbox.scenario import workflow
from receiver.settings import Hidden
from receiver.store import archives
from receiver.store.archives import Total, Wanted
from receiver.store.database import Database

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WHERE, NAME = "argo", "etl"


@dataclass
class Unruly:
    """A bucket that does what a test wants just before or after it does what it was asked."""

    real: ArchiveBucket
    before_put: Callable[[], None] = field(default=lambda: None)
    after_put: Callable[[], None] = field(default=lambda: None)
    spoil: bool = False

    @property
    def bucket(self) -> str:
        return self.real.bucket

    async def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        self.before_put()
        await self.real.put(key, body[:-1] if self.spoil else body, metadata=metadata)
        self.after_put()

    async def get(self, key: str) -> bytes:
        return await self.real.get(key)

    async def head(self, key: str) -> Label | None:
        return await self.real.head(key)


@dataclass
class Scene:
    """A cluster with one finished workflow, a bucket, and whoever archives."""

    api: ApiServer
    cluster: Cluster
    database: Database
    s3: S3
    bucket: Unruly

    @property
    def archivist(self) -> Archivist:
        return self.archivist_with(None)

    def archivist_with(self, argo: ArgoServer | None) -> Archivist:
        return Archivist(
            self.database, self.bucket, cluster=self.cluster, argo=argo, prefix="workflow-archives", now=lambda: NOW
        )

    async def keep(self) -> Archived:
        return await self.archivist.keep(await self.cluster.get_workflow(WHERE, NAME), by="ann")

    def raw(self) -> Json:
        return self.api.registry.read(WORKFLOW, WHERE, NAME)

    def change(self, **labels: str) -> None:
        def labelled(found: Json) -> Json:
            metadata = found["metadata"]
            return found | {"metadata": metadata | {"labels": metadata["labels"] | labels}}

        self.api.registry.patch(WORKFLOW, WHERE, NAME, labelled)

    async def keys(self) -> list[str]:
        return [one.key for one in await self.s3.listed("")]

    async def total(self) -> Total:
        async with self.database.transaction() as tx:
            return await archives.total(tx, Wanted())


@pytest.fixture
async def scene(database: Database, weed: Any) -> AsyncIterator[Scene]:
    """The workflow `etl` has ended; nothing is archived."""
    s3 = weed.client(weed.new_bucket())
    async with ApiServer() as api:
        cluster = Cluster.at(api.url, api.token, timeout=timedelta(seconds=5))
        api.adopt(workflow(WHERE, NAME, course="succeed"))
        controller = ArgoController(api)
        for _ in range(20):
            controller.advance()
        bucket = Unruly(ArchiveBucket(s3))
        yield Scene(api=api, cluster=cluster, database=database, s3=s3, bucket=bucket)
        await cluster.close()
    await s3.close()


async def test_a_finished_workflow_comes_back_to_the_byte_and_is_in_the_index(scene: Scene) -> None:
    raw = scene.raw()

    kept = await scene.keep()
    body = await scene.archivist.read(kept)
    label = await scene.bucket.head(kept.key)

    ended = datetime.fromisoformat(raw["status"]["finishedAt"])
    assert unpacked(body) == canonical(raw)
    assert kept.key == f"workflow-archives/argo/etl/{ended:%Y%m%d_%H%M%S}.json.gz"
    assert label is not None
    assert label.metadata["workflow-name"] == "etl"
    assert label.metadata["namespace"] == "argo"
    assert label.metadata["archive-date"] == "20261124_090000"
    assert label.metadata["checksum-sha256"] == kept.sha256
    assert (kept.phase, kept.archived_by, kept.verified_at) == ("Succeeded", "ann", NOW)
    async with scene.database.transaction() as tx:
        assert await archives.get(tx, kept.id) == await archives.newest(tx, WHERE, NAME) == kept
    assert await scene.archivist.kept(await scene.cluster.get_workflow(WHERE, NAME)) == kept


async def test_two_archivings_of_one_state_are_one_object_and_another_state_is_another(scene: Scene) -> None:
    first, again = await scene.keep(), await scene.keep()
    scene.change(seen="true")
    found = await scene.archivist.kept(await scene.cluster.get_workflow(WHERE, NAME))
    other = await scene.keep()

    assert first == again
    assert found is None, "what is archived is another state"
    assert other.key == first.key.replace(".json.gz", f"-{other.content[:12]}.json.gz")
    assert await scene.keys() == sorted([first.key, other.key])
    assert await scene.total() == Total(count=2, size=first.size + other.size)


async def test_after_a_death_between_upload_and_index_the_next_run_finds_the_object(scene: Scene) -> None:
    def die() -> None:
        raise S3Unreachable("the answer was lost")

    scene.bucket.after_put = die
    with pytest.raises(S3Unreachable):
        await scene.keep()
    nothing = await scene.total()
    scene.bucket.after_put = lambda: None

    kept = await scene.keep()

    assert nothing == Total(count=0, size=0)
    assert await scene.keys() == [kept.key]
    assert await scene.total() == Total(count=1, size=kept.size)


async def test_what_came_back_otherwise_is_not_in_the_index_and_nothing_is_replaced(scene: Scene) -> None:
    scene.bucket.spoil = True
    with pytest.raises(S3Damaged, match="came back otherwise: it is cut off"):
        await scene.keep()
    nothing = await scene.total()
    scene.bucket.spoil = False

    kept = await scene.keep()

    assert nothing.count == 0
    assert kept.key.endswith(f"-{kept.content[:12]}.json.gz"), "the damaged object has the plain key and was left alone"
    assert unpacked(await scene.archivist.read(kept)) == canonical(scene.raw())


async def test_an_object_that_is_lost_or_damaged_is_noticed_and_put_again(scene: Scene, weed: Any) -> None:
    kept = await scene.keep()
    admin = weed.admin()

    admin.put_object(Bucket=kept.bucket, Key=kept.key, Body=packed(canonical({"metadata": {"uid": "other"}})))
    damaged = await scene.archivist.verify(kept)
    admin.delete_object(Bucket=kept.bucket, Key=kept.key)
    lost = await scene.archivist.verify(kept)
    unvouched = await scene.archivist.kept(await scene.cluster.get_workflow(WHERE, NAME))
    async with scene.database.transaction() as tx:
        written = await archives.get(tx, kept.id)
    again = await scene.keep()
    admin.close()

    assert "another state" in damaged
    assert "NoSuchKey" in lost
    assert unvouched is None
    assert written is not None
    assert (written.verified_at, written.trouble) == (None, lost)
    assert (again.id, again.key, again.verified_at, again.trouble) == (kept.id, kept.key, NOW, "")
    assert await scene.archivist.verify(again) == ""


@pytest.mark.parametrize("packing", ["compressed", "offloaded"])
async def test_the_steps_are_in_the_archive_wherever_argo_keeps_them(scene: Scene, packing: str) -> None:
    nodes = scene.raw()["status"]["nodes"]
    async with argo_server.ArgoServer(scene.api) as stand:
        argo = ArgoServer(stand.origin, lambda: scene.api.token, cluster=scene.cluster)
        if packing == "offloaded":
            stand.offload(WHERE, NAME)
        else:
            text = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
            status = {"nodes": None, "compressedNodes": text}
            scene.api.registry.patch(WORKFLOW, WHERE, NAME, lambda one: one | {"status": one["status"] | status})
        found = await scene.cluster.get_workflow(WHERE, NAME)

        if packing == "offloaded":
            with pytest.raises(NodesUnreadable, match=r"set argo\.server_url"):
                await scene.archivist.keep(found, by="ann")
        archivist = scene.archivist_with(argo)
        kept = await archivist.keep(found, by="ann")
        whole = json.loads(unpacked(await archivist.read(kept)))
        await argo.close()

    assert whole["status"]["nodes"] == nodes
    assert not {"compressedNodes", "offloadNodeStatusVersion"} & set(whole["status"])


async def test_only_what_was_read_is_archived_and_only_once_it_has_ended(scene: Scene) -> None:
    read = await scene.cluster.get_workflow(WHERE, NAME)
    scene.change(seen="true")
    with pytest.raises(Conflict, match="has changed"):
        await scene.archivist.keep(read, by="ann")
    scene.api.adopt(workflow(WHERE, "new"))

    with pytest.raises(RequestRefused, match="only a finished one is archived"):
        await scene.archivist.keep(await scene.cluster.get_workflow(WHERE, "new"), by="ann")

    assert await scene.keys() == []


async def test_a_store_that_refuses_or_dies_leaves_an_error_and_the_next_run_finishes(
    scene: Scene, own_weed: Any, weed: Any
) -> None:
    good = scene.bucket.real
    keys = Credentials(access_key=weed.access_key, secret_key=Hidden("wrong"))
    stranger = weed.client(scene.s3.bucket, credentials=keys)
    scene.bucket.real = ArchiveBucket(stranger)
    with pytest.raises(S3Forbidden, match="credentials"):
        await scene.keep()
    dying = own_weed.client(own_weed.new_bucket())
    scene.bucket.real, scene.bucket.before_put = ArchiveBucket(dying), own_weed.kill
    with pytest.raises(S3Error) as refusal:
        await scene.keep()
    scene.bucket.real, scene.bucket.before_put = good, lambda: None

    kept = await scene.keep()

    assert refusal.value.retryable
    assert scene.raw()["status"]["phase"] == "Succeeded"
    assert await scene.keys() == [kept.key]
    await stranger.close()
    await dying.close()


async def test_a_masked_archive_says_so_and_neither_is_restored_nor_vouches_for_a_deletion(scene: Scene) -> None:
    scene.change(team="team-0815")
    redaction = Redaction(["team-[0-9]{4}"])
    archivist = Archivist(
        scene.database, scene.bucket, cluster=scene.cluster, prefix="p", redaction=redaction, now=lambda: NOW
    )
    workflow_now = await scene.cluster.get_workflow(WHERE, NAME)

    with pytest.raises(RequestRefused, match=r"holds what archive\.mask masks"):
        await archivist.keep(workflow_now, by="ann")
    kept = await archivist.keep(workflow_now, by="ann", masked=True)
    again = await archivist.keep(workflow_now, by="ann", masked=True)
    content = unpacked(await archivist.read(kept))
    label = await scene.bucket.head(kept.key)

    assert kept == again
    assert kept.masked
    assert kept.key.endswith(".masked.json.gz")
    assert b"0815" not in content
    assert json.loads(content)["metadata"]["annotations"]["receiver/masked"] == "1"
    assert label is not None
    assert all("0815" not in value for value in [*label.metadata.values(), *kept.labels.values()])
    assert of_object(kept.bucket, kept.key, kept.size, label.metadata, None).masked
    assert await archivist.verify(kept) == ""
    assert await archivist.kept(workflow_now) is None, "nothing is deleted that cannot be brought back"
    with pytest.raises(RequestRefused, match="parts of it were masked"):
        await archivist.restore(kept, name="again", suspended=True)

    whole = await scene.keep()
    assert await archivist.kept(workflow_now) == whole, "one that was archived whole vouches as before"
