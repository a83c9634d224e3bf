"""The workflow itself: where it stands, since when nothing moves, what runs and what failed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from receiver.enrich.graph import graph
from receiver.enrich.past import Past
from receiver.model.duration import format_duration
from receiver.model.finding import Finding, FindingState
from receiver.model.graph import written
from receiver.model.workflow import Node, Phase, Pod, Workflow

SOURCE: Final = "workflow"

MOST_NODES: Final = 20
MOST_LABELS: Final = 50
LONGEST_MESSAGE: Final = 1000
"""Characters of one message."""
LONGEST_ANNOTATION: Final = 200
"""Characters of an annotation's value that is kept."""

_GROUPS: Final = frozenset({"DAG", "Steps", "StepGroup", "TaskGroup", "Retry"})
"""Node types that only hold others."""

# https://github.com/argoproj/argo-workflows/blob/main/workflow/common/common.go
_TEMPLATES: Final = (
    "workflows.argoproj.io/workflow-template",
    "workflows.argoproj.io/cluster-workflow-template",
    "workflows.argoproj.io/cron-workflow",
)


def describe(workflow: Workflow, pods: Sequence[Pod], past: Past, now: datetime) -> Finding:
    """Say how a workflow is."""
    idle = workflow.idle(now, pods)
    age = (workflow.finished_at or now) - (workflow.started_at or workflow.created_at)
    running, failed = running_nodes(workflow), failed_nodes(workflow)
    return Finding(
        source=SOURCE,
        state=FindingState.FOUND,
        summary=_summary(workflow, age, idle, now),
        detail={
            "namespace": workflow.namespace,
            "name": workflow.name,
            "uid": workflow.uid,
            "phase": workflow.phase.value,
            "message": workflow.message[:LONGEST_MESSAGE],
            "created_at": workflow.created_at.isoformat(),
            "started_at": workflow.started_at and workflow.started_at.isoformat(),
            "finished_at": workflow.finished_at and workflow.finished_at.isoformat(),
            "age": format_duration(age),
            "idle": None if idle is None else format_duration(idle),
            "progress": workflow.progress,
            "suspended": workflow.suspended,
            "shutdown": workflow.shutdown,
            "running": [_told(node, now) for node in running[:MOST_NODES]],
            "failed": [_told(node, now) for node in failed[:MOST_NODES]],
            "nodes_unreadable": workflow.nodes_unreadable,
            "graph": written(graph(workflow, stuck_at(workflow))),
            "template": next((workflow.labels[name] for name in _TEMPLATES if name in workflow.labels), ""),
            "labels": dict(sorted(workflow.labels.items())[:MOST_LABELS]),
            "annotations": dict(_short(workflow.annotations)[:MOST_LABELS]),
            "resubmitted_from": workflow.resubmitted_from,
            "attempts": past.attempts,
        },
    )


def running_nodes(workflow: Workflow) -> tuple[Node, ...]:
    """Return the steps that run or wait to run, those that began first before the others."""
    return _leaves(workflow, {Phase.RUNNING, Phase.PENDING})


def failed_nodes(workflow: Workflow) -> tuple[Node, ...]:
    """Return the steps that failed, those that began first before the others."""
    return _leaves(workflow, {Phase.FAILED, Phase.ERROR})


def stuck_at(workflow: Workflow) -> Node | None:
    """Name the step at which a workflow is stuck: the first that failed, else the one that has gone on longest."""
    return next(iter(failed_nodes(workflow) or running_nodes(workflow)), None)


def _leaves(workflow: Workflow, phases: Iterable[Phase]) -> tuple[Node, ...]:
    wanted = frozenset(phases)
    found = (node for node in workflow.nodes or () if node.phase in wanted and node.type not in _GROUPS)
    return tuple(sorted(found, key=lambda node: (node.started_at is None, node.started_at or workflow.created_at)))


def _summary(workflow: Workflow, age: timedelta, idle: timedelta | None, now: datetime) -> str:
    running, failed = running_nodes(workflow), failed_nodes(workflow)
    parts = [f"{workflow.phase.value or 'Not yet looked at'} for {format_duration(age)}"]
    if workflow.finished_at and workflow.finished:
        parts[0] = f"{workflow.phase.value} after {format_duration(age)}"
    if workflow.suspended:
        parts.append("suspended")
    elif idle is None:
        parts.append(f"whether it moves is not known: {workflow.nodes_unreadable}")
    elif not workflow.finished:
        parts.append(f"no progress for {format_duration(idle)}")
    if running:
        parts.append(f"at {_step(running[0], now)}")
    if failed:
        parts.append(f"{failed[0].display_name} failed: {failed[0].message[:LONGEST_MESSAGE] or 'without a message'}")
    return ", ".join(parts)


def _step(node: Node, now: datetime) -> str:
    since = f" since {format_duration(now - node.started_at)}" if node.started_at else ""
    return f"step {node.display_name}{since}"


def _short(annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """Leave out long annotations: they hold whole objects, and no owner is named by one."""
    return sorted((name, value) for name, value in annotations.items() if len(value) <= LONGEST_ANNOTATION)


def _told(node: Node, now: datetime) -> dict[str, object]:
    return {
        "name": node.display_name,
        "type": node.type,
        "phase": node.phase.value,
        "template": node.template,
        "message": node.message[:LONGEST_MESSAGE],
        "since": node.started_at and node.started_at.isoformat(),
        "for": node.started_at and format_duration((node.finished_at or now) - node.started_at),
    }
