"""Our verbs, on the stand-in and on a real API server alike. No Argo takes these workflows up: they do not change."""

import pytest

from receiver.clients.kubernetes import resubmit_name
from receiver.model.errors import (
    AlreadyExists,
    Forbidden,
    LogUnreadable,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    WorkflowFinished,
)
from receiver.model.workflow import Phase, Workflow
from tests.contract.peer import IGNORED, Peer

RUNNING = {"status": {"phase": "Running", "startedAt": "2026-11-24T01:00:00Z"}}
NEVER_RESUBMITTED = {
    "metadata": {
        "labels": {
            "team": "data",
            "workflows.argoproj.io/creator": "system-serviceaccount-argo-ci",
            "workflows.argoproj.io/phase": "Failed",
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/workflow-archiving-status": "Archived",
        },
        "annotations": {
            "note": "kept",
            "receiver/terminated-by": "run-1:1",
            "receiver/progress-at": "2026-11-24T01:00:00Z",
        },
    },
    "spec": {"entrypoint": "main", "shutdown": "Terminate", "activeDeadlineSeconds": 0},
    "status": {"phase": "Failed"},
}


async def running(peer: Peer, name: str = "etl") -> Workflow:
    await peer.workflows.create(name, **RUNNING)
    return await peer.admin.get_workflow(peer.namespace, name)


async def test_a_workflow_that_is_not_there_is_not_found(peer: Peer) -> None:
    with pytest.raises(NotFound, match=f"read workflow {peer.namespace}/etl"):
        await peer.admin.get_workflow(peer.namespace, "etl")


@pytest.mark.parametrize("name", ["", "Etl", "a/b", "..", "../pods", "a" * 254, "etl\n", "etl?x=y"])
async def test_a_name_that_cannot_be_one_is_refused_before_it_is_sent(peer: Peer, name: str) -> None:
    with pytest.raises(RequestRefused, match="nothing was asked"):
        await peer.admin.get_workflow(peer.namespace, name)


async def test_workflows_are_listed_by_label(peer: Peer) -> None:
    await peer.workflows.create("done", metadata={"labels": {"workflows.argoproj.io/completed": "true"}})
    await peer.workflows.create("new")

    found = await peer.admin.list_workflows(peer.namespace, "workflows.argoproj.io/completed!=true")

    assert [(one.name, one.phase) for one in found] == [("new", Phase.UNKNOWN)]


async def test_only_the_pods_of_this_very_run_are_its_pods(peer: Peer) -> None:
    workflow = await running(peer)
    label = {"workflows.argoproj.io/workflow": "etl"}
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "etl"}
    await peer.pod("etl-1", labels=label, ownerReferences=[owner | {"uid": workflow.uid}])
    await peer.pod("etl-0", labels=label, ownerReferences=[owner | {"uid": "an-earlier-run"}])
    await peer.pod("other", labels={"workflows.argoproj.io/workflow": "other"})

    pods = await peer.admin.pods_of(workflow)

    assert [(pod.name, pod.phase, pod.node_name) for pod in pods] == [("etl-1", "Pending", "")]


async def test_warnings_are_those_about_the_workflow_and_its_pods_the_newest_first(peer: Peer) -> None:
    workflow = await running(peer)
    label = {"workflows.argoproj.io/workflow": "etl"}
    await peer.pod("etl-1", labels=label)
    pods = await peer.admin.pods_of(workflow)
    about_pod = {"kind": "Pod", "name": "etl-1", "apiVersion": "v1"}
    seen = {"type": "Warning", "firstTimestamp": "2026-11-24T01:00:00Z"}
    await peer.event("a", about_pod, **seen, reason="Old", message="", count=2, lastTimestamp="2026-11-24T01:00:00Z")
    await peer.event("b", about_pod, **seen, reason="New", message="m", count=3, lastTimestamp="2026-11-24T02:00:00Z")
    await peer.event(
        "c", about_pod, **seen | {"type": "Normal"}, reason="Started", lastTimestamp="2026-11-24T02:00:00Z"
    )
    await peer.event("d", about_pod | {"name": "x"}, **seen, reason="Other", lastTimestamp="2026-11-24T02:00:00Z")

    warnings = await peer.admin.warning_events(workflow, pods)

    assert [(one.reason, one.count, one.object) for one in warnings] == [
        ("New", 3, "Pod/etl-1"),
        ("Old", 2, "Pod/etl-1"),
    ]


