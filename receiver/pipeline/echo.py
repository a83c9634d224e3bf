"""Alerts that only echo what a run did to its workflow: recorded as such, also where no playbook answers to them."""

from collections.abc import Collection
from typing import Final

from receiver.model.remediation import Check, Decision, Mode, Outcome, Target
from receiver.model.timeline import Event, Kind
from receiver.model.workflow import Workflow
from receiver.pipeline.rooms import Rooms
from receiver.store import decisions, looks, timeline
from receiver.store.database import Transaction
from receiver.store.looks import Deed, Look

NO_PLAYBOOK: Final = "-"
"""Stands for the playbook in a refusal that none was asked for; no playbook can have this name."""


async def deed_done(transaction: Transaction, workflow: Workflow | None) -> Deed | None:
    """Find the run that ended a workflow; None while the workflow goes on, or ended by itself."""
    if workflow is None or not workflow.finished:
        return None
    return await looks.deed_on(transaction, workflow.uid)


async def note_echoes(
    rooms: Rooms, seen: Look, workflow: Workflow | None, lineage: str | None, *, answered: Collection[str]
) -> None:
    """Write down a refusal for each alert that began because a run of ours ended its workflow.

    Such an alert, `WorkflowFailed` above all, stays in the incident and tells nobody anything. Where a playbook answers
    to it, the guard `superseded` has refused already.

    Args:
        rooms: The rooms of the service.
        seen: The incident with the alerts that fire.
        workflow: The workflow that was looked at.
        lineage: What it descends from; None when that is not known.
        answered: Alerts to which a playbook answers.
    """
    async with rooms.database.transaction() as transaction:
        deed = await deed_done(transaction, workflow)
        if deed is None or workflow is None or lineage is None:
            return
        target = Target(
            kind="workflow", namespace=workflow.namespace, name=workflow.name, uid=workflow.uid, lineage=lineage
        )
        said = await decisions.decided(transaction, seen.firing)
        known = {alert_id for alert_id, _ in said} | set(answered)
        for alert in seen.firing:
            named = (alert.subject.namespace, alert.subject.workflow) == (workflow.namespace, workflow.name)
            if not named or alert.id in known or alert.starts_at < deed.since:
                continue
            at = rooms.now()
            decision = _refusal(alert.id, target, deed)
            kept = await decisions.keep(
                transaction, decision, incident_id=seen.incident.id, firing=alert.firings, at=at
            )
            if kept is not None:
                text = f"{alert.alertname or 'an alert without a name'}: {decision.reason}"
                await timeline.add(
                    transaction,
                    Event(at=at, kind=Kind.DECIDED, text=text, incident_id=seen.incident.id, alert_id=alert.id),
                )


def _refusal(alert_id: str, target: Target, deed: Deed) -> Decision:
    by = f"run {deed.run_id}"
    reason = f"it only echoes what {by} did to the workflow"
    check = Check(
        guard="superseded", passed=False, measured=by, limit="neither ended nor replaced by Receiver", reason=reason
    )
    return Decision(
        playbook=NO_PLAYBOOK,
        version="",
        mode=Mode.DRY_RUN,
        alert_id=alert_id,
        target=target,
        outcome=Outcome.BLOCKED,
        reason=reason,
        checks=(check,),
    )
