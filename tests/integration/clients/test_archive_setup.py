"""A bucket is made fit for archives, on Amazon's S3 as moto has it, and on a store that has less."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from receiver.clients.archive_setup import BucketSetup
from receiver.clients.s3 import S3
from receiver.model.errors import S3Error
from receiver.model.lifecycle import RULE_ID, Difference, Thing, rule

OTHERS = [
    {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 14}},
    {"ID": "old", "Status": "Disabled", "Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
]


def minimum(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    """Let moto tell the smallest object that it was told of: it forgets that."""
    told = SimpleNamespace(ALL_STORAGE_CLASSES_128K=SimpleNamespace(value=size))
    monkeypatch.setattr("moto.s3.responses.TransitionDefaultMinimumObjectSize", told)


@pytest.fixture
async def setup() -> AsyncIterator[tuple[BucketSetup, Any]]:
    """A bucket that is not there yet, and the store as boto3 sees it."""
    with mock_aws():
        client = boto3.client("s3", region_name="us-west-2")
        s3 = S3(bucket="archives", region="us-west-2")
        yield BucketSetup(s3, "workflow-archives"), client
        await s3.close()
        client.close()


async def applied(setup: BucketSetup) -> list[Difference]:
    found = await setup.look()
    for one in found:
        if one.due:
            await setup.apply(one)
    return found


async def test_a_bucket_is_made_and_then_there_is_nothing_to_do(
    setup: tuple[BucketSetup, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, client = setup
    told: list[dict[str, Any]] = []
    events = ours._s3._client.meta.events
    events.register("provide-client-params.s3.PutBucketLifecycleConfiguration", lambda params, **_: told.append(params))

    due = [one.thing for one in await applied(ours) if one.due]
    minimum(monkeypatch, told[0]["TransitionDefaultMinimumObjectSize"])
    again = [one.thing for one in await ours.look() if one.due]

    [kept] = client.get_bucket_lifecycle_configuration(Bucket="archives")["Rules"]
    assert set(due) >= {Thing.BUCKET, Thing.PUBLIC_ACCESS, Thing.LIFECYCLE}
    assert again == []
    assert told[0]["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    assert kept == rule("workflow-archives")
    assert (kept["ID"], kept["Filter"], kept["Expiration"]) == (
        "WorkflowArchiveLifecycle",
        {"Prefix": "workflow-archives/"},
        {"Days": 2555},
    )
    assert [(one["Days"], one["StorageClass"]) for one in kept["Transitions"]] == [
        (30, "STANDARD_IA"),
        (90, "GLACIER"),
        (365, "DEEP_ARCHIVE"),
    ]
    blocked = client.get_public_access_block(Bucket="archives")["PublicAccessBlockConfiguration"]
    assert all(blocked.values())


async def test_looking_changes_nothing(setup: tuple[BucketSetup, Any]) -> None:
    ours, client = setup

    found = await ours.look()

    assert (found[0].thing, found[0].now, found[0].then) == (Thing.BUCKET, "not there", "there")
    assert client.list_buckets()["Buckets"] == []


async def test_rules_and_encryption_of_other_people_stay(setup: tuple[BucketSetup, Any]) -> None:
    ours, client = setup
    older = {**rule("workflow-archives"), "Expiration": {"Days": 400}}
    key = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "ours"}}]}
    client.create_bucket(Bucket="archives", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_bucket_encryption(Bucket="archives", ServerSideEncryptionConfiguration=key)
    client.put_bucket_lifecycle_configuration(
        Bucket="archives", LifecycleConfiguration={"Rules": [OTHERS[0], older, OTHERS[1]]}
    )

    found = await applied(ours)

    rules = client.get_bucket_lifecycle_configuration(Bucket="archives")["Rules"]
    encryption = client.get_bucket_encryption(Bucket="archives")["ServerSideEncryptionConfiguration"]["Rules"]
    assert [one["ID"] for one in rules] == ["logs", RULE_ID, "old"]
    assert (rules[0], rules[1], rules[2]) == (OTHERS[0], rule("workflow-archives"), OTHERS[1])
    assert '"Days": 400' in found[-1].now
    assert '"Days": 14' in found[-1].then
    assert encryption[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == "ours"


async def test_a_store_that_has_less_is_told_apart_from_one_that_refuses(weed: Any) -> None:
    s3 = weed.client(weed.new_bucket())
    ours = BucketSetup(s3, "workflow-archives")

    found = {one.thing: one for one in await ours.look()}
    with pytest.raises(S3Error, match="lifecycle"):
        await ours.apply(found[Thing.LIFECYCLE])
    await s3.close()

    assert (found[Thing.BUCKET].now, found[Thing.BUCKET].due) == ("there", False)
    assert (found[Thing.PUBLIC_ACCESS].offered, found[Thing.PUBLIC_ACCESS].due) == (False, False)
    assert found[Thing.LIFECYCLE].due, "it has rules, but moves no object to another class: that shows when it is told"