async def test_the_log_of_a_pod_that_no_machine_has_is_empty(peer: Peer) -> None:
    await peer.pod("etl-1")

    assert await peer.admin.log_tail(peer.namespace, "etl-1") == ()


async def test_the_log_of_a_container_that_does_not_exist_is_unreadable(peer: Peer) -> None:
    await peer.pod("etl-1")

    with pytest.raises(LogUnreadable, match="sidecar"):
        await peer.admin.log_tail(peer.namespace, "etl-1", container="sidecar")
    with pytest.raises(LogUnreadable, match="sidecar"):
        await peer.admin.log_end(peer.namespace, "etl-1", container="sidecar", most=9)
    with pytest.raises(NotFound):
        await peer.admin.log_end(peer.namespace, "etl-2", container="main", most=9)


async def test_terminating_asks_argo_and_leaves_a_mark(peer: Peer) -> None:
    workflow = await running(peer)

    asked = await peer.operator.terminate(workflow, operation="run-1:2")

    assert (asked.uid, asked.shutdown, asked.terminated_by) == (workflow.uid, "Terminate", "run-1:2")
    assert asked.phase is Phase.RUNNING
    assert asked == await peer.admin.get_workflow(peer.namespace, "etl")


async def test_terminating_twice_under_one_operation_changes_nothing_more(peer: Peer) -> None:
    workflow = await running(peer)
    first = await peer.operator.terminate(workflow, operation="run-1:2")
    await peer.workflows.merge("etl", {"status": {"phase": "Failed"}})

    second = await peer.operator.terminate(workflow, operation="run-1:2")

    assert second.finished
    assert (first.uid, first.terminated_by) == (second.uid, second.terminated_by)


async def test_a_workflow_that_has_ended_is_not_terminated(peer: Peer) -> None:
    workflow = await running(peer)
    ended = await peer.workflows.merge("etl", {"status": {"phase": "Succeeded"}})

    with pytest.raises(WorkflowFinished, match="Succeeded"):
        await peer.operator.terminate(workflow, operation="run-1:2")
    assert await peer.workflows.get("etl") == ended


async def test_another_workflow_of_the_same_name_is_never_terminated(peer: Peer) -> None:
    workflow = await running(peer)
    await peer.workflows.delete("etl")
    other = await peer.workflows.create("etl", **RUNNING)

    with pytest.raises(PreconditionFailed, match="another run has that name"):
        await peer.operator.terminate(workflow, operation="run-1:2")
    assert await peer.workflows.get("etl") == other


async def test_a_workflow_that_is_gone_cannot_be_terminated(peer: Peer) -> None:
    workflow = await running(peer)
    await peer.workflows.delete("etl")

    with pytest.raises(NotFound):
        await peer.operator.terminate(workflow, operation="run-1:2")


async def test_a_resubmitted_run_repeats_the_work_and_drops_what_belonged_to_the_old_run(peer: Peer) -> None:
    old = await peer.workflows.create("etl", **NEVER_RESUBMITTED)
    workflow = await peer.admin.get_workflow(peer.namespace, "etl")

    name = resubmit_name("etl", "run-1")
    made = await peer.operator.resubmit(workflow, name=name, operation="run-1:3")
    body = await peer.workflows.get(name)

    assert body["spec"] == {"entrypoint": "main"}
    assert body["metadata"]["labels"] == IGNORED | {
        "team": "data",
        "workflows.argoproj.io/resubmitted-from-workflow": "etl",
    }
    assert body["metadata"]["annotations"] == {
        "note": "kept",
        "receiver/run": "run-1:3",
        "receiver/resubmitted-from-uid": workflow.uid,
    }
    assert "status" not in body
    assert (made.phase, made.resubmitted_from, made.resubmitted_from_uid) == (Phase.UNKNOWN, "etl", workflow.uid)
    assert await peer.workflows.get("etl") == old


