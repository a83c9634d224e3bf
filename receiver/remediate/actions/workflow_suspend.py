"""Let a workflow begin no new step; what runs goes on."""

from typing import ClassVar

from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, not_there, the_watched, watched_now


class Suspend(Params, frozen=True, kw_only=True):
    """Let the workflow begin no new step; what runs goes on. Takes no parameters."""


class WorkflowSuspend(Effect[Suspend]):
    """The verb `workflow.suspend`."""

    name: ClassVar[str] = "workflow.suspend"
    params = Suspend
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch")),)

    def say(self, params: Suspend, target: str) -> str:
        """Say what is suspended."""
        del params
        return f"suspend workflow {target}"

    def recover(self, turn: Turn[Suspend]) -> Performed | None:
        """See whether it is suspended by this very step."""
        workflow = watched_now(turn)
        ours = workflow is not None and workflow.suspended and workflow.suspended_by == turn.operation
        return _done(turn, workflow) if workflow is not None and ours else None

    def moot(self, turn: Turn[Suspend]) -> str:
        """Say whether it ended or waits already."""
        workflow = turn.facts.workflow
        if not_there(turn) or workflow is None:
            return not_there(turn)
        if workflow.finished:
            return f"the workflow finished by itself ({workflow.phase.value})"
        return "the workflow is suspended already" if workflow.suspended else ""

    def refusal(self, turn: Turn[Suspend]) -> str:
        """Say whether somebody is ending it."""
        workflow = turn.facts.workflow
        return f"the workflow is being ended ({workflow.shutdown})" if workflow and workflow.shutdown else ""

    async def perform(self, means: Means, turn: Turn[Suspend]) -> Performed:
        """Suspend it."""
        return _done(turn, await means.the_cluster().suspend(the_watched(turn), operation=turn.operation))


def _done(turn: Turn[Suspend], workflow: Workflow) -> Performed:
    text = f"Workflow {workflow.namespace}/{workflow.name} is suspended."
    return Performed(text=text, vars=turn.kept, result=named(workflow))
