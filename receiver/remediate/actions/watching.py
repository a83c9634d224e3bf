"""What the actions on the workflow that a run watches have in common."""

from typing import Any

from receiver.model.errors import NotFound
from receiver.model.workflow import Workflow
from receiver.remediate.actions.action import Turn
from receiver.remediate.facts import is_the_one


def watched_now(turn: Turn[Any]) -> Workflow | None:
    """Give the workflow that the run watches; None where it is gone, or another one has its name."""
    return turn.facts.workflow if is_the_one(turn.run, turn.facts.workflow) else None


def the_watched(turn: Turn[Any]) -> Workflow:
    """Give the workflow that the run watches.

    Raises:
        NotFound: It is gone, or another one has its name.
    """
    workflow = watched_now(turn)
    if workflow is None:
        raise NotFound(f"{turn.target.namespace}/{turn.target.name} is not there any more. Nothing was done.")
    return workflow


def not_there(turn: Turn[Any]) -> str:
    """Say whether the workflow is gone; empty when it is there."""
    if turn.facts.workflow is None:
        return "the workflow is not there any more"
    if watched_now(turn) is None:
        return "the workflow was deleted, and another one has its name now"
    return "the workflow is being deleted" if turn.facts.workflow.deleting else ""


def named(workflow: Workflow) -> dict[str, str]:
    """Name a workflow, as the result of a step."""
    return {"namespace": workflow.namespace, "name": workflow.name, "uid": workflow.uid}
