"""End a workflow at once: Argo kills its pods, and its exit handlers do not run."""

from typing import ClassVar

from receiver.model.errors import NotFound, PreconditionFailed
from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.ending import already_over, kept_for_restart
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.facts import is_ours


class Terminate(Params, frozen=True, kw_only=True):
    """End the workflow at once, without its exit handlers. Takes no parameters."""


class WorkflowTerminate(Effect[Terminate]):
    """The verb `workflow.terminate`."""

    name: ClassVar[str] = "workflow.terminate"
    params = Terminate
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch")),)
    made_good_by: ClassVar[str] = "workflow.resubmit"
    destructive: ClassVar[bool] = True

    def say(self, params: Terminate, target: str) -> str:
        """Say what is ended."""
        del params
        return f"terminate workflow {target}"

    def recover(self, turn: Turn[Terminate]) -> Performed | None:
        """See whether this very run is being terminated by this very step, or has ended through our stop before it."""
        workflow = turn.facts.workflow
        if workflow is None or workflow.uid != turn.target.uid:
            return None
        if workflow.finished and is_ours(workflow.stopped_by, turn.run, turn.target):
            text = f"Workflow {workflow.namespace}/{workflow.name} has ended by being stopped."
            return Performed(text=text, vars=turn.kept)
        if workflow.shutdown != "Terminate" or workflow.terminated_by != turn.operation:
            return None
        return _done(turn, workflow)

    def moot(self, turn: Turn[Terminate]) -> str:
        """Say whether it ended by itself, is gone, or somebody else is ending it."""
        reason = already_over(turn)
        if reason or turn.facts.workflow is None:
            return reason
        workflow = turn.facts.workflow
        if is_ours(workflow.stopped_by, turn.run, turn.target) and workflow.shutdown == "Stop":
            return ""
        return f"somebody else is ending the workflow already ({workflow.shutdown})" if workflow.shutdown else ""

    def refusal(self, turn: Turn[Terminate]) -> str:
        """Say whether it is the very object that was decided upon."""
        same = turn.facts.workflow is not None and turn.facts.workflow.uid == turn.target.uid
        return "" if same else "the workflow is not the one that was decided upon"

    async def perform(self, means: Means, turn: Turn[Terminate]) -> Performed:
        """Terminate it as it was looked at, and keep what a restart needs should it be deleted meanwhile."""
        workflow, cluster = _meant(turn), means.the_cluster()
        kept = await kept_for_restart(cluster, turn)
        # Whoever has written to it since may have moved it on, or suspended it. After our own stop, Argo writes to it.
        unchanged = not is_ours(workflow.stopped_by, turn.run, turn.target)
        ended = await cluster.terminate(workflow, operation=turn.operation, unchanged=unchanged)
        return _done(turn, ended, kept=kept)


def _meant(turn: Turn[Terminate]) -> Workflow:
    workflow, target = turn.facts.workflow, turn.target
    if workflow is None:
        raise NotFound("There is no workflow to terminate: it was deleted since it was decided upon.")
    if workflow.uid != target.uid:
        raise PreconditionFailed(f"{target.namespace}/{target.name} is another workflow now. Nothing was done.")
    return workflow


def _done(turn: Turn[Terminate], workflow: Workflow, *, kept: dict[str, object] | None = None) -> Performed:
    return Performed(
        text=f"Workflow {workflow.namespace}/{workflow.name} was told to terminate.",
        vars=turn.kept | (kept or {}),
        result={
            "namespace": workflow.namespace,
            "name": workflow.name,
            "uid": workflow.uid,
            "run": int(turn.run.id),
        },
    )
