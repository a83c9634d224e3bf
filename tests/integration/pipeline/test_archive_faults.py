"""A thousand workflows on a real S3 store and back; and a store that is cut off, slow, gone, or lies."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws
from sqlalchemy import text

from receiver.clients.archive import ArchiveBucket
from receiver.clients.kubernetes import Cluster
from receiver.clients.s3 import S3, Credentials
from receiver.model.archive import Archived, canonical, unpacked
from receiver.model.errors import S3Damaged, S3Error, S3Missing, S3Unreachable
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.indexing import Seen, reindex
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer, Json
from receiver.sandbox.scenario import workflow
from receiver.settings import Hidden
from receiver.store import archives
from receiver.store.archives import Wanted
from receiver.store.database import Database
from tests.integration.wire import silence, spoilt, wire

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PREFIX = "workflow-archives"
MANY = 1_000
AT_ONCE = 32


@dataclass
class Yard:
    """A cluster in which `argo/etl` has ended, and a database."""

    api: ApiServer
    cluster: Cluster
    database: Database

    def raw(self, name: str = "etl") -> Json:
        return self.api.registry.read(WORKFLOW, "argo", name)

    def archivist(self, s3: S3) -> Archivist:
        return Archivist(self.database, ArchiveBucket(s3), cluster=self.cluster, prefix=PREFIX, now=lambda: NOW)

    async def keep(self, s3: S3, name: str = "etl") -> Archived:
        return await self.archivist(s3).keep(await self.cluster.get_workflow("argo", name), by="ann")


@pytest.fixture
async def yard(database: Database) -> AsyncIterator[Yard]:
    async with ApiServer() as api:
        cluster = Cluster.at(api.url, api.token, timeout=timedelta(seconds=20))
        api.adopt(workflow("argo", "etl", course="succeed"))
        controller = ArgoController(api)
        for _ in range(20):
            controller.advance()
        yield Yard(api=api, cluster=cluster, database=database)
        await cluster.close()


@pytest.fixture
async def s3(weed: Any) -> AsyncIterator[S3]:
    client = weed.client(weed.new_bucket())
    yield client
    await client.close()


async def whole_after(yard: Yard, s3: S3) -> None:
    """See that nothing is believed to be archived, and that the next run archives it once."""
    async with yard.database.transaction() as tx:
        before = await archives.total(tx, Wanted())
    kept = await yard.keep(s3)
    keys = await ArchiveBucket(s3).below("")

    assert before.count == 0
    assert keys == (kept.key,)
    assert unpacked(await yard.archivist(s3).read(kept)) == canonical(yard.raw())


async def test_a_thousand_workflows_come_back_to_the_byte_and_so_does_their_index(yard: Yard, s3: S3) -> None:
    ended = yard.raw()
    names = [f"etl-{number}" for number in range(MANY)]
    for name in names:
        metadata = {"name": name, "namespace": "argo", "labels": {"of": name, "odd": "x_y"}}
        status = ended["status"] | {"message": f"\x00 \ud83d {name}"}
        yard.api.adopt({"apiVersion": ended["apiVersion"], "kind": "Workflow", "metadata": metadata,
                        "spec": ended["spec"], "status": status})  # fmt: skip
    archivist, left = yard.archivist(s3), iter(names)

    async def keep() -> None:
        for name in left:
            await archivist.keep(await yard.cluster.get_workflow("argo", name), by="ann")

    async def index() -> dict[str, Archived]:
        found, cursor = {}, None
        async with yard.database.transaction() as tx:
            while True:
                page = await archives.page(tx, Wanted(), limit=200, cursor=cursor)
                found.update({one.name: one for one in page.items})
                cursor = page.next
                if cursor is None:
                    return found

    await asyncio.gather(*(keep() for _ in range(AT_ONCE)))
    kept = await index()
    wrong = [name for name in names if unpacked(await archivist.read(kept[name])) != canonical(yard.raw(name))]
    async with yard.database.transaction() as tx:
        await tx.execute(text("truncate archives restart identity"))
    seen = Seen()
    async for some in reindex(yard.database, ArchiveBucket(s3), prefix=PREFIX, now=lambda: NOW):
        seen += some
    anew = await index()

    assert wrong == []
    assert (len(kept), seen) == (MANY, Seen(objects=MANY, added=MANY))
    assert {(one.state, one.key, one.sha256, one.archived_by) for one in anew.values()} == {
        (one.state, one.key, one.sha256, one.archived_by) for one in kept.values()
    }
    assert all(one.labels == kept[name].labels for name, one in anew.items())


@pytest.mark.parametrize("cut_at", [100, 1500])
async def test_an_upload_that_is_cut_leaves_an_error_and_the_next_run_finishes(
    yard: Yard, s3: S3, weed: Any, cut_at: int
) -> None:
    async with wire(weed, s3.bucket, cut_at=cut_at) as cut:
        with pytest.raises(S3Unreachable, match="cannot be written: the store does not answer") as refusal:
            await yard.keep(cut)

    assert refusal.value.retryable
    await whole_after(yard, s3)


async def test_what_is_changed_on_the_way_is_not_taken_by_the_store(yard: Yard, s3: S3, weed: Any) -> None:
    async with wire(weed, s3.bucket, change=spoilt) as lying:
        with pytest.raises(S3Damaged, match="cannot be written"):
            await yard.keep(lying)

    await whole_after(yard, s3)


async def test_a_store_that_is_silent_is_not_waited_for_longer_than_its_timeout(yard: Yard, s3: S3, weed: Any) -> None:
    async with silence(weed, s3.bucket) as slow:
        with pytest.raises(S3Unreachable, match="does not answer") as refusal:
            await yard.keep(slow)

    assert refusal.value.retryable
    await whole_after(yard, s3)


async def test_a_bucket_that_is_not_there_is_named(yard: Yard, s3: S3) -> None:
    keys = Credentials(access_key="k", secret_key=Hidden("s"))
    with mock_aws():
        nowhere = S3(bucket="no-such-bucket", region="us-west-2", credentials=keys)
        with pytest.raises(S3Missing, match=r"s3://no-such-bucket.*check archive\.bucket"):
            await yard.keep(nowhere)
        await nowhere.close()

    await whole_after(yard, s3)


async def test_a_cut_within_a_large_upload_leaves_no_object(s3: S3, weed: Any) -> None:
    body = bytes(9 * 1024 * 1024)

    async with wire(weed, s3.bucket, cut_at=5 * 1024 * 1024) as cut:
        with pytest.raises(S3Error):
            await ArchiveBucket(cut).put("large", body, metadata={})
    found = await ArchiveBucket(s3).head("large")
    await ArchiveBucket(s3).put("large", body, metadata={})

    assert found is None
    assert await ArchiveBucket(s3).get("large") == body
