"""The verbs that change workflows, pods, Deployments and Jobs, on the stand-in and on a real API server alike."""

import asyncio
import base64
import gzip
import json
from typing import Any

import pytest
from kubernetes import client

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    NodesUnreadable,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    WorkflowFinished,
)
from receiver.model.workflow import Phase, Workflow
from receiver.model.workload import JobState
from tests.contract.peer import CONTAINER, IGNORED, Peer, raw

RUNNING = {"status": {"phase": "Running", "startedAt": "2026-11-24T01:00:00Z"}}
WAITING = {
    "id": "etl-1",
    "name": "etl.approve",
    "displayName": "approve",
    "type": "Suspend",
    "phase": "Running",
    "message": "look at it",
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "clean"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}},
}


async def made(peer: Peer, **parts: Any) -> Workflow:
    await peer.workflows.create("etl", **parts or RUNNING)
    return await peer.admin.get_workflow(peer.namespace, "etl")


async def recreated(peer: Peer) -> dict[str, Any]:
    await peer.workflows.delete("etl")
    return await peer.workflows.create("etl", **RUNNING)


VERBS = {
    "terminate": Cluster.terminate,
    "stop": Cluster.stop,
    "suspend": Cluster.suspend,
    "resume": Cluster.resume,
    "mark_retry": Cluster.mark_retry,
}


@pytest.mark.parametrize("verb", VERBS)
async def test_no_verb_touches_another_workflow_of_the_same_name(peer: Peer, verb: str) -> None:
    workflow = await made(peer)
    other = await recreated(peer)

    with pytest.raises(PreconditionFailed, match="another run has that name"):
        await VERBS[verb](peer.operator, workflow, operation="run-1:2")
    assert await peer.workflows.get("etl") == other


@pytest.mark.parametrize("verb", ["terminate", "stop", "suspend", "resume"])
async def test_no_verb_touches_a_workflow_that_has_ended(peer: Peer, verb: str) -> None:
    workflow = await made(peer, spec={"suspend": True}, status={"phase": "Succeeded"})
    before = await peer.workflows.get("etl")

    with pytest.raises(WorkflowFinished, match="Succeeded"):
        await VERBS[verb](peer.operator, workflow, operation="run-1:2")
    assert await peer.workflows.get("etl") == before


@pytest.mark.parametrize("verb", ["stop", "suspend"])
async def test_repeating_a_verb_under_one_operation_writes_nothing_more(peer: Peer, verb: str) -> None:
    workflow = await made(peer)

    first = await VERBS[verb](peer.operator, workflow, operation="run-1:2")
    again = await VERBS[verb](peer.operator, workflow, operation="run-1:2")

    assert again == first
    assert "run-1:2" in {first.stopped_by, first.suspended_by}


@pytest.mark.parametrize("verb", ["terminate", "stop"])
async def test_a_workflow_that_moved_since_it_was_looked_at_is_not_ended_where_it_must_not_have(
    peer: Peer, verb: str
) -> None:
    workflow = await made(peer)
    moved = await peer.workflows.merge("etl", {"status": {"progress": "1/2"}})
    end = Cluster.terminate if verb == "terminate" else Cluster.stop

    with pytest.raises(Conflict, match="changed since it was looked at"):
        await end(peer.operator, workflow, operation="run-1:2", unchanged=True)

    assert await peer.workflows.get("etl") == moved
    assert (await end(peer.operator, workflow, operation="run-1:2")).shutdown


async def test_stopping_asks_argo_and_leaves_a_mark(peer: Peer) -> None:
    workflow = await made(peer)

    asked = await peer.operator.stop(workflow, operation="run-1:2", unchanged=True)

    assert (asked.shutdown, asked.stopped_by, asked.terminated_by) == ("Stop", "run-1:2", "")


async def test_a_stop_does_not_weaken_a_termination(peer: Peer) -> None:
    workflow = await made(peer)
    ending = await peer.operator.terminate(workflow, operation="run-1:2")

    assert await peer.operator.stop(workflow, operation="run-2:2") == ending


async def test_a_workflow_is_suspended_and_resumed(peer: Peer) -> None:
    workflow = await made(peer)

    suspended = await peer.operator.suspend(workflow, operation="run-1:2")
    resumed = await peer.operator.resume(workflow, operation="run-1:3")

    assert (suspended.suspended, suspended.suspended_by) == (True, "run-1:2")
    assert (resumed.suspended, resumed.resumed_by) == (False, "run-1:3")
    assert (await peer.workflows.get("etl"))["spec"] == {}
    assert await peer.operator.resume(workflow, operation="run-1:3") == resumed


