"""Decide whether a playbook acts on an alert, and say why, also when it declines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from receiver.model.alert import AlertStatus
from receiver.model.incident import Incident, Occurrence
from receiver.model.loss import Loss
from receiver.model.matcher import all_match
from receiver.model.remediation import Check, Decision, Mode, Outcome, Target
from receiver.model.workflow import Pod, Workflow
from receiver.remediate.expression import Expression, NotEvaluable, reading
from receiver.remediate.guards import GuardFacts, check
from receiver.remediate.language import Playbook
from receiver.remediate.loss import of_workflow
from receiver.remediate.plan import compiled, steps_to_take, why_asked
from receiver.remediate.vocabulary import Values, observe


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The alert has not been firing for as long as the playbook asks; decide again at `due_at`."""

    due_at: datetime


def answers(playbook: Playbook, labels: Mapping[str, str]) -> bool:
    """Answer whether an alert with these labels is this playbook's business."""
    return all_match(playbook.on.matchers, labels)


def decide(
    playbook: Playbook,
    alert: Occurrence,
    *,
    incident: Incident | None,
    workflow: Workflow | None,
    pods: Sequence[Pod] | None,
    facts: GuardFacts,
    remembered: Values | None = None,
) -> Decision | NotYet:
    """Decide about one occurrence that the playbook answers to.

    Args:
        playbook: The playbook; its version is pinned in the decision.
        alert: The occurrence.
        incident: Its incident.
        workflow: The workflow it is about, read a moment ago; None when there is none, or it could not be read.
        pods: Its pods; None when they could not be read.
        facts: What the guards decide on, with the present time.
        remembered: What its condition reads, where the workflow is one of the past that is not known whole.

    Returns:
        A decision; without an outcome it goes ahead. `NotYet` while the playbook's `on.for` has not passed.
    """
    values = remembered or observe(
        now=facts.now, alert=alert, incident=incident, workflow=workflow, absent="", pods=pods
    )
    draft = _draft(playbook, alert, workflow, pods, facts, values=values)
    if alert.status is AlertStatus.RESOLVED:
        return replace(draft, outcome=Outcome.SKIPPED, reason="The alert is resolved, so there is nothing to do.")
    # An alert cannot have been firing before its start, nor can its start lie after we heard of it.
    due_at = min(alert.starts_at, alert.first_seen_at) + playbook.on.for_
    if facts.now < due_at:
        return NotYet(due_at=due_at)
    checks = check(playbook, alert, workflow, facts)
    refused = [verdict for verdict in checks if not verdict.passed]
    if refused:
        reason = f"Guard {refused[0].guard} refused: {refused[0].reason}."
        return replace(draft, outcome=Outcome.BLOCKED, reason=reason, checks=checks)
    confirmed, outcome = _confirm(playbook.confirm, values)
    draft = replace(draft, checks=(*checks, confirmed))
    if outcome is not None:
        return replace(draft, outcome=outcome, reason=confirmed.reason)
    return _ahead(draft, why_asked(playbook, values, _too_much(playbook, draft.loss)))


def _too_much(playbook: Playbook, loss: Loss | None) -> str:
    """Say why a loss is more than the playbook may cause without asking; empty when it is not."""
    return playbook.max_loss.exceeded_by(loss) if playbook.max_loss is not None and loss is not None else ""


def _loss(playbook: Playbook, workflow: Workflow | None, pods: Sequence[Pod] | None, now: datetime) -> Loss | None:
    """Reckon what the steps would destroy at worst: the whole workflow, whichever of them it is."""
    destructive = any(effect.destructive for step in playbook.steps for effect in step.effects)
    return of_workflow(workflow, now, pods or ()) if destructive and workflow is not None else None


def _draft(
    playbook: Playbook,
    alert: Occurrence,
    workflow: Workflow | None,
    pods: Sequence[Pod] | None,
    facts: GuardFacts,
    *,
    values: Values,
) -> Decision:
    target, loss = None, _loss(playbook, workflow, pods, facts.now)
    if workflow is not None and facts.lineage is not None:
        target = Target(
            kind="workflow",
            namespace=workflow.namespace,
            name=workflow.name,
            uid=workflow.uid,
            lineage=facts.lineage,
        )
    deployment = facts.deployment
    if deployment is not None:
        target = Target(
            kind="deployment",
            namespace=deployment.namespace,
            name=deployment.name,
            uid=deployment.uid,
            lineage=deployment.uid,
        )
    named = f"{target.namespace}/{target.name}" if target else "(none found)"
    asking = bool(why_asked(playbook, values, _too_much(playbook, loss)))
    steps = steps_to_take(playbook, workflow, asking=asking)
    return Decision(
        playbook=playbook.name,
        version=playbook.version,
        mode=playbook.mode,
        alert_id=alert.id,
        target=target,
        outcome=None,
        reason="",
        would=tuple(step.action.say(step.params, named) for step in steps),
        loss=loss,
        steps=compiled(steps),
    )


def _confirm(confirm: Expression, values: Values) -> tuple[Check, Outcome | None]:
    shown = confirm.shown
    measured = reading(confirm, values)
    try:
        holds = confirm.holds(values)
    except NotEvaluable as error:
        reason = f"Guard confirm refused: {error}."
        return Check(guard="confirm", passed=False, measured=measured, limit=shown, reason=reason), Outcome.BLOCKED
    if holds:
        return Check(guard="confirm", passed=True, measured=measured, limit=shown, reason="it is true"), None
    reason = f"{shown} is not true: {measured}."
    return Check(guard="confirm", passed=False, measured=measured, limit=shown, reason=reason), Outcome.SKIPPED


def _ahead(draft: Decision, asked: str) -> Decision:
    asks = f" A person is asked first: {asked}." if asked else ""
    if draft.mode is Mode.DRY_RUN:
        reason = f"Dry run: it would {'; then '.join(draft.would)}.{asks}"
        return replace(draft, outcome=Outcome.SIMULATED, reason=reason)
    reason = f"All guards agree and it is confirmed: {'; then '.join(draft.would)}.{asks}"
    return replace(draft, reason=reason)
