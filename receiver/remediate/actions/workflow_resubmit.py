"""Run a workflow anew that this run has ended, from its beginning, without memoized results.

The new run's name follows from the step, so the cluster itself refuses a second one.
"""

from typing import Any, ClassVar

from receiver.clients.kubernetes import resubmit_name
from receiver.model.errors import NotFound
from receiver.model.remediation import Run, Target
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.facts import KEPT, is_ours, operation_of


class Resubmit(Params, frozen=True, kw_only=True):
    """Run the workflow that was ended anew, from its beginning. Takes no parameters."""


class WorkflowResubmit(Effect[Resubmit]):
    """The verb `workflow.resubmit`."""

    name: ClassVar[str] = "workflow.resubmit"
    params = Resubmit
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "create")),)

    def say(self, params: Resubmit, target: str) -> str:
        """Say what is run anew."""
        del params
        return f"resubmit {target} as a new run"

    async def look(self, means: Means, turn: Turn[Resubmit]) -> Workflow | None:
        """Read the new run, by the name that this step gives it."""
        try:
            return await means.the_cluster().get_workflow(turn.target.namespace, new_name(turn.run, turn.target))
        except NotFound:
            return None

    def recover(self, turn: Turn[Resubmit]) -> Performed | None:
        """See whether the new run exists, made by this very step."""
        made = turn.facts.seen
        ours = (
            isinstance(made, Workflow)
            and made.operation == turn.operation
            and made.resubmitted_from_uid == turn.target.uid
        )
        return now_watching(turn, made) if isinstance(made, Workflow) and ours else None

    def moot(self, turn: Turn[Resubmit]) -> str:
        """Say whether the old run succeeded before its end took hold."""
        workflow = turn.facts.workflow
        if workflow is None or workflow.uid != turn.target.uid or workflow.phase is not Phase.SUCCEEDED:
            return ""
        return "the workflow succeeded by itself before its end took hold, so there is nothing to restart"

    def refusal(self, turn: Turn[Resubmit]) -> str:
        """Say whether what we ended has ended, and nobody else has taken its place."""
        made = turn.facts.seen
        if isinstance(made, Workflow):
            return f"{made.name}, the name for the new run, is taken by a workflow that this run did not make"
        if turn.facts.workflow is None:
            kept = turn.run.vars.get(KEPT)
            return "" if kept else "the workflow is gone, and nothing of it was kept to restart it from"
        return _not_ended(turn, turn.facts.workflow)

    async def perform(self, means: Means, turn: Turn[Resubmit]) -> Performed:
        """Create the new run."""
        workflow = turn.facts.workflow
        made = await means.the_cluster().resubmit(
            workflow or _gone(turn),
            name=new_name(turn.run, turn.target),
            operation=turn.operation,
            raw=turn.run.vars.get(KEPT) if workflow is None else None,
        )
        return now_watching(turn, made)


def new_name(run: Run, target: Target) -> str:
    """Give the name of the workflow that the present step creates."""
    return resubmit_name(target.name, operation_of(run, target))


def now_watching(turn: Turn[Any], made: Workflow) -> Performed:
    """Tell of a new run; from now on it is the one that conditions are about."""
    reference = {"namespace": made.namespace, "name": made.name, "uid": made.uid}
    variables = {name: value for name, value in turn.kept.items() if name != KEPT}
    return Performed(
        text=f"Workflow {made.namespace}/{turn.target.name} runs anew as {made.name}.",
        vars=variables | {"workflow": reference},
        result=reference,
    )


def _not_ended(turn: Turn[Resubmit], workflow: Workflow) -> str:
    if workflow.uid != turn.target.uid:
        return "another workflow has its name now; somebody may have started it anew by hand"
    if not workflow.finished:
        return "the workflow has not ended yet, so a restart would make it run twice"
    marks = (workflow.terminated_by, workflow.stopped_by)
    ended = workflow.shutdown or any(is_ours(mark, turn.run, turn.target) for mark in marks)
    return "" if ended else "the workflow was not ended by this run"


def _gone(turn: Turn[Resubmit]) -> Workflow:
    """Name a workflow that was deleted since, as far as it is still known."""
    return Workflow(
        namespace=turn.target.namespace,
        name=turn.target.name,
        uid=turn.target.uid,
        resource_version="",
        phase=Phase.UNKNOWN,
        created_at=turn.run.started_at,
    )
