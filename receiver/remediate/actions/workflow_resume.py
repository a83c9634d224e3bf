"""Let a suspended workflow go on: as a whole, and past the suspend steps at which it waits."""

from typing import ClassVar

from receiver.model.errors import NodesUnreadable
from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, not_there, the_watched, watched_now
from receiver.remediate.facts import entries_at


class Resume(Params, frozen=True, kw_only=True):
    """Let the workflow go on, as a whole and past the suspend steps at which it waits. Takes no parameters."""


class WorkflowResume(Effect[Resume]):
    """The verb `workflow.resume`."""

    name: ClassVar[str] = "workflow.resume"
    params = Resume
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch")),)

    def say(self, params: Resume, target: str) -> str:
        """Say what goes on."""
        del params
        return f"resume workflow {target}"

    def recover(self, turn: Turn[Resume]) -> Performed | None:
        """See whether this step asked, and it does not wait any more: also where Argo Server left no mark."""
        workflow = watched_now(turn)
        if workflow is None or workflow.suspended:
            return None
        asked = workflow.resumed_by == turn.operation or bool(entries_at(turn.run, turn.run.cursor))
        return _done(turn, workflow) if asked else None

    def moot(self, turn: Turn[Resume]) -> str:
        """Say whether it ended, or does not wait."""
        workflow = turn.facts.workflow
        if not_there(turn) or workflow is None:
            return not_there(turn)
        if workflow.finished:
            return f"the workflow finished by itself ({workflow.phase.value})"
        return "" if workflow.suspended else "the workflow is not suspended any more"

    def refusal(self, turn: Turn[Resume]) -> str:
        """Say whether somebody is ending it."""
        workflow = turn.facts.workflow
        return f"the workflow is being ended ({workflow.shutdown})" if workflow and workflow.shutdown else ""

    async def perform(self, means: Means, turn: Turn[Resume]) -> Performed:
        """Resume it; by way of Argo Server where its steps can be changed by nobody else."""
        workflow = the_watched(turn)
        try:
            return _done(turn, await means.the_cluster().resume(workflow, operation=turn.operation))
        except NodesUnreadable:
            if means.argo is None:
                raise
            return _done(turn, await means.argo.resume(workflow))


def _done(turn: Turn[Resume], workflow: Workflow) -> Performed:
    text = f"Workflow {workflow.namespace}/{workflow.name} goes on."
    return Performed(text=text, vars=turn.kept, result=named(workflow))
