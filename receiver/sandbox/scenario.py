"""Workflows to begin a demo or a test with: as if they had been there for hours."""

from datetime import datetime, timedelta

from receiver.sandbox import argo_objects as argo
from receiver.sandbox.argo import COURSE
from receiver.sandbox.kubernetes import ApiServer, Json, Line
from receiver.sandbox.kubernetes.registry import timestamp

FAKE_SECRET = "ghp_" + "0123456789abcdefghijABCDEFGHIJ987654"
"""Stands in the log of a stuck workflow, so that it can be seen that nobody is ever shown it. It opens nothing."""

_FIRST_STEP_TOOK = timedelta(minutes=6)


def workflow(namespace: str, name: str, *, agent: str = "rex", course: str = "") -> Json:
    """Return a workflow of two steps as somebody would submit it; nothing has been made of it yet.

    Args:
        namespace: Where.
        name: What it is called.
        agent: Who works in it; the label `agent`.
        course: What its attempts do once `ArgoController` is started, such as `hang, succeed`; empty for its default.
    """
    container = {"image": "python:3.12", "command": ["agent"], "args": ["run"]}
    tasks = [{"name": "prepare", "template": "work"}, {"name": "implement", "template": "work", "depends": "prepare"}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"agent": agent},
            "annotations": {COURSE: course} if course else {},
        },
        "spec": {
            "entrypoint": "main",
            "serviceAccountName": "argo-workflow",
            "templates": [{"name": "main", "dag": {"tasks": tasks}}, {"name": "work", "container": container}],
        },
    }


def stuck_workflow(
    server: ApiServer,
    namespace: str,
    name: str,
    *,
    stuck_for: timedelta = timedelta(hours=7),
    agent: str = "rex",
    course: str = "hang, succeed",
) -> Json:
    """Put a workflow there whose first step went well and whose second has not moved for *stuck_for*.

    It comes with its pods, two warnings about the running one, and a log of it that ends in silence and holds
    `FAKE_SECRET`.

    Returns:
        The workflow as stored.
    """
    now = server.clock()
    since = now - stuck_for
    found, pods = _put(server, workflow(namespace, name, agent=agent, course=course), since - _FIRST_STEP_TOOK, since)
    _warn(
        server,
        pods[1],
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        count=214,
        last=now,
    )
    _warn(server, pods[1], "NodeNotReady", "Node is not ready", count=1, last=since + timedelta(minutes=2))
    said = (
        f"cloning the repository with token {FAKE_SECRET}",
        "running the tests: attempt 1 of 1",
        "waiting for the lock on /workspace/.git/index.lock",
    )
    server.logs.write(
        pods[1], "main", [Line(at=since + timedelta(seconds=n), text=text) for n, text in enumerate(said)]
    )
    return found


def running_workflow(
    server: ApiServer, namespace: str, name: str, *, running_for: timedelta = timedelta(minutes=10), agent: str = "rex"
) -> Json:
    """Put a workflow there that is healthy: its second step has begun a moment ago.

    Returns:
        The workflow as stored.
    """
    now = server.clock()
    found, _ = _put(server, workflow(namespace, name, agent=agent), now - running_for, now)
    return found


def _put(server: ApiServer, submitted: Json, started: datetime, second: datetime) -> tuple[Json, list[Json]]:
    submitted["metadata"]["creationTimestamp"] = timestamp(started)
    first_step, second_step = argo.steps(submitted)
    first = argo.ended(argo.step_node(first_step, started), "Succeeded", second)
    group = argo.group_node(submitted, started) | {"children": [first_step.id]}
    first |= {"children": [second_step.id]}
    nodes = {node["id"]: node for node in (group, first, argo.step_node(second_step, second))}
    status = {
        "phase": "Running",
        "startedAt": timestamp(started),
        "finishedAt": None,
        "progress": argo.progress(nodes, len(nodes) - 1),
        "conditions": [{"type": "PodRunning", "status": "True"}],
        "nodes": nodes,
    }
    [found] = server.adopt(argo.labelled(submitted | {"status": status}, "Running"))
    pods = [_pod(server, found, first_step, started, second), _pod(server, found, second_step, second, None)]
    return found, pods


def _pod(server: ApiServer, owner: Json, step: argo.Step, started: datetime, ended: datetime | None) -> Json:
    made = argo.pod(owner, step, owner["metadata"]["labels"]["agent"])
    made["metadata"]["creationTimestamp"] = timestamp(started)
    made["status"] = argo.running(made, started)
    if ended is not None:
        made["status"] = argo.stopped(made, "Succeeded", ended)
        made["metadata"]["labels"][argo.COMPLETED] = "true"
    [found] = server.adopt(made)
    return found


def _warn(server: ApiServer, pod: Json, reason: str, message: str, *, count: int, last: datetime) -> None:
    metadata = pod["metadata"]
    concerned = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"]}
    server.adopt(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{reason.lower()}", "namespace": metadata["namespace"]},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "involvedObject": concerned | {"uid": metadata["uid"]},
            "count": count,
            "firstTimestamp": metadata["creationTimestamp"],
            "lastTimestamp": timestamp(last),
            "source": {"component": "kubelet"},
        }
    )
