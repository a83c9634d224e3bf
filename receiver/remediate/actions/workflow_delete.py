"""Delete a finished workflow that an archive was seen to hold. Its pods and claims follow; finalizers are respected."""

from typing import ClassVar

from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, the_watched, watched_now
from receiver.remediate.facts import entries_at


class Delete(Params, frozen=True, kw_only=True):
    """Delete the finished workflow, once the archive was read back and holds it. Takes no parameters."""


class WorkflowDelete(Effect[Delete]):
    """The verb `workflow.delete`."""

    name: ClassVar[str] = "workflow.delete"
    params = Delete
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER, Need.ARCHIVE})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "delete")),)
    destructive: ClassVar[bool] = True
    removes: ClassVar[bool] = True

    def say(self, params: Delete, target: str) -> str:
        """Say what is deleted."""
        del params
        return f"delete workflow {target}, which the archive holds"

    async def look(self, means: Means, turn: Turn[Delete]) -> str:
        """Say where the archive holds the workflow, having read it back."""
        workflow = watched_now(turn)
        return "" if workflow is None or means.archive is None else await means.archive.holds(workflow)

    def recover(self, turn: Turn[Delete]) -> Performed | None:
        """See whether it is gone, or on its way, since this step asked."""
        if not entries_at(turn.run, turn.run.cursor):
            return None
        workflow, name = watched_now(turn), f"{turn.target.namespace}/{turn.target.name}"
        if workflow is None:
            return Performed(text=f"Workflow {name} is deleted.", vars=turn.kept)
        if not workflow.deleting:
            return None
        text = f"Workflow {name} is being deleted and waits for its finalizers."
        return Performed(text=text, vars=turn.kept, under_way=True)

    def moot(self, turn: Turn[Delete]) -> str:
        """Say whether it is gone."""
        workflow = watched_now(turn)
        if workflow is None:
            return "the workflow is not there any more"
        return "the workflow is being deleted" if workflow.deleting else ""

    def refusal(self, turn: Turn[Delete]) -> str:
        """Say whether it goes on, or no archive was seen to hold it."""
        workflow = turn.facts.workflow
        if workflow is None or not workflow.finished:
            return "the workflow is not finished"
        return "" if turn.facts.seen else "no archive was seen to hold it, and what is not archived is not deleted"

    async def perform(self, means: Means, turn: Turn[Delete]) -> Performed:
        """Delete exactly what was read, in the state in which it was compared."""
        workflow = the_watched(turn)
        left = await means.the_cluster().delete_workflow(workflow)
        text = f"Workflow {workflow.namespace}/{workflow.name} was deleted; the archive has it at {turn.facts.seen}."
        return Performed(text=text, vars=turn.kept, result=named(workflow), under_way=left is not None)
