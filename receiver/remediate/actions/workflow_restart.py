"""Restart a workflow by the mildest way that can work; it stands for the steps of that way.

A pod that never began is deleted, and Argo makes it anew: nothing is lost. Otherwise the workflow is stopped, so that
its exit handlers run; what does not end by that is terminated; and it runs anew from its beginning.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from receiver.model.duration import Duration, format_duration
from receiver.model.workflow import Node, Phase, Workflow
from receiver.remediate.actions.action import Action, Complaint, Params
from receiver.remediate.actions.pod_delete import DeletePod
from receiver.remediate.actions.wait import WaitUntil
from receiver.remediate.actions.workflow_resubmit import Resubmit
from receiver.remediate.actions.workflow_stop import Stop
from receiver.remediate.actions.workflow_terminate import Terminate
from receiver.remediate.expression import Expression

_ENDED = Expression("workflow.finished")


class Restart(Params, frozen=True, kw_only=True):
    """Restart the workflow by the mildest way that can work: its one pending pod, else stop, terminate, run anew."""

    grace: Duration = msgspec.field(default_factory=lambda: Duration(minutes=2))
    """How long a stop may take before the workflow is terminated."""
    within: Duration = msgspec.field(default_factory=lambda: Duration(minutes=5))
    """How long the termination may take."""


class WorkflowRestart(Action[Restart]):
    """The verb `workflow.restart`."""

    name: ClassVar[str] = "workflow.restart"
    params = Restart
    unfolds: ClassVar[tuple[str, ...]] = (
        "pod.delete",
        "workflow.stop",
        "wait",
        "workflow.terminate",
        "wait",
        "workflow.resubmit",
    )

    def say(self, params: Restart, target: str) -> str:
        """Say what is restarted."""
        grace = format_duration(params.grace)
        return f"restart workflow {target} by the mildest way: a pending pod, else stop it, terminate it after {grace}"

    def complain(self, params: Restart) -> Complaint | None:
        """Refuse times in which nothing can end."""
        for key in ("grace", "within"):
            if not getattr(params, key):
                return Complaint(key=key, reason=f"{key} is 0, so it could only time out")
        return None

    def longest(self, params: Restart) -> timedelta:
        """Give its limit."""
        return params.grace + params.within

    def unfold(self, params: Restart, workflow: Workflow | None) -> Sequence[tuple[str, Params]]:
        """Choose the way, by the workflow as it is."""
        if workflow is not None and _only_pending(workflow.nodes or ()):
            return (("pod.delete", DeletePod()),)
        stopped: dict[str, Any] = {"until": _ENDED, "timeout": params.grace, "on_timeout": "go_on"}
        return (
            ("workflow.stop", Stop()),
            ("wait", WaitUntil(**stopped)),
            ("workflow.terminate", Terminate()),
            ("wait", WaitUntil(until=_ENDED, timeout=params.within)),
            ("workflow.resubmit", Resubmit()),
        )


def _only_pending(nodes: Sequence[Node]) -> bool:
    """Answer whether all that is left to move is one step whose pod has not begun."""
    open_nodes = [node for node in nodes if node.type == "Pod" and not node.phase.finished]
    return len(open_nodes) == 1 and open_nodes[0].phase is Phase.PENDING
