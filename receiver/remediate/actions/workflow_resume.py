"""Let a suspended workflow go on: as a whole, and past the suspend steps at which it waits."""

from typing import ClassVar

from receiver.model.errors import NodesUnreadable
from receiver.remediate.actions.action import Params, Performed, Turn
from receiver.remediate.actions.means import Means
from receiver.remediate.actions.suspending import Suspending
from receiver.remediate.actions.watching import the_watched, watched_now
from receiver.remediate.facts import entries_at


class Resume(Params, frozen=True, kw_only=True):
    """Let the workflow go on, as a whole and past the suspend steps at which it waits. Takes no parameters."""


class WorkflowResume(Suspending[Resume]):
    """The verb `workflow.resume`."""

    name: ClassVar[str] = "workflow.resume"
    params = Resume
    suspends: ClassVar[bool] = False
    already: ClassVar[str] = "the workflow is not suspended any more"
    done: ClassVar[str] = "goes on"

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
        return self.performed(turn, workflow) if asked else None

    async def perform(self, means: Means, turn: Turn[Resume]) -> Performed:
        """Resume it; by way of Argo Server where its steps can be changed by nobody else."""
        workflow = the_watched(turn)
        try:
            resumed = await means.the_cluster().resume(workflow, operation=turn.operation)
        except NodesUnreadable:
            if means.argo is None:
                raise
            resumed = await means.argo.resume(workflow)
        return self.performed(turn, resumed)
