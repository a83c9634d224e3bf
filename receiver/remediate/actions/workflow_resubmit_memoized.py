"""Run a failed workflow anew as a new run that keeps the steps which succeeded. Only Argo Server can do it.

Argo gives the new run a random name, so it is found by the marks that travel as its parameters. A request whose answer
was lost is looked for and never repeated.
"""

from typing import ClassVar

from receiver.model.errors import NotFound
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.workflow_resubmit import now_watching


class ResubmitMemoized(Params, frozen=True, kw_only=True):
    """Run the failed workflow anew under a new name, keeping the steps that succeeded. Needs Argo Server."""


class WorkflowResubmitMemoized(Effect[ResubmitMemoized]):
    """The verb `workflow.resubmit_memoized`."""

    name: ClassVar[str] = "workflow.resubmit_memoized"
    params = ResubmitMemoized
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER, Need.ARGO_SERVER})
    grants: ClassVar[tuple[Grant, ...]] = (
        Grant(group="argoproj.io", resource="workflows", verbs=("get", "list", "create")),
    )

    def say(self, params: ResubmitMemoized, target: str) -> str:
        """Say what is run anew."""
        del params
        return f"resubmit {target} as a new run that keeps the steps which succeeded"

    def repeatable(self, params: ResubmitMemoized) -> bool:
        """Never: there would be two."""
        del params
        return False

    async def look(self, means: Means, turn: Turn[ResubmitMemoized]) -> Workflow | None:
        """Look for a new run with the marks of this step."""
        old = turn.facts.workflow
        if old is None or old.uid != turn.target.uid:
            return None
        return await means.the_cluster().find_resubmitted(old, operation=turn.operation)

    def recover(self, turn: Turn[ResubmitMemoized]) -> Performed | None:
        """See whether the new run exists."""
        return now_watching(turn, turn.facts.seen) if isinstance(turn.facts.seen, Workflow) else None

    def refusal(self, turn: Turn[ResubmitMemoized]) -> str:
        """Say whether it is the one that was decided upon, and failed."""
        workflow = turn.facts.workflow
        if workflow is None or workflow.uid != turn.target.uid:
            return "the workflow is not the one that was decided upon"
        failed = workflow.phase in {Phase.FAILED, Phase.ERROR}
        return "" if failed else "only of a workflow that failed can the steps be kept"

    async def perform(self, means: Means, turn: Turn[ResubmitMemoized]) -> Performed:
        """Ask Argo Server for it, once."""
        workflow = turn.facts.workflow
        if workflow is None:
            raise NotFound("There is no workflow to resubmit: it was deleted since it was decided upon.")
        return now_watching(
            turn, await means.the_argo_server().resubmit(workflow, operation=turn.operation, memoized=True)
        )
