"""A finished workflow is archived, and deleted only then: by a playbook, through deaths and other people's changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from receiver.clients.archive import Label
from receiver.enrich.mask import Mask
from receiver.model.archive import canonical, unpacked
from receiver.model.document import Document
from receiver.model.errors import S3Error, S3Exists, S3Missing, S3Unreachable
from receiver.model.redaction import Redaction
from receiver.model.request import Kind
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.asked import act_on
from receiver.pipeline.attaching import Attacher
from receiver.remediate.language import load
from receiver.sandbox.kubernetes import WORKFLOW as KIND, Json
from receiver.sandbox.scenario import workflow
from receiver.store import requests

from .conftest import NAMESPACE, WORKFLOW, House

PLAYBOOK = """
name: archive-finished-workflow
mode: live
summary: Archive what has ended, then delete it
on: {matchers: ['alertname="WorkflowStuckDetection"']}
confirm: workflow.finished
steps:
  - workflow.archive: {}
  - workflow.delete: {}
hold_notifications: 20m
"""


@dataclass
class Bucket:
    """A bucket in memory that can be away, or lose an answer."""

    bucket: str = "kept"
    objects: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0
    away: bool = False
    lost_answers: int = 0

    async def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        del metadata
        if self.away:
            raise S3Unreachable("the store does not answer")
        self.puts += 1
        if key in self.objects:
            raise S3Exists(key)
        self.objects[key] = body
        if self.lost_answers:
            self.lost_answers -= 1
            raise S3Unreachable("the answer was lost")

    async def get(self, key: str) -> bytes:
        if self.away:
            raise S3Unreachable("the store does not answer")
        if key not in self.objects:
            raise S3Missing(key)
        return self.objects[key]

    async def head(self, key: str) -> Label | None:
        raise S3Error(f"nothing lies in an archive class here: {key}")


@pytest.fixture
def bucket(house: House) -> Bucket:
    """The bucket of a house whose playbook archives and deletes, and in which one workflow has ended."""
    made = Bucket()
    archivist = Archivist(
        house.rooms.database, made, cluster=house.rooms.cluster, prefix="workflow-archives", now=house.clock
    )
    playbook = load(Document(PLAYBOOK, file="test.yaml"))
    house.rooms = replace(house.rooms, playbooks=(playbook,), archivist=archivist)
    house.cluster.adopt(workflow(NAMESPACE, WORKFLOW, course="succeed"))
    for _ in range(20):
        house.argo.advance()
        house.clock.pass_by(timedelta(seconds=5))
    return made


def is_there(house: House) -> bool:
    return any(one["metadata"]["name"] == WORKFLOW for one in house.cluster.storage.every(KIND, NAMESPACE))


def change(house: House) -> None:
    def labelled(found: Json) -> Json:
        metadata = found["metadata"]
        return found | {"metadata": metadata | {"labels": metadata["labels"] | {"seen": "true"}}}

    house.cluster.registry.patch(KIND, NAMESPACE, WORKFLOW, labelled)


async def test_its_logs_and_warnings_are_beside_it_before_it_is_deleted(house: House, bucket: Bucket) -> None:
    playbook = PLAYBOOK.replace("workflow.archive: {}", "workflow.archive: {with: [logs, events]}")
    attacher = Attacher(bucket, house.rooms.cluster, mask=Mask(), redaction=Redaction(), now=house.clock)
    house.rooms = replace(house.rooms, playbooks=(load(Document(playbook, file="test.yaml")),), attacher=attacher)

    await house.fire()
    await house.live(timedelta(minutes=2))

    [(key,)] = await house.rows("select key from archives")
    beside = [key.replace(".json.gz", f".{part}.json.gz") for part in ("logs", "events")]
    logs = json.loads(unpacked(bucket.objects[beside[0]]))
    assert set(bucket.objects) == {key, *beside}
    assert {pod["containers"][0]["log"] for pod in logs["pods"]} == {"prepare: started\n", "implement: started\n"}
    assert not is_there(house)
    assert await house.rows("select result->'beside' from journal where action = 'workflow.archive'") == [(beside,)]


async def test_a_workflow_is_archived_whole_and_then_deleted(house: House, bucket: Bucket) -> None:
    raw = house.cluster.registry.read(KIND, NAMESPACE, WORKFLOW)

    await house.fire()
    await house.live(timedelta(minutes=2))

    [body] = bucket.objects.values()
    [(key, by)] = await house.rows("select key, archived_by from archives")
    assert unpacked(body) == canonical(raw)
    assert not is_there(house)
    assert await house.rows("select outcome from runs") == [("succeeded",)]
    assert by == "remediation 1 (archive-finished-workflow)"
    results = await house.rows("select action, result->>'place' from journal order by cursor")
    assert results == [("workflow.archive", f"s3://kept/{key}"), ("workflow.delete", None)]


async def test_while_the_bucket_is_away_nothing_is_deleted_and_then_all_is_done(house: House, bucket: Bucket) -> None:
    bucket.away = True

    await house.fire()
    await house.live(timedelta(seconds=20))
    waiting = (is_there(house), await house.rows("select state from runs"), await house.rows("select 1 from archives"))
    bucket.away = False
    await house.live(timedelta(minutes=2))

    assert waiting == (True, [("waiting",)], [])
    assert not is_there(house)
    assert len(bucket.objects) == 1
    assert await house.rows("select outcome from runs") == [("succeeded",)]


async def test_where_the_bucket_stays_away_the_run_fails_with_that_reason_and_nothing_is_deleted(
    house: House, bucket: Bucket
) -> None:
    bucket.away = True

    await house.fire()
    await house.live(timedelta(minutes=3))

    [(outcome, reason)] = await house.rows("select outcome, reason from runs")
    assert outcome == "failed"
    assert "workflow.archive was tried 5 times in vain; last: the store does not answer" in reason
    assert is_there(house)
    assert house.effects() == []


async def test_an_upload_whose_answer_was_lost_is_found_again_and_not_repeated(house: House, bucket: Bucket) -> None:
    bucket.lost_answers = 1

    await house.fire()
    await house.live(timedelta(minutes=2))

    assert (bucket.puts, len(bucket.objects)) == (2, 1), "the second attempt found the object of the first"
    assert len(await house.rows("select 1 from archives")) == 1
    assert not is_there(house)


async def test_a_workflow_that_changed_after_it_was_archived_is_left_alone(house: House, bucket: Bucket) -> None:
    await house.fire()
    while not await house.rows("select 1 from archives"):
        for job in await house.take_jobs():
            await house.do(*job)
    change(house)
    await house.live(timedelta(minutes=2))

    [(outcome, reason)] = await house.rows("select outcome, reason from runs")
    assert is_there(house)
    assert len(bucket.objects) == 1
    assert outcome == "skipped"
    assert "no archive was seen to hold it" in reason


async def test_without_a_bucket_the_playbook_does_not_begin(house: House, bucket: Bucket) -> None:
    house.rooms = replace(house.rooms, archivist=None)

    await house.fire()
    await house.live(timedelta(minutes=1))

    [(reason,)] = await house.rows("select reason from decisions")
    assert "workflow.archive cannot work, since a bucket for archives is not configured: set archive.bucket" in reason
    assert is_there(house)
    assert bucket.objects == {}


async def test_what_a_person_asks_for_is_archived_and_answered(house: House, bucket: Bucket) -> None:
    async def asked(name: str, *beside: str) -> str:
        detail = {"namespace": NAMESPACE, "name": name, "with": beside}
        async with house.rooms.database.transaction() as tx:
            number = await requests.ask(tx, Kind.ARCHIVE, None, asked_by="ann", detail=detail)
        await act_on(house.rooms, number)
        async with house.rooms.database.transaction() as tx:
            wish = await requests.get(tx, number)
        assert wish is not None
        assert wish.answered_at is not None
        return wish.answer

    attacher = Attacher(bucket, house.rooms.cluster, mask=Mask(), redaction=Redaction(), now=house.clock)
    house.rooms = replace(house.rooms, attacher=attacher)
    done, absent = await asked(WORKFLOW), await asked("none")
    with_events = await asked(WORKFLOW, "events")
    house.cluster.faults.answer(500, path="/log$", body={"kind": "Status", "message": "no answer"})
    without_logs = await asked(WORKFLOW, "logs")
    bucket.away = True
    change(house)
    away = await asked(WORKFLOW)

    [(key, by)] = await house.rows("select key, archived_by from archives")
    assert (done, by) == (f"it is archive 1, s3://kept/{key}", "ann")
    assert with_events == f"{done}, with its events beside it"
    assert without_logs.startswith(f"{done}; its logs are not beside it: ")
    assert absent.startswith("it was not archived: ")
    assert away == "it was not archived: the store does not answer"
    assert is_there(house)


async def test_a_workflow_that_a_person_asks_back_is_made_once_and_refusals_are_explained(
    house: House, bucket: Bucket
) -> None:
    async def asked(**detail: object) -> str:
        async with house.rooms.database.transaction() as tx:
            number = await requests.ask(tx, Kind.RESTORE, None, asked_by="ann", detail=detail)
        await act_on(house.rooms, number)
        async with house.rooms.database.transaction() as tx:
            wish = await requests.get(tx, number)
        assert wish is not None
        return wish.answer

    assert house.rooms.archivist is not None
    assert house.rooms.cluster is not None
    old = await house.rooms.cluster.get_workflow(NAMESPACE, WORKFLOW)
    kept = await house.rooms.archivist.keep(old, by="ann")

    made = await asked(archive=kept.id, name="again", begin=False)
    repeated = await asked(archive=kept.id, name="again", begin=False)
    collided = await asked(archive=kept.id, name=None, begin=True)
    absent = await asked(archive=77)
    bucket.away = True
    away = await asked(archive=kept.id, name="third")

    assert made == repeated == f"workflow {NAMESPACE}/again is there, suspended; `argo resume` lets it begin"
    assert collided.startswith("it was not restored: ")
    assert WORKFLOW in collided
    assert absent == "it was not restored: there is no archive 77 any more"
    assert away == "it was not restored: the store does not answer"
    assert await house.rooms.cluster.get_workflow(NAMESPACE, WORKFLOW) == old
