"""What a run is going to do: the steps of its playbook, unfolded for the workflow as it is, behind an approval."""

from collections.abc import Sequence
from typing import Any

import msgspec

from receiver.model.remediation import Mode
from receiver.model.workflow import Workflow
from receiver.remediate.actions.approve import Approve
from receiver.remediate.expression import Expression, NotEvaluable, reading
from receiver.remediate.language import Approval, ApprovalIf, Playbook, StepForm, written_as
from receiver.remediate.vocabulary import Values


def why_asked(playbook: Playbook, values: Values, too_much: str) -> str:
    """Say why a person is asked before anything is done; empty when nobody is.

    Args:
        playbook: What it says about approval, and its mode.
        values: What its condition reads; one that cannot be evaluated asks too.
        too_much: Why what would be lost is above its limit; empty when it is not.
    """
    if too_much:
        return too_much
    if playbook.mode is Mode.PROPOSE:
        return "it only proposes"
    if isinstance(playbook.approval, ApprovalIf):
        return _holds(playbook.approval.required_if, values)
    return "its approval is required" if playbook.approval is Approval.REQUIRED else ""


def _holds(condition: Expression, values: Values) -> str:
    try:
        return f"{condition.shown} is true: {reading(condition, values)}" if condition.holds(values) else ""
    except NotEvaluable as error:
        return str(error)


def steps_to_take(playbook: Playbook, workflow: Workflow | None, *, asking: bool) -> tuple[StepForm, ...]:
    """Give the steps in order; what stands for several is unfolded."""
    steps = [
        StepForm(verb=verb, params=params)
        for step in playbook.steps
        for verb, params in step.action.unfold(step.params, workflow)
    ]
    first = Approve(timeout=playbook.approval_timeout, people=playbook.approvals)
    return (StepForm(verb="approve", params=first), *steps) if asking else tuple(steps)


def compiled(steps: Sequence[StepForm]) -> tuple[dict[str, Any], ...]:
    """Turn steps into what a run carries with it, as JSON values: `{"action": verb, "params": {...}}`."""
    return tuple(
        {"action": step.verb, "params": msgspec.to_builtins(step.params, enc_hook=written_as)} for step in steps
    )
