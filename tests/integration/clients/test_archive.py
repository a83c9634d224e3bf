"""The archive's verbs on a real S3 store, and on Amazon's archive classes as moto has them."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import boto3
import pytest
from moto import mock_aws

from receiver.clients.archive import PART, ArchiveBucket
from receiver.clients.s3 import S3, Credentials
from receiver.model.errors import S3Exists, S3Forbidden, S3Frozen, S3Missing
from receiver.settings import Hidden

METADATA = {"workflow-name": "etl", "namespace": "argo", "checksum-sha256": "ab"}


@pytest.fixture
async def s3(weed: Any) -> AsyncIterator[S3]:
    client = weed.client(weed.new_bucket())
    yield client
    await client.close()


@pytest.mark.parametrize("size", [10, PART, 2 * PART + 1])
async def test_what_is_put_comes_back_with_what_it_says_of_itself_and_is_never_replaced(s3: S3, size: int) -> None:
    bucket, body = ArchiveBucket(s3), secrets.token_bytes(size)

    await bucket.put("a/b.json.gz", body, metadata=METADATA)
    with pytest.raises(S3Exists):
        await bucket.put("a/b.json.gz", bytes(size), metadata={})
    label = await bucket.head("a/b.json.gz")

    assert await bucket.get("a/b.json.gz") == body
    assert label is not None
    assert (label.size, dict(label.metadata), label.storage_class) == (size, METADATA, "STANDARD")
    assert await bucket.head("a/none") is None


async def test_small_objects_go_straight_to_the_store_and_large_ones_by_boto3(s3: S3) -> None:
    bucket, small, large = ArchiveBucket(s3), secrets.token_bytes(100), secrets.token_bytes(PART + 1)
    names = ("plain", "späce and +/~$&'()*=:@,;!.json.gz")

    def straight(name: str, body: bytes) -> tuple[bool, bytes | None]:
        headers = {"If-None-Match": "*", "x-amz-checksum-sha256": base64.b64encode(sha256(body).digest()).decode()}
        return s3.direct.put(name, body, headers), s3.direct.get(name)

    went = [await asyncio.to_thread(straight, name, small) for name in names]
    again = await asyncio.to_thread(straight, "plain", b"other")
    wrong = await asyncio.to_thread(s3.direct.put, "w", b"1", {"x-amz-checksum-sha256": "MTIz"})
    await bucket.put("large", large, metadata={})

    assert went == [(True, small), (True, small)]
    assert again == (False, small), "what is there is not replaced, and boto3 is asked what is wrong"
    assert wrong is False
    assert await asyncio.to_thread(s3.direct.get, "large") is None
    assert await bucket.get("large") == large
    assert await bucket.get(names[1]) == small
    s3.direct.give_up()
    assert await asyncio.to_thread(s3.direct.get, "plain") is None
    assert await bucket.get("plain") == small


async def test_an_upload_in_parts_that_fails_leaves_nothing_behind(weed: Any, s3: S3) -> None:
    bucket, admin = ArchiveBucket(s3), weed.admin()
    await bucket.put("k", b"1", metadata={})

    with pytest.raises(S3Exists):
        await bucket.put("k", bytes(PART + 1), metadata={})

    assert admin.list_multipart_uploads(Bucket=s3.bucket).get("Uploads", []) == []
    assert await bucket.get("k") == b"1"
    admin.close()


async def test_without_the_right_keys_that_is_said(weed: Any) -> None:
    keys = Credentials(access_key=weed.access_key, secret_key=Hidden("wrong"))
    stranger = weed.client(weed.new_bucket(), credentials=keys)

    for size in (1, PART + 1):
        with pytest.raises(S3Forbidden, match="credentials"):
            await ArchiveBucket(stranger).put("k", bytes(size), metadata={})

    await stranger.close()


async def test_where_there_is_no_bucket_that_is_said() -> None:
    with mock_aws():
        nowhere = S3(bucket="no-such-bucket", region="us-east-1")

        for size in (1, PART + 1):
            with pytest.raises(S3Missing, match=r"no-such-bucket.*archive\.bucket"):
                await ArchiveBucket(nowhere).put("k", bytes(size), metadata={})

        await nowhere.close()


async def test_an_object_in_an_archive_class_is_answered_with_how_to_bring_it_back() -> None:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="kept")
        client.put_object(Bucket="kept", Key="an archive", Body=b"1", StorageClass="GLACIER", Metadata={"a": "b"})
        s3 = S3(bucket="kept", region="us-east-1")
        bucket = ArchiveBucket(s3)

        with pytest.raises(S3Frozen) as refusal:
            await bucket.get("an archive")
        label = await bucket.head("an archive")
        await s3.close()
        client.close()

    assert "aws s3api restore-object --bucket kept --key 'an archive'" in str(refusal.value)
    assert "wait 3 to 5 hours" in str(refusal.value)
    assert label is not None
    assert (label.size, label.storage_class, label.metadata["a"]) == (1, "GLACIER", "b")