async def test_what_somebody_else_suspended_is_not_taken_for_ours(peer: Peer) -> None:
    workflow = await made(peer, spec={"suspend": True}, **RUNNING)

    assert (await peer.operator.suspend(workflow, operation="run-1:2")).suspended_by == ""


async def test_resuming_lets_the_steps_succeed_that_wait_and_no_others(peer: Peer) -> None:
    other = WAITING | {"id": "etl-2", "type": "Pod", "phase": "Running"}
    workflow = await made(peer, status={"phase": "Running", "nodes": {"etl-1": WAITING, "etl-2": other}})

    resumed = await peer.operator.resume(workflow, operation="run-1:2")
    nodes = (await peer.workflows.get("etl"))["status"]["nodes"]

    assert not resumed.suspended
    assert nodes["etl-1"].pop("finishedAt")
    assert nodes == {
        "etl-1": WAITING | {"phase": "Succeeded", "message": "look at it; Resumed by: Receiver (run-1:2)"},
        "etl-2": other,
    }


VALUE = {"parameters": [{"name": "answer", "valueFrom": {"supplied": {}}}]}
PACKED = base64.b64encode(gzip.compress(json.dumps({"etl-1": WAITING}).encode())).decode()


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"compressedNodes": PACKED}, "packed"),
        ({"offloadNodeStatusVersion": "fnv:1"}, "database"),
        ({"nodes": {"etl-1": WAITING | {"outputs": VALUE}}}, "value"),
    ],
)
async def test_steps_that_only_argo_server_can_resume_are_left_alone(
    peer: Peer, status: dict[str, Any], why: str
) -> None:
    workflow = await made(peer, spec={"suspend": True}, status={"phase": "Running"} | status)
    before = await peer.workflows.get("etl")

    with pytest.raises(NodesUnreadable, match=why):
        await peer.operator.resume(workflow, operation="run-1:2")
    assert await peer.workflows.get("etl") == before


async def test_a_deleted_workflow_is_gone(peer: Peer) -> None:
    workflow = await made(peer)

    assert await peer.operator.delete_workflow(workflow) is None
    with pytest.raises(NotFound):
        await peer.operator.delete_workflow(workflow)


async def test_a_deleted_workflow_stays_until_its_finalizers_have_done_their_work(peer: Peer) -> None:
    finalizers = ["workflows.argoproj.io/artifact-gc"]
    workflow = await made(peer, metadata={"finalizers": finalizers}, **RUNNING)

    left = await peer.operator.delete_workflow(workflow)

    assert left is not None
    assert left.deleting
    assert (await peer.workflows.get("etl"))["metadata"]["finalizers"] == finalizers
    await peer.workflows.merge("etl", {"metadata": {"finalizers": None}})


async def test_only_the_workflow_that_was_looked_at_is_deleted(peer: Peer) -> None:
    workflow = await made(peer)
    moved = await peer.workflows.merge("etl", {"metadata": {"labels": {"keep": "this"}}})

    with pytest.raises(Conflict):
        await peer.operator.delete_workflow(workflow)
    assert await peer.workflows.get("etl") == moved

    other = await recreated(peer)
    with pytest.raises(PreconditionFailed):
        await peer.operator.delete_workflow(workflow)
    assert await peer.workflows.get("etl") == other


async def test_a_created_workflow_carries_our_mark_and_is_made_once(peer: Peer) -> None:
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "clean-", "namespace": peer.namespace, "labels": IGNORED | {"team": "data"}},
        "spec": {"entrypoint": "main"},
    }

    first = await peer.operator.create_workflow(manifest, "clean-1", operation="run-1:2")
    again = await peer.operator.create_workflow(manifest, "clean-1", operation="run-1:2")

    assert first == again
    assert (first.name, first.operation, first.labels) == ("clean-1", "run-1:2", IGNORED | {"team": "data"})
    with pytest.raises(AlreadyExists):
        await peer.operator.create_workflow(manifest, "clean-1", operation="run-2:2")


async def test_unfinished_workflows_are_counted_new_ones_among_them(peer: Peer) -> None:
    for name, label in {"new": None, "runs": "false", "done": "true"}.items():
        labels = {"workflows.argoproj.io/completed": label} if label else {}
        await peer.workflows.create(name, metadata={"labels": labels})

    assert await peer.operator.count_unfinished(peer.namespace) == 2


async def test_only_the_pod_that_is_meant_is_deleted(peer: Peer) -> None:
    pod = await peer.pod("etl-1")

    with pytest.raises(PreconditionFailed):
        await peer.operator.delete_pod(peer.namespace, "etl-1", "another")
    await peer.operator.delete_pod(peer.namespace, "etl-1", pod["metadata"]["uid"])
    with pytest.raises(NotFound):
        await peer.operator.delete_pod(peer.namespace, "etl-1", pod["metadata"]["uid"])