async def test_resubmitting_twice_under_one_operation_makes_one_run(peer: Peer) -> None:
    workflow = await running(peer)

    first = await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")
    second = await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")

    assert first == second
    assert len((await peer.workflows.list())["items"]) == 2


async def test_a_name_that_somebody_else_has_taken_is_never_mistaken_for_ours(peer: Peer) -> None:
    workflow = await running(peer)
    await peer.workflows.create("etl-2")

    with pytest.raises(AlreadyExists, match="not made by this operation"):
        await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")


async def test_a_run_that_was_deleted_meanwhile_is_resubmitted_from_what_was_kept(peer: Peer) -> None:
    workflow = await running(peer)
    kept = await peer.admin.raw_workflow(peer.namespace, "etl")
    await peer.workflows.delete("etl")

    made = await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3", raw=kept)

    assert made.resubmitted_from_uid == workflow.uid


async def test_a_run_that_was_deleted_meanwhile_cannot_be_resubmitted_when_nothing_was_kept(peer: Peer) -> None:
    workflow = await running(peer)
    await peer.workflows.delete("etl")

    with pytest.raises(NotFound):
        await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")


async def test_a_finished_resubmit_is_found_again_after_its_origin_was_deleted(peer: Peer) -> None:
    workflow = await running(peer)
    made = await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")
    await peer.workflows.delete("etl")

    assert await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3") == made


async def test_another_workflow_of_the_same_name_is_never_resubmitted(peer: Peer) -> None:
    workflow = await running(peer)
    await peer.workflows.delete("etl")
    await running(peer)

    with pytest.raises(PreconditionFailed):
        await peer.operator.resubmit(workflow, name="etl-2", operation="run-1:3")
    assert len((await peer.workflows.list())["items"]) == 1


async def test_each_account_knows_its_rights(peer: Peer) -> None:
    reading = [
        ("get", "argoproj.io", "workflows"),
        ("list", "", "pods"),
        ("get", "", "pods/log"),
        ("list", "", "events"),
    ]
    changing = [("patch", "argoproj.io", "workflows"), ("create", "argoproj.io", "workflows")]

    operator = await peer.operator.rights(peer.namespace, [*reading, *changing])
    reader = await peer.reader.rights(peer.namespace, [*reading, *changing])

    assert all(right.allowed for right in operator)
    assert [right.allowed for right in reader] == [True] * len(reading) + [False] * len(changing)


async def test_an_account_can_be_asked_for_any_right(peer: Peer) -> None:
    needed = [("patch", "apps", "deployments"), ("patch", "apps", "deployments/scale"), ("create", "batch", "jobs")]

    found = await peer.operator.rights(peer.namespace, needed)

    assert [(right.resource, right.allowed) for right in found] == [
        ("deployments", True),
        ("deployments/scale", False),
        ("jobs", True),
    ]


async def test_rights_end_at_the_namespace(peer: Peer) -> None:
    for where in ("default", ""):
        assert not any(right.allowed for right in await peer.operator.rights(where, [("list", "", "pods")]))
    with pytest.raises(Forbidden, match="default"):
        await peer.operator.list_workflows("default")


async def test_a_reader_can_neither_terminate_nor_resubmit(peer: Peer) -> None:
    workflow = await running(peer)

    with pytest.raises(Forbidden, match='cannot patch resource "workflows"'):
        await peer.reader.terminate(workflow, operation="run-1:2")
    with pytest.raises(Forbidden, match='cannot create resource "workflows"'):
        await peer.reader.resubmit(workflow, name="etl-2", operation="run-1:3")


async def test_the_cluster_says_its_version(peer: Peer) -> None:
    assert (await peer.admin.version()).startswith("v1.")
