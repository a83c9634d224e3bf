"""Let a workflow begin no new step; what runs goes on."""

from typing import ClassVar

from receiver.remediate.actions.action import Params, Performed, Turn
from receiver.remediate.actions.means import Means
from receiver.remediate.actions.suspending import Suspending
from receiver.remediate.actions.watching import the_watched, watched_now


class Suspend(Params, frozen=True, kw_only=True):
    """Let the workflow begin no new step; what runs goes on. Takes no parameters."""


class WorkflowSuspend(Suspending[Suspend]):
    """The verb `workflow.suspend`."""

    name: ClassVar[str] = "workflow.suspend"
    params = Suspend
    suspends: ClassVar[bool] = True
    already: ClassVar[str] = "the workflow is suspended already"
    done: ClassVar[str] = "is suspended"

    def say(self, params: Suspend, target: str) -> str:
        """Say what is suspended."""
        del params
        return f"suspend workflow {target}"

    def recover(self, turn: Turn[Suspend]) -> Performed | None:
        """See whether it is suspended by this very step."""
        workflow = watched_now(turn)
        ours = workflow is not None and workflow.suspended and workflow.suspended_by == turn.operation
        return self.performed(turn, workflow) if workflow is not None and ours else None

    async def perform(self, means: Means, turn: Turn[Suspend]) -> Performed:
        """Suspend it."""
        suspended = await means.the_cluster().suspend(the_watched(turn), operation=turn.operation)
        return self.performed(turn, suspended)
