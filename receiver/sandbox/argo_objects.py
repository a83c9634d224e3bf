"""What Argo writes: the labels, steps and pods of a workflow, as its controller and a kubelet leave them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from receiver.sandbox.kubernetes import Json
from receiver.sandbox.kubernetes.registry import timestamp

PHASE = "workflows.argoproj.io/phase"
COMPLETED = "workflows.argoproj.io/completed"
FROM = "workflows.argoproj.io/resubmitted-from-workflow"
BELONGS_TO = "workflows.argoproj.io/workflow"
POD_FINALIZER = "workflows.argoproj.io/status"
ARTIFACT_FINALIZER = "workflows.argoproj.io/artifact-gc"

RETRIES = "sandbox/retries"
"""Annotation: uid, colon, number; Argo itself does not count."""

FINISHED = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})

_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193
_EXIT_CODES = {"Succeeded": 0, "Failed": 143, "Error": 143}
_EXIT_WORDS = {"Succeeded": "Completed", "Failed": "Error", "Error": "Error"}
_MACHINE = "node-a"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step with a pod of its own: the workflow it belongs to, its name within it, and its template.

    An attempt at a step that may be tried again is a step too; it knows which one it is, counted from 0.
    """

    workflow: str
    name: str
    template: str
    attempt: int | None = None

    @property
    def path(self) -> str:
        """Its full name."""
        whole = f"{self.workflow}.{self.name}" if self.name else self.workflow
        return whole if self.attempt is None else f"{whole}({self.attempt})"

    @property
    def next(self) -> "Step":
        """The attempt after this one."""
        return replace(self, attempt=(self.attempt or 0) + 1)

    @property
    def id(self) -> str:
        """The id of its node."""
        return node_id(self.workflow, self.path)

    @property
    def pod(self) -> str:
        """The name of its pod, in Argo's format v2."""
        if self.path == self.workflow:
            return self.workflow
        return f"{self.workflow}-{self.template}-{digest(self.path)}"


def node_id(workflow: str, path: str) -> str:
    """Return the id of the node with this full name."""
    return workflow if path == workflow else f"{workflow}-{digest(path)}"


def retries(workflow: Json) -> int:
    """Return how often a workflow or a step of it was retried, as the stand-ins note it; a repetition begins anew."""
    metadata = workflow["metadata"]
    uid, _, number = (metadata.get("annotations") or {}).get(RETRIES, "").partition(":")
    return int(number) if uid == metadata["uid"] else 0


def attempted_again(workflow: Json) -> Json:
    """Return a workflow that notes one more retry of itself or of one of its steps."""
    metadata = workflow["metadata"]
    count = f"{metadata['uid']}:{retries(workflow) + 1}"
    annotations = (metadata.get("annotations") or {}) | {RETRIES: count}
    return workflow | {"metadata": metadata | {"annotations": annotations}}


def strategy(workflow: Json, step: Step) -> Json | None:
    """Return how a step is tried again; None where it is not."""
    for template in workflow["spec"].get("templates", []):
        if template["name"] == step.template and isinstance(template.get("retryStrategy"), dict):
            return dict(template["retryStrategy"])
    return None


def tries_again(workflow: Json, step: Step, phase: str) -> bool:
    """Say whether a step is tried again after an attempt has ended so.

    A container that failed is `Failed`, a pod that was lost `Error`; the policy is OnFailure unless it is said, or
    Always where there is an expression, of which no more is understood here.
    """
    said = strategy(workflow, step) or {}
    policy = said.get("retryPolicy") or ("Always" if said.get("expression") else "OnFailure")
    used = len(workflow["status"]["nodes"][step.id].get("children") or ())
    left = "limit" not in said or used <= int(said["limit"])
    return left and policy in {"Failed": {"Always", "OnFailure"}, "Error": {"Always", "OnError"}}[phase]


def last_attempt(workflow: Json, step: Step) -> Step:
    """Return the attempt at a step that is under way, or is the first to come; the step itself where it has none."""
    if strategy(workflow, step) is None:
        return step
    made = ((workflow["status"].get("nodes") or {}).get(step.id) or {}).get("children") or ()
    return replace(step, attempt=max(0, len(made) - 1))


def retry_node(workflow: Json, step: Step, attempt: Step, started: datetime) -> Json:
    """Return the node above the attempts at a step, with one more of them."""
    found = (workflow["status"].get("nodes") or {}).get(step.id)
    node = found or step_node(step, started) | {"type": "Retry"}
    kept = [one for one in node.get("children") or () if one != attempt.id]
    return node | {"phase": "Running", "children": [*kept, attempt.id]}


