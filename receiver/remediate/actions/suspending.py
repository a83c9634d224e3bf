"""What suspending and resuming a workflow have in common: one is what the other is not."""

from typing import ClassVar

from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Effect, Grant, P, Performed, Turn
from receiver.remediate.actions.means import Need
from receiver.remediate.actions.watching import named, not_there


class Suspending(Effect[P]):
    """An effect after which a workflow waits, or does not wait any more."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "patch")),)
    suspends: ClassVar[bool]
    """Whether the workflow waits afterwards."""
    already: ClassVar[str]
    """What is said where it is so before anything was done."""
    done: ClassVar[str]
    """What is said of the workflow afterwards, to go on from its name."""

    def moot(self, turn: Turn[P]) -> str:
        """Say whether it ended, or is as it ought to be."""
        workflow = turn.facts.workflow
        if not_there(turn) or workflow is None:
            return not_there(turn)
        if workflow.finished:
            return f"the workflow finished by itself ({workflow.phase.value})"
        return self.already if workflow.suspended is self.suspends else ""

    def refusal(self, turn: Turn[P]) -> str:
        """Say whether somebody is ending it."""
        workflow = turn.facts.workflow
        return f"the workflow is being ended ({workflow.shutdown})" if workflow and workflow.shutdown else ""

    def performed(self, turn: Turn[P], workflow: Workflow) -> Performed:
        """Say that it is done, of the workflow as it is now."""
        text = f"Workflow {workflow.namespace}/{workflow.name} {self.done}."
        return Performed(text=text, vars=turn.kept, result=named(workflow))
