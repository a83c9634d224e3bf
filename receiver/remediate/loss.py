"""What an action would destroy, reckoned before it is taken, and how much of it a playbook may take on its own.

Pure: it is reckoned from the workflow as it was read. A loss that cannot be reckoned is above every limit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from receiver.model.duration import format_duration
from receiver.model.loss import Loss
from receiver.model.workflow import Node, Phase, Pod, Workflow

WORK: Final = frozenset({"Pod", "HTTP", "Plugin"})
"""Types of nodes that do something themselves; the others only group them (Argo's `NodeType`, workflow_types.go)."""

_HOUR: Final = timedelta(hours=1)


class MaxLoss(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key `max_loss`: what a playbook may destroy on its own. Above any of its limits a person is asked."""

    finished_nodes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Most steps that ended well and would run again."""
    pod_hours: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    """Most hours of pod time, all pods together.

    A step that still runs counts whole, also while it does nothing: choose it above the time after which a workflow
    counts as stuck.
    """

    def __post_init__(self) -> None:
        """Refuse a limit that limits nothing."""
        if self.finished_nodes is None and self.pod_hours is None:
            raise ValueError("max_loss needs finished_nodes, pod_hours or both")

    @property
    def shown(self) -> str:
        """The limits in words."""
        limits = []
        if self.finished_nodes is not None:
            limits.append(f"{self.finished_nodes} finished steps")
        if self.pod_hours is not None:
            limits.append(f"{format_duration(self.pod_hours * _HOUR)} of pod time")
        return " and ".join(limits)

    def exceeded_by(self, loss: Loss) -> str:
        """Say why a loss is more than may be taken without asking; empty when it is not."""
        if loss.finished_nodes is None or loss.pod_time is None:
            return f"what would be lost is {loss.shown}"
        if self.finished_nodes is not None and loss.finished_nodes > self.finished_nodes:
            return f"{loss.finished_nodes} finished steps would be lost, more than {self.finished_nodes}"
        if self.pod_hours is not None and loss.pod_time > self.pod_hours * _HOUR:
            lost, most = format_duration(loss.pod_time), format_duration(self.pod_hours * _HOUR)
            return f"{lost} of pod time would be lost, more than {most}"
        return ""


def of_workflow(workflow: Workflow, now: datetime, pods: Sequence[Pod] = ()) -> Loss:
    """Reckon what is lost if the whole workflow is ended and begins anew.

    A step that failed has nothing to lose. One that still runs counts from its start until now: from outside, nobody
    can see which part of that was of use.

    Args:
        workflow: As it was read.
        now: The present time.
        pods: Its pods, where they are known; a restart or a word of an agent is progress too.
    """
    idle = workflow.idle(now, pods)
    if workflow.nodes is None:
        return Loss(finished_nodes=None, pod_time=None, idle=idle)
    work = [node for node in workflow.nodes if node.type in WORK]
    done = [node for node in work if node.phase is Phase.SUCCEEDED]
    under_way = [node for node in work if node.phase is Phase.RUNNING]
    return Loss(
        finished_nodes=len(done),
        pod_time=sum((_length(node, now) for node in (*done, *under_way)), timedelta()),
        idle=idle,
    )


def of_pod(workflow: Workflow, pod: Pod, now: datetime) -> Loss:
    """Reckon what is lost if one pod of a workflow is deleted and its step begins anew.

    Args:
        workflow: As it was read.
        pod: The one that would go.
        now: The present time.
    """
    signs = [at for at in pod.signs_of_life() if at <= now]
    nodes = (node for node in workflow.nodes or () if node.id == pod.node_id and node.started_at is not None)
    began = next((node.started_at for node in nodes), pod.created_at)
    return Loss(
        finished_nodes=0,
        pod_time=None if began is None else max(timedelta(), now - began),
        idle=now - max(signs) if signs else None,
    )


def _length(node: Node, now: datetime) -> timedelta:
    if node.started_at is None:
        return timedelta()
    return max(timedelta(), (node.finished_at or now) - node.started_at)