def steps(workflow: Json) -> list[Step]:
    """Return the steps of a workflow in their order: the tasks of its entry DAG, else the entry template alone."""
    name, spec = workflow["metadata"]["name"], workflow["spec"]
    entry = spec.get("entrypoint", "main")
    for template in spec.get("templates", []):
        if template["name"] == entry and "dag" in template:
            return [
                Step(workflow=name, name=task["name"], template=task["template"]) for task in template["dag"]["tasks"]
            ]
    return [Step(workflow=name, name="", template=entry)]


def group_node(workflow: Json, started: datetime) -> Json:
    """Return the node of the entry DAG itself."""
    name = workflow["metadata"]["name"]
    return {
        "id": name,
        "name": name,
        "displayName": name,
        "type": "DAG",
        "phase": "Running",
        "templateName": workflow["spec"].get("entrypoint", "main"),
        "startedAt": timestamp(started),
        "finishedAt": None,
    }


def step_node(step: Step, started: datetime) -> Json:
    """Return the node of a step that runs."""
    return {
        "id": step.id,
        "name": step.path,
        "displayName": step.path.removeprefix(f"{step.workflow}."),
        "type": "Pod",
        "phase": "Running",
        "templateName": step.template,
        "boundaryID": step.workflow if step.name else "",
        "startedAt": timestamp(started),
        "finishedAt": None,
        "hostNodeName": _MACHINE,
    }


def ended(part: Json, phase: str, at: datetime, message: str = "") -> Json:
    """Return a node, or the status of a workflow, as it is after it ended."""
    said = {"message": message} if message else {}
    return part | {"phase": phase, "finishedAt": timestamp(at)} | said


def progress(nodes: dict[str, Json], total: int) -> str:
    """Return how many of the steps are done, as Argo writes it."""
    attempts = {child for node in nodes.values() if node.get("type") == "Retry" for child in node.get("children") or ()}
    done = sum(
        node.get("type") in {"Pod", "Retry"} and node.get("phase") == "Succeeded" and key not in attempts
        for key, node in nodes.items()
    )
    return f"{done}/{total}"


def labelled(workflow: Json, phase: str) -> Json:
    """Return a workflow with the labels that Argo sets on a change of phase."""
    metadata = workflow["metadata"]
    set_by_argo = {PHASE: phase, COMPLETED: "true" if phase in FINISHED else "false"}
    return workflow | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | set_by_argo}}


def pod(workflow: Json, step: Step, agent: str = "") -> Json:
    """Return the pod of a step as it is created: scheduled, nothing started."""
    metadata = workflow["metadata"]
    owner = {"apiVersion": workflow["apiVersion"], "kind": workflow["kind"], "name": metadata["name"]}
    container: Any = {"image": "python:3.12", "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": step.pod,
            "namespace": metadata["namespace"],
            "labels": {BELONGS_TO: metadata["name"], COMPLETED: "false"} | ({"agent": agent} if agent else {}),
            "annotations": {
                "workflows.argoproj.io/node-id": step.id,
                "workflows.argoproj.io/node-name": step.path,
                "kubectl.kubernetes.io/default-container": "main",
            },
            "ownerReferences": [owner | {"uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "restartPolicy": "Never",
            "nodeName": _MACHINE,
            "containers": [container | {"name": "main"}, container | {"name": "wait"}],
        },
    }


def running(created: Json, at: datetime) -> Json:
    """Return the status of a pod whose containers run since *at*."""
    state = {"running": {"startedAt": timestamp(at)}}
    return {"phase": "Running", "startTime": timestamp(at), "containerStatuses": list(_statuses(created, state))}


def stopped(found: Json, phase: str, at: datetime) -> Json:
    """Return the status of a pod whose containers have ended, well or not."""
    started = found.get("status", {}).get("startTime", timestamp(at))
    state = {
        "terminated": {
            "exitCode": _EXIT_CODES[phase],
            "reason": _EXIT_WORDS[phase],
            "startedAt": started,
            "finishedAt": timestamp(at),
        }
    }
    before: Json = found.get("status", {})
    return before | {"phase": phase, "containerStatuses": list(_statuses(found, state))}


def _statuses(found: Json, state: Json) -> Iterator[Json]:
    for container in found["spec"]["containers"]:
        is_running = "running" in state
        yield {
            "name": container["name"],
            "image": container["image"],
            "ready": is_running,
            "started": is_running,
            "restartCount": 0,
            "state": state,
        }


def digest(text: str) -> int:
    """Return FNV-1a with 32 bits, by which Argo names nodes and pods."""
    value = _FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value
