"""The verbs against an API server: what they leave there is what `recover` looks for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kubernetes import client

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import Conflict, NotFound
from receiver.model.remediation import Run, Target
from receiver.model.workflow import Workflow
from receiver.remediate.actions import Means, Turn
from receiver.remediate.actions.workflow_resubmit import WorkflowResubmit
from receiver.remediate.actions.workflow_stop import WorkflowStop
from receiver.remediate.actions.workflow_terminate import WorkflowTerminate
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer
from tests.unit.remediate.scenes import facts, run, turn

TERMINATE, STOP, RESUBMIT = WorkflowTerminate(), WorkflowStop(), WorkflowResubmit()
NAMESPACE: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo"}}
STUCK: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {
        "namespace": "argo",
        "name": "etl",
        "uid": "7e3a0c0e-0000-4000-8000-000000000001",
        "labels": {"team": "rex", "workflows.argoproj.io/phase": "Running"},
    },
    "spec": {"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "none.invalid/none"}}]},
    "status": {"phase": "Running", "startedAt": "2026-11-24T05:00:00Z"},
}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as server:
        server.adopt(NAMESPACE, STUCK)
        yield server


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    cluster = Cluster.at(server.url, server.token, timeout=timedelta(seconds=20))
    yield cluster
    await cluster.close()


async def read(cluster: Cluster, name: str) -> Workflow | None:
    try:
        return await cluster.get_workflow("argo", name)
    except NotFound:
        return None


async def seen(cluster: Cluster, found: Run) -> Turn[Any]:
    now = turn(found, facts(now=datetime.now(UTC), workflow=await read(cluster, "etl")))
    made = await RESUBMIT.look(Means(cluster=cluster), now) if found.cursor == 2 else None
    return turn(found, replace(now.facts, seen=made))


def delete(server: ApiServer, name: str) -> None:
    with client.ApiClient(client.Configuration(host=server.url)) as api:
        api.configuration.api_key = {"BearerToken": f"Bearer {server.token}"}
        client.CustomObjectsApi(api).delete_namespaced_custom_object(
            "argoproj.io", "v1alpha1", "argo", "workflows", name, _request_timeout=20
        )


def about(workflow: Workflow) -> Run:
    target = Target(kind="workflow", namespace="argo", name=workflow.name, uid=workflow.uid, lineage=workflow.uid)
    return run(target=target)


async def test_what_a_verb_did_is_recognised_afterwards_and_repeating_it_does_nothing_more(cluster: Cluster) -> None:
    begun = about(await cluster.get_workflow("argo", "etl"))
    before = TERMINATE.recover(await seen(cluster, begun))

    first = await TERMINATE.perform(Means(cluster=cluster), await seen(cluster, begun))
    again = await TERMINATE.perform(Means(cluster=cluster), await seen(cluster, begun))
    recovered = TERMINATE.recover(await seen(cluster, begun))

    assert before is None
    assert recovered is not None
    assert first.result == again.result == recovered.result


@pytest.mark.parametrize("verb", [TERMINATE, STOP], ids=lambda verb: verb.name)
async def test_what_was_written_to_after_it_was_looked_at_is_not_ended(
    server: ApiServer, cluster: Cluster, verb: WorkflowTerminate | WorkflowStop
) -> None:
    looked = await seen(cluster, about(await cluster.get_workflow("argo", "etl")))
    moved = server.registry.read(WORKFLOW, "argo", "etl")
    server.storage.put(WORKFLOW, moved | {"status": moved["status"] | {"progress": "1/2"}})

    with pytest.raises(Conflict, match="Look again"):
        await verb.perform(Means(cluster=cluster), looked)

    assert (await cluster.get_workflow("argo", "etl")).shutdown == ""


async def test_a_restart_is_recognised_afterwards_and_makes_one_workflow(cluster: Cluster) -> None:
    begun = about(await cluster.get_workflow("argo", "etl"))
    ended = await TERMINATE.perform(Means(cluster=cluster), await seen(cluster, begun))
    restarting = replace(begun, cursor=2, vars=ended.vars)
    before = RESUBMIT.recover(await seen(cluster, restarting))

    first = await RESUBMIT.perform(Means(cluster=cluster), await seen(cluster, restarting))
    again = await RESUBMIT.perform(Means(cluster=cluster), await seen(cluster, restarting))
    recovered = RESUBMIT.recover(await seen(cluster, restarting))

    assert before is None
    assert recovered is not None
    assert first.vars == again.vars == recovered.vars
    assert len(await cluster.list_workflows("argo")) == 2


async def test_a_workflow_that_was_deleted_after_its_end_is_restarted_from_what_was_kept(
    server: ApiServer, cluster: Cluster
) -> None:
    begun = about(await cluster.get_workflow("argo", "etl"))
    ended = await TERMINATE.perform(Means(cluster=cluster), await seen(cluster, begun))
    await asyncio.to_thread(delete, server, "etl")
    restarting = replace(begun, cursor=2, vars=ended.vars)
    known = await seen(cluster, restarting)
    assert known.facts.workflow is None
    assert RESUBMIT.refusal(known) == ""

    done = await RESUBMIT.perform(Means(cluster=cluster), known)

    made = await cluster.get_workflow("argo", str(done.result["name"]))
    assert made.labels["team"] == "rex"
    assert made.shutdown == ""
    assert RESUBMIT.recover(await seen(cluster, restarting)) is not None
