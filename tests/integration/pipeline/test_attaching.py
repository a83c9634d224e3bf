"""Logs and warnings beside an archived workflow, on a stand-in cluster and a real S3 store."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.clients.archive import ArchiveBucket
from receiver.clients.kubernetes import Cluster
from receiver.enrich.mask import Mask
from receiver.model.archive import Archived
from receiver.model.attachment import Attachment, Part
from receiver.model.errors import ClusterError, S3Damaged, S3Missing
from receiver.model.redaction import Redaction
from receiver.pipeline import attaching
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.attaching import Attacher
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import ApiServer, Json, Line
from receiver.sandbox.kubernetes.kind import POD
from receiver.sandbox.scenario import workflow
from receiver.store.database import Database

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
WHERE, NAME = "argo", "etl"


@dataclass
class Scene:
    """A workflow of two steps that has ended and is archived, and whoever keeps what is beside it."""

    api: ApiServer
    cluster: Cluster
    bucket: ArchiveBucket
    archived: Archived

    @property
    def attacher(self) -> Attacher:
        redaction = Redaction(["team-[0-9]{4}"])
        return Attacher(self.bucket, self.cluster, mask=Mask(), redaction=redaction, now=lambda: NOW)

    def pods(self) -> list[Json]:
        return sorted(self.api.storage.every(POD, WHERE), key=lambda pod: str(pod["metadata"]["name"]))

    def write(self, pod: Json, *lines: str) -> None:
        self.api.logs.write(pod, "main", [Line(at=NOW, text=line) for line in lines])

    async def attach(self, *parts: Part) -> list[Attachment]:
        found = await self.cluster.get_workflow(WHERE, NAME)
        return await self.attacher.attach(self.archived, found, parts, by="ann")

    async def read(self, part: Part) -> Any:
        return json.loads(await self.attacher.read(self.archived, part))


@pytest.fixture
async def scene(database: Database, weed: Any) -> AsyncIterator[Scene]:
    s3 = weed.client(weed.new_bucket())
    async with ApiServer(clock=lambda: NOW) as api:
        cluster = Cluster.at(api.url, api.token, timeout=timedelta(seconds=5))
        api.adopt(workflow(WHERE, NAME, course="succeed"))
        controller = ArgoController(api)
        for _ in range(20):
            controller.advance()
        bucket = ArchiveBucket(s3)
        archivist = Archivist(database, bucket, cluster=cluster, prefix="p", now=lambda: NOW)
        archived = await archivist.keep(await cluster.get_workflow(WHERE, NAME), by="ann")
        yield Scene(api=api, cluster=cluster, bucket=bucket, archived=archived)
        await cluster.close()
    await s3.close()


async def test_logs_are_kept_masked_and_what_is_gone_is_said(scene: Scene) -> None:
    gone, there = scene.pods()
    scene.api.registry.delete(POD, WHERE, gone["metadata"]["name"], {})
    scene.write(there, "password=hunter2", "of team-0815")

    [kept] = await scene.attach(Part.LOGS)
    found = await scene.read(Part.LOGS)
    label = await scene.bucket.head(kept.key)

    [pod] = found["pods"]
    assert kept.key == scene.archived.key.removesuffix(".json.gz") + ".logs.json.gz"
    assert pod["containers"] == [
        {"name": "main", "log": "implement: started\npassword=***\nof ***\n", "bytes": 49, "left_out_bytes": 0},
        {"name": "wait", "log": "", "bytes": 0, "left_out_bytes": 0},
    ]
    assert found["gone"] == [{"node": "etl-2023330705", "step": "etl.prepare"}]
    assert label is not None
    assert label.metadata["archive-content-sha256"] == scene.archived.content
    assert label.metadata["checksum-sha256"] == kept.sha256


async def test_what_was_kept_first_stays_since_it_was_nearest_to_the_end(scene: Scene) -> None:
    first = await scene.attach(Part.LOGS, Part.EVENTS)
    for pod in scene.pods():
        scene.api.registry.delete(POD, WHERE, pod["metadata"]["name"], {})

    assert await scene.attach(Part.EVENTS, Part.LOGS) == first
    assert len((await scene.read(Part.LOGS))["pods"]) == 2
    assert (await scene.read(Part.EVENTS))["events"] == []


async def test_of_long_logs_the_ends_are_kept_and_what_is_left_out_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "MOST_OF_POD", 30)
    one, _ = scene.pods()
    scene.write(one, *(f"line {number}" for number in range(9)))

    await scene.attach(Part.LOGS)

    first, second = (await scene.read(Part.LOGS))["pods"]
    assert first["containers"][0] == {
        "name": "main",
        "log": "line 5\nline 6\nline 7\nline 8\n",
        "bytes": 28,
        "left_out_bytes": 52,
    }
    assert second["containers"][0]["log"] == "implement: started\n"


async def test_what_is_left_out_since_all_logs_together_are_long_enough_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "MOST_IN_ALL", 20)
    monkeypatch.setattr(attaching, "_AT_ONCE", 1)
    scene.write(scene.pods()[0], "end")

    await scene.attach(Part.LOGS)

    first, second = (await scene.read(Part.LOGS))["pods"]
    assert first["containers"][0]["log"] == "end\n"
    assert second["containers"][0]["log"] == ""
    assert second["containers"][0]["left_out_bytes"] == 19


async def test_a_cluster_that_does_not_answer_leaves_nothing_that_says_so_for_ever(scene: Scene) -> None:
    scene.api.faults.answer(500, path="/log$", body={"kind": "Status", "message": "away"})

    with pytest.raises(ClusterError, match="away"):
        await scene.attach(Part.LOGS)
    with pytest.raises(S3Missing, match="receiver archive create --with logs"):
        await scene.read(Part.LOGS)

    [kept] = await scene.attach(Part.LOGS)
    assert await scene.attacher.attached(scene.archived, Part.LOGS) == kept


async def test_another_object_under_that_key_is_left_alone(scene: Scene) -> None:
    key = scene.archived.key.removesuffix(".json.gz") + ".logs.json.gz"
    await scene.bucket.put(key, b"mine", metadata={})

    with pytest.raises(S3Damaged, match="nothing was replaced; move it away"):
        await scene.attach(Part.LOGS)

    assert await scene.bucket.get(key) == b"mine"