async def test_a_deployment_is_restarted_once_under_one_operation(peer: Peer) -> None:
    before = await peer.deployment("agent")

    first = await peer.operator.restart_deployment(peer.namespace, "agent", operation="run-1:2")
    again = await peer.operator.restart_deployment(peer.namespace, "agent", operation="run-1:2")
    after = await raw(client.AppsV1Api(peer.api).read_namespaced_deployment, "agent", peer.namespace)

    assert first.restarted_by == again.restarted_by == "run-1:2"
    assert first.generation == again.generation == before["metadata"]["generation"] + 1
    assert not first.rolled_out
    template = after["spec"]["template"]["metadata"]
    assert template["annotations"].keys() == {"kubectl.kubernetes.io/restartedAt", "receiver/restarted-by"}
    assert template["labels"] == {"app": "agent"}


async def test_a_paused_deployment_is_not_restarted(peer: Peer) -> None:
    await peer.deployment("agent", paused=True)

    with pytest.raises(RequestRefused, match="paused"):
        await peer.operator.restart_deployment(peer.namespace, "agent", operation="run-1:2")


async def test_a_restart_has_taken_hold_when_all_pods_are_new_and_serve(peer: Peer) -> None:
    if peer.controllers:
        pytest.skip("the controller of this cluster writes the status itself, and no pod of the test can serve")
    await peer.deployment("agent", replicas=2)
    asked = await peer.operator.restart_deployment(peer.namespace, "agent", operation="run-1:2")
    done = {"observedGeneration": asked.generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    patch = client.AppsV1Api(peer.api).patch_namespaced_deployment_status
    merge = {"_content_type": "application/merge-patch+json"}
    await raw(patch, "agent", peer.namespace, {"status": done | {"availableReplicas": 1}}, **merge)

    assert not (await peer.operator.get_deployment(peer.namespace, "agent")).rolled_out
    await raw(patch, "agent", peer.namespace, {"status": {"availableReplicas": 2}}, **merge)
    assert (await peer.operator.get_deployment(peer.namespace, "agent")).rolled_out


async def test_a_restart_that_needs_no_pods_has_taken_hold_once_the_controller_has_seen_it(peer: Peer) -> None:
    if peer.move is None:
        pytest.skip("no controller of Deployments runs on this server")
    await peer.deployment("agent", replicas=0)

    asked = await peer.operator.restart_deployment(peer.namespace, "agent", operation="run-1:2")
    async with asyncio.timeout(60):
        while not (found := await peer.operator.get_deployment(peer.namespace, "agent")).rolled_out:
            peer.move()
            await asyncio.sleep(0.1)

    assert found.observed_generation >= asked.generation > asked.observed_generation
    assert found.restarted_by == "run-1:2"


async def test_a_job_is_made_once_and_has_not_ended(peer: Peer) -> None:
    first = await peer.operator.create_job(peer.namespace, JOB, operation="run-1:2")
    again = await peer.operator.create_job(peer.namespace, JOB, operation="run-1:2")

    assert (first.uid, first.operation, first.state) == (again.uid, "run-1:2", JobState.UNFINISHED)
    with pytest.raises(AlreadyExists):
        await peer.operator.create_job(peer.namespace, JOB, operation="run-2:2")


@pytest.mark.parametrize(
    "job",
    [
        JOB | {"spec": {"template": {"spec": {"containers": [CONTAINER]}}}},
        JOB | {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
        JOB | {"metadata": {"name": "c" * 64}},
    ],
)
async def test_a_job_that_is_none_is_refused(peer: Peer, job: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused):
        await peer.operator.create_job(peer.namespace, job, operation="run-1:2")


async def test_a_reader_can_change_nothing(peer: Peer) -> None:
    workflow = await made(peer)
    await peer.deployment("agent")

    for verb in (Cluster.stop, Cluster.suspend, Cluster.mark_retry):
        with pytest.raises(Forbidden, match='cannot patch resource "workflows" in API group'):
            await verb(peer.reader, workflow, operation="run-1:2")
    with pytest.raises(Forbidden, match='cannot delete resource "workflows"'):
        await peer.reader.delete_workflow(workflow)
    with pytest.raises(Forbidden, match='cannot delete resource "pods"'):
        await peer.reader.delete_pod(peer.namespace, "etl-1", "uid")
    with pytest.raises(Forbidden, match='cannot patch resource "deployments"'):
        await peer.reader.restart_deployment(peer.namespace, "agent", operation="run-1:2")
    with pytest.raises(Forbidden, match='cannot create resource "jobs" in API group "batch"'):
        await peer.reader.create_job(peer.namespace, JOB, operation="run-1:2")
    assert (await peer.admin.get_workflow(peer.namespace, "etl")).phase is Phase.RUNNING
