"""Let a failed workflow go on from its failed steps, under its own name and uid. Only Argo Server can do it.

Argo deletes the pods of the failed steps first, and their logs go with them. A retry whose answer was lost is looked
for and never repeated: the second would undo what the first began.
"""

from datetime import timedelta
from typing import ClassVar, Final

from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions.action import Complaint, Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, not_there, the_watched, watched_now
from receiver.remediate.facts import entries_at

_SKEW: Final = timedelta(minutes=1)
"""How far Argo's clock may be behind ours when it sets the start of a workflow anew."""


class Retry(Params, frozen=True, kw_only=True):
    """Let the failed workflow go on from its failed steps; what succeeded is kept. Needs Argo Server."""

    restart_successful: bool = False
    """Also run steps anew that succeeded and that `nodes` selects."""
    nodes: str = ""
    """Field selector of such steps, such as `templateName=train`."""


class WorkflowRetry(Effect[Retry]):
    """The verb `workflow.retry`."""

    name: ClassVar[str] = "workflow.retry"
    params = Retry
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER, Need.ARGO_SERVER})
    grants: ClassVar[tuple[Grant, ...]] = (
        Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch", "update")),
        Grant(group="", resource="pods", verbs=("delete",)),
    )
    destructive: ClassVar[bool] = True

    def say(self, params: Retry, target: str) -> str:
        """Say what is retried."""
        also = " and from steps that succeeded" if params.restart_successful else ""
        return f"retry workflow {target} from its failed steps{also}"

    def complain(self, params: Retry) -> Complaint | None:
        """Refuse half of a selection."""
        if params.restart_successful and not params.nodes:
            return Complaint(key="restart_successful", reason="restart_successful needs nodes, to say which")
        if params.nodes and not params.restart_successful:
            return Complaint(
                key="nodes", reason="nodes selects steps that succeeded: it needs restart_successful: true"
            )
        return None

    def repeatable(self, params: Retry) -> bool:
        """Never: see above."""
        del params
        return False

    def recover(self, turn: Turn[Retry]) -> Performed | None:
        """See whether it has begun anew since this very step asked for that."""
        workflow, entries = watched_now(turn), entries_at(turn.run, turn.run.cursor)
        if workflow is None or workflow.retried_by != turn.operation or not entries:
            return None
        begun = workflow.started_at is not None and workflow.started_at >= entries[0].started_at - _SKEW
        return _done(turn, workflow) if begun or not workflow.finished else None

    def moot(self, turn: Turn[Retry]) -> str:
        """Say whether it is gone, or goes on already."""
        workflow = turn.facts.workflow
        if not_there(turn) or workflow is None:
            return not_there(turn)
        return "" if workflow.finished else "the workflow is not finished; somebody may have retried it already"

    def refusal(self, turn: Turn[Retry]) -> str:
        """Say whether it is in a phase that Argo retries."""
        workflow = turn.facts.workflow
        failed = workflow is not None and workflow.phase in {Phase.FAILED, Phase.ERROR}
        return "" if failed else "only a workflow that failed can be retried"

    async def perform(self, means: Means, turn: Turn[Retry]) -> Performed:
        """Ask Argo Server for it, once."""
        retried = await means.the_argo_server().retry(
            the_watched(turn),
            operation=turn.operation,
            restart_successful=turn.params.restart_successful,
            nodes=turn.params.nodes,
        )
        return _done(turn, retried)


def _done(turn: Turn[Retry], workflow: Workflow) -> Performed:
    text = f"Workflow {workflow.namespace}/{workflow.name} goes on from its failed steps."
    return Performed(text=text, vars=turn.kept, result=named(workflow))
