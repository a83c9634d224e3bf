"""Nothing is destroyed before it is on record."""

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from receiver.model.errors import S3Unreachable
from receiver.sandbox.scenario import FAKE_SECRET, stuck_workflow
from receiver.store.evidence import Bundles

from .conftest import NAMESPACE, WORKFLOW, House


class Bucket:
    """A bucket that can be away."""

    bucket = "kept"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away = False

    async def put(self, key: str, source: bytes, *, fresh: bool = True, kind: str) -> str:
        assert (fresh, kind) == (False, "application/gzip")
        if self.away:
            raise S3Unreachable(f"{key} cannot be written: the store does not answer")
        self.objects[key] = source
        return hashlib.sha256(source).hexdigest()

    async def get(self, key: str) -> bytes:
        return self.objects[key]


async def bundle_of(house: House) -> dict[str, Any]:
    bundles = Bundles(house.rooms.database, house.rooms.vault)
    [kept] = await bundles.of_run(1)
    packed = await bundles.read(kept)

    assert (len(packed), hashlib.sha256(packed).hexdigest()) == (kept.size, kept.sha256)
    unpacked: dict[str, Any] = json.loads(gzip.decompress(packed))
    return unpacked


async def test_before_a_workflow_is_ended_all_that_is_known_of_it_is_kept_and_linked(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.work()
    bundle = await bundle_of(house)

    assert bundle["workflow"]["metadata"]["name"] == WORKFLOW
    assert "shutdown" not in bundle["workflow"]["spec"], "it was read before the workflow was ended"
    assert bundle["workflow"]["spec"]["templates"]
    assert bundle["alert"]["labels"]["workflow_name"] == WORKFLOW
    assert bundle["decision"]["checks"]
    assert bundle["decision"]["loss"]["finished_nodes"] is not None
    assert bundle["steps"]
    assert bundle["pods"]
    assert bundle["log"]["lines"]
    assert FAKE_SECRET not in json.dumps(bundle["log"])
    order = [kind for (kind,) in await house.rows("select kind from timeline where run_id = 1 order by id")]
    assert order.index("evidence.kept") < order.index("step.intended")


async def test_where_a_bucket_is_configured_the_evidence_lies_there(house: House) -> None:
    bucket = Bucket()
    house.rooms = replace(house.rooms, vault=bucket)
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.work()

    assert (await bundle_of(house))["workflow"]["metadata"]["name"] == WORKFLOW
    assert await house.rows("select bucket, key, body from evidence") == [("kept", *bucket.objects, None)]
    assert next(iter(bucket.objects)).startswith("evidence/2026/11/24/run-1-step-0-")


async def test_a_real_store_takes_it_and_gives_it_back(house: House, weed: Any) -> None:
    s3 = weed.client(weed.new_bucket())
    house.rooms = replace(house.rooms, vault=s3)
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.work()
    bundle = await bundle_of(house)
    await s3.close()

    assert bundle["workflow"]["metadata"]["name"] == WORKFLOW


async def test_while_evidence_cannot_be_kept_nothing_is_done_and_later_it_is(house: House) -> None:
    bucket = Bucket()
    bucket.away = True
    house.rooms = replace(house.rooms, vault=bucket)
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.live(timedelta(minutes=2))
    waiting = (await house.rows("select state, cursor, reason from runs"), house.effects())
    bucket.away = False
    await house.live(timedelta(minutes=12))

    assert waiting[1] == []
    assert waiting[0][0][:2] == ("waiting", 0)
    assert "the store does not answer" in waiting[0][0][2]
    assert await house.rows("select outcome from runs") == [("succeeded",)]


async def test_where_evidence_cannot_be_kept_at_all_the_run_fails_and_the_workflow_is_left_alone(house: House) -> None:
    bucket = Bucket()
    bucket.away = True
    house.rooms = replace(house.rooms, vault=bucket)
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)

    await house.fire()
    await house.live(timedelta(minutes=7))

    [(outcome, reason)] = await house.rows("select outcome, reason from runs")
    assert outcome == "failed"
    assert "workflow.terminate would destroy what is not kept" in reason
    assert house.effects() == []
    assert [page.status.value for page in house.pagerduty.alerts] == ["triggered"]
