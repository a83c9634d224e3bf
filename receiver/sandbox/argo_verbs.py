"""What Argo Server makes of a workflow when it retries, resubmits or resumes it. Pure, and written from Argo's source.

Plainer than the original where Receiver cannot notice: only pods are steps that run, and what hangs below a failed step
is found by the nodes' `children` alone.
"""

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from receiver.sandbox import argo_objects as argo
from receiver.sandbox.kubernetes import Json
from receiver.sandbox.kubernetes.registry import timestamp

FAILED = frozenset({"Failed", "Error"})
_GROUPS = frozenset({"DAG", "Steps", "StepGroup", "TaskGroup", "Retry"})
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ARCHIVING = "workflows.argoproj.io/workflow-archiving-status"
_LEFT_BEHIND = frozenset(
    {
        argo.PHASE,
        argo.COMPLETED,
        _ARCHIVING,
        "workflows.argoproj.io/creator",
        "workflows.argoproj.io/creator-email",
        "workflows.argoproj.io/creator-preferred-username",
    }
)
"""Labels that a resubmitted run does not take over."""


class VerbRefused(Exception):
    """Argo Server does not do this to this workflow."""


def retried(workflow: Json, now: datetime, *, selected: frozenset[str], phase: str) -> tuple[Json, frozenset[str]]:
    """Return a hydrated workflow as a retry leaves it, and the ids of the nodes whose pods are deleted before.

    Args:
        workflow: The workflow that failed.
        now: The present time.
        selected: Ids of steps that run anew though they succeeded.
        phase: What Argo Server writes: `Running` before release 4.0, nothing since.
    """
    nodes: Mapping[str, Json] = workflow["status"].get("nodes") or {}
    exits = f"{workflow['metadata']['name']}.onExit"
    failed = {key for key, node in nodes.items() if node.get("type") == "Pod" and node.get("phase") in FAILED}
    gone = {key for one in failed | selected for key in _below(nodes, one)}
    gone |= {key for key, node in nodes.items() if str(node.get("name", "")).startswith(exits)}
    status = dict(workflow["status"])
    status |= {"phase": phase, "message": "", "startedAt": timestamp(now), "finishedAt": None}
    status |= {
        "nodes": {key: _begun_anew(node, gone) for key, node in nodes.items() if key not in gone},
        "conditions": [{"type": "Completed", "status": "False"}],
        "persistentVolumeClaims": [],
    }
    metadata = dict(workflow["metadata"])
    labels = dict(metadata.get("labels") or {})
    for label in (argo.COMPLETED, _ARCHIVING):
        labels.pop(label, None)
    metadata["labels"] = labels | ({argo.PHASE: phase} if phase else {})
    after = workflow | {"metadata": metadata, "spec": _reopened(workflow["spec"]), "status": status}
    return argo.attempted_again(after), frozenset(gone)


def resubmitted(workflow: Json, now: datetime, *, memoized: bool, parameters: list[str]) -> Json:
    """Return the body that creates the run which repeats a hydrated workflow."""
    old = workflow["metadata"]
    stem = old.get("generateName") or f"{old['name']}-"
    labels = {key: text for key, text in (old.get("labels") or {}).items() if key not in _LEFT_BEHIND}
    metadata: Json = {
        "generateName": stem,
        "namespace": old["namespace"],
        "labels": labels | {argo.FROM: old["name"]},
        "annotations": dict(old.get("annotations") or {}),
        "ownerReferences": list(old.get("ownerReferences") or []),
    }
    spec = _with_parameters(_reopened(workflow["spec"]), parameters)
    made: Json = {"apiVersion": workflow["apiVersion"], "kind": workflow["kind"], "metadata": metadata, "spec": spec}
    if memoized:
        metadata["name"] = stem + "".join(secrets.choice(_LETTERS) for _ in range(5))
        nodes = {node["id"]: node for node in _remembered(workflow, metadata["name"], now)}
        made["status"] = {"phase": "", "nodes": nodes, "conditions": [{"type": "Completed", "status": "False"}]}
    return made


def resumed(workflow: Json, now: datetime) -> Json | None:
    """Return a hydrated workflow as a resume leaves it; None where nothing waits.

    Raises:
        VerbRefused: A step waits for a value and has no default for it.
    """
    spec = dict(workflow["spec"])
    suspended = spec.pop("suspend", None) is True
    nodes: Mapping[str, Json] = workflow.get("status", {}).get("nodes") or {}
    waiting = {
        key: node for key, node in nodes.items() if (node.get("type"), node.get("phase")) == ("Suspend", "Running")
    }
    if not suspended and not waiting:
        return None
    gone_on = {key: _supplied(argo.ended(node, "Succeeded", now)) for key, node in waiting.items()}
    status = workflow.get("status", {}) | ({"nodes": {**nodes, **gone_on}} if waiting else {})
    return workflow | {"spec": spec, "status": status}


def _below(nodes: Mapping[str, Json], key: str) -> Iterator[str]:
    """Yield a node and all that hang below it."""
    yield key
    for child in nodes.get(key, {}).get("children") or ():
        yield from _below(nodes, child)


def _begun_anew(node: Json, gone: set[str]) -> Json:
    """Let a group that failed run again, and no node point at what is gone."""
    if node.get("children"):
        node = node | {"children": [child for child in node["children"] if child not in gone]}
    if node.get("type") not in _GROUPS or node.get("phase") not in FAILED:
        return node
    return node | {"phase": "Running", "message": "", "finishedAt": None}


def _reopened(spec: Json) -> Json:
    kept = {part: value for part, value in spec.items() if part != "shutdown"}
    if kept.get("activeDeadlineSeconds") == 0:
        del kept["activeDeadlineSeconds"]
    return kept


def _with_parameters(spec: Json, parameters: list[str]) -> Json:
    """Set parameters written as `name=value`; one that the workflow does not have is added."""
    if not parameters:
        return spec
    given = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals:
            raise VerbRefused(f"expected parameter of the form: NAME=VALUE. Received: {parameter}")
        given[name] = value
    arguments = spec.get("arguments") or {}
    kept = [one for one in arguments.get("parameters") or () if one["name"] not in given]
    listed: list[Any] = [{"name": name, "value": value} for name, value in given.items()] + kept
    return spec | {"arguments": arguments | {"parameters": listed}}


def _remembered(workflow: Json, name: str, now: datetime) -> Iterator[Json]:
    """Yield the nodes of a memoized run: what succeeded is skipped, everything else is still to do."""
    old = workflow["metadata"]["name"]
    for node in (workflow["status"].get("nodes") or {}).values():
        path = node["name"]
        if path.startswith(f"{old}.onExit"):
            continue
        path = name + path.removeprefix(old)
        moved = node | {"id": argo.node_id(name, path), "name": path, "startedAt": timestamp(now)}
        if node["type"] == "Pod" and node["phase"] not in FAILED:
            yield moved | {"type": "Skipped", "phase": "Skipped", "message": f"original pod: {node['id']}"}
        else:
            yield moved | {"phase": "Pending", "message": "", "finishedAt": None}


def _supplied(node: Json) -> Json:
    outputs = node.get("outputs") or {}
    listed = []
    for parameter in outputs.get("parameters") or ():
        source = parameter.get("valueFrom") or {}
        if "supplied" not in source:
            listed.append(parameter)
        elif source.get("default") is None:
            raise VerbRefused(
                f"raw output parameter '{parameter['name']}' has not been set and does not have a default value"
            )
        else:
            listed.append({"name": parameter["name"], "value": source["default"]})
    return node | {"outputs": outputs | {"parameters": listed}} if listed else node
