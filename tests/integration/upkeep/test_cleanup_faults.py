"""Cleanups whose store is cut off, spoils, is silent, is not there or refuses: nothing is lost, the next one ends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from moto import mock_aws

from receiver.clients.archive import ArchiveBucket
from receiver.clients.s3 import S3, Credentials
from receiver.model.archive import canonical, unpacked
from receiver.settings import Hidden
from receiver.store import archives
from receiver.store.archives import Wanted
from receiver.store.database import Database
from tests.integration.wire import silence, spoilt, wire

from .cleaning import yard

Fault = Callable[[Any, str], AbstractAsyncContextManager[S3]]


@asynccontextmanager
async def stranger(weed: Any, bucket: str) -> AsyncIterator[S3]:
    """Whoever has a key and not its secret."""
    keys = Credentials(access_key=weed.access_key, secret_key=Hidden("the secret of somebody else"))
    made = weed.client(bucket, credentials=keys)
    yield made
    await made.close()


@asynccontextmanager
async def nowhere(weed: Any, bucket: str) -> AsyncIterator[S3]:
    """A bucket that is not there: played by moto, since weed makes one."""
    del weed
    with mock_aws():
        made = S3(bucket=bucket, region="us-west-2", credentials=Credentials(access_key="k", secret_key=Hidden("s")))
        yield made
        await made.close()


FAULTS: dict[str, tuple[Fault, str]] = {
    "cut off": (lambda weed, bucket: wire(weed, bucket, cut_at=1000), "the store does not answer"),
    "spoilt": (lambda weed, bucket: wire(weed, bucket, change=spoilt), "cannot be written"),
    "silent": (silence, "the store does not answer"),
    "not there": (nowhere, "check archive.bucket"),
    "refused": (stranger, "credentials"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_deleted_without_its_archive_and_the_next_run_finishes(
    database: Database, weed: Any, fault: str
) -> None:
    way, said = FAULTS[fault]
    sound = weed.client(weed.new_bucket())
    async with yard(database, ArchiveBucket(sound)) as place:
        whole = sorted(canonical(place.ended(f"etl-{number}")) for number in range(2))
        async with way(weed, sound.bucket) as broken:
            place.bucket = ArchiveBucket(broken)
            failed = await place.clean()
        there = place.names()
        async with database.transaction() as tx:
            believed = await archives.total(tx, Wanted())
        place.bucket = ArchiveBucket(sound)
        done = await place.clean()
        kept = sorted([unpacked(await place.bucket.get(key)) for key in await place.bucket.below("")])
    await sound.close()

    assert (failed.failed, failed.archived, failed.deleted, believed.count, len(there)) == (2, 0, 0, 0, 2)
    assert said in failed.trouble
    assert (done.archived, done.deleted, done.failed, done.trouble, place.names()) == (2, 2, 0, "", [])
    assert kept == whole
