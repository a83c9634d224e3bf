"""End a workflow gently: no new step begins, the pods are ended, and its exit handlers run."""

from typing import ClassVar

from receiver.model.errors import NotFound
from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.ending import already_over, kept_for_restart
from receiver.remediate.actions.means import Means, Need


class Stop(Params, frozen=True, kw_only=True):
    """End the workflow gently: no new step begins, and its exit handlers run. Takes no parameters."""


class WorkflowStop(Effect[Stop]):
    """The verb `workflow.stop`."""

    name: ClassVar[str] = "workflow.stop"
    params = Stop
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch")),)
    made_good_by: ClassVar[str] = "workflow.resubmit"
    destructive: ClassVar[bool] = True

    def say(self, params: Stop, target: str) -> str:
        """Say what is stopped."""
        del params
        return f"stop workflow {target}"

    def recover(self, turn: Turn[Stop]) -> Performed | None:
        """See whether this very run is being stopped by this very step."""
        workflow = turn.facts.workflow
        if workflow is None or workflow.uid != turn.target.uid:
            return None
        return _done(turn, workflow) if workflow.shutdown and workflow.stopped_by == turn.operation else None

    def moot(self, turn: Turn[Stop]) -> str:
        """Say whether it ended by itself, is gone, or somebody else is ending it."""
        workflow = turn.facts.workflow
        shutdown = workflow.shutdown if workflow else ""
        return already_over(turn) or (f"somebody else is ending the workflow already ({shutdown})" if shutdown else "")

    def refusal(self, turn: Turn[Stop]) -> str:
        """Say whether it is the very object that was decided upon."""
        same = turn.facts.workflow is not None and turn.facts.workflow.uid == turn.target.uid
        return "" if same else "the workflow is not the one that was decided upon"

    async def perform(self, means: Means, turn: Turn[Stop]) -> Performed:
        """Stop it as it was looked at, and keep what a restart needs should it be deleted meanwhile."""
        workflow, cluster = turn.facts.workflow, means.the_cluster()
        if workflow is None:
            raise NotFound("There is no workflow to stop: it was deleted since it was decided upon.")
        kept = await kept_for_restart(cluster, turn)
        # Whoever has written to it since may have moved it on, or suspended it.
        return _done(turn, await cluster.stop(workflow, operation=turn.operation, unchanged=True), kept=kept)


def _done(turn: Turn[Stop], workflow: Workflow, *, kept: dict[str, object] | None = None) -> Performed:
    return Performed(
        text=f"Workflow {workflow.namespace}/{workflow.name} was told to stop.",
        vars=turn.kept | (kept or {}),
        result={"namespace": workflow.namespace, "name": workflow.name, "uid": workflow.uid, "run": int(turn.run.id)},
    )
