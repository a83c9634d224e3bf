"""A cleanup that dies at any call to the outside: nothing is gone without an archive, and nothing archived twice."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from receiver.model.archive import canonical, unpacked
from receiver.store import archives
from receiver.store.archives import Wanted

from .cleaning import WHERE, Bucket, Fate, Killed, Mortal, MortalDatabase, Yard, yard as opened

MOST_POINTS = 200


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[MortalDatabase]:
    opened_one = MortalDatabase(database_url, connections=4)
    opened_one.fate = Fate()
    await opened_one.open()
    yield opened_one
    await opened_one.close()


async def check(yard: Yard, kept: dict[str, bytes]) -> None:
    """See that each workflow that is gone is in the bucket whole and in the index, and none under two keys."""
    async with yard.database.transaction() as tx:
        indexed = {one.name: one for one in (await archives.page(tx, Wanted(), limit=50)).items}
    contents = [unpacked(body) for body in yard.bucket.objects.values()]
    assert len(contents) == len(set(contents))
    for name in kept.keys() - set(yard.names()):
        assert unpacked(yard.bucket.objects[indexed[name].key]) == kept[name]


async def test_a_death_at_any_point_loses_nothing_and_the_next_run_ends_what_was_begun(
    database: MortalDatabase,
) -> None:
    fate, point, died = database.fate, 0, True
    while died:
        assert point < MOST_POINTS
        async with database.transaction() as tx:
            await tx.execute(text("truncate archives, cleanups"))
        bucket = Bucket()
        async with opened(database, bucket) as yard:
            kept = {name: canonical(yard.ended(name)) for name in ("a", "b")}
            whole = (yard.cluster, yard.bucket)
            yard.cluster, yard.bucket = Mortal(yard.cluster, fate), Mortal(bucket, fate)
            fate.left = point
            with suppress(Killed):
                await yard.clean()
            died, fate.left = fate.left is None, None
            yard.cluster, yard.bucket = whole

            await check(yard, kept)
            await yard.clean()
            await check(yard, kept)

            assert (yard.names(), len(bucket.objects)) == ([], 2), f"died at point {point} in {WHERE}"
        point += 1

    assert point > 30, "the calls of a run were all tried"
