"""Let one playbook decide about one alert: facts under locks, the decision, its slot and its run in one transaction."""

from dataclasses import replace
from datetime import datetime

from receiver.model.incident import Incident
from receiver.model.remediation import Decision, Mode, Outcome, Run
from receiver.model.timeline import Event, Kind
from receiver.pipeline.gathering import join
from receiver.pipeline.guarding import Case, as_it_stands, facts_of, lock, stand
from receiver.pipeline.rooms import Rooms
from receiver.remediate.decision import NotYet, decide
from receiver.remediate.guards import shared_cause
from receiver.remediate.language import Playbook
from receiver.store import decisions, timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job
from receiver.store.rows import check_json


async def judge(rooms: Rooms, case: Case) -> Decision | NotYet | None:
    """Decide, keep the decision with its reason, and begin its run.

    Returns:
        None when this playbook decided about this firing already.
    """
    async with rooms.database.transaction() as transaction:
        await lock(transaction, case)
        # The clock is read under the lock: what is counted up to now cannot grow any more.
        now = rooms.now()
        standing = await stand(transaction, case, now)
        playbook = as_it_stands(case.pair.playbook, standing)
        verdict = decide(
            playbook,
            case.pair.alert,
            incident=case.incident,
            workflow=case.survey.workflow,
            pods=case.survey.pods if case.survey.workflow else None,
            facts=await facts_of(rooms, transaction, case, standing, now),
        )
        if isinstance(verdict, NotYet):
            return verdict
        return verdict if await _keep(rooms, transaction, case, playbook, verdict, now=now) else None


def hold_of(playbook: Playbook, incident: Incident) -> datetime | None:
    """Say until when messages about an incident wait for a playbook; None when it does not hold them."""
    if playbook.mode is not Mode.LIVE or not playbook.hold_notifications:
        return None
    return incident.opened_at + playbook.hold_notifications


async def _keep(
    rooms: Rooms, transaction: Transaction, case: Case, playbook: Playbook, decision: Decision, *, now: datetime
) -> bool:
    """Keep a decision with its run; False when this playbook decided about this firing already."""
    alert, incident = case.pair.alert, case.incident
    number = await decisions.keep(transaction, decision, incident_id=incident.id, firing=alert.firings, at=now)
    if number is None:
        return False
    run = await decisions.begin_run(
        transaction,
        number,
        decision,
        incident_id=incident.id,
        at=now,
        steps=decision.steps,
        confirm=str(playbook.confirm),
        escalate=playbook.on_failure.escalate,
        hold_until=hold_of(playbook, incident) if decision.outcome is None else None,
    )
    await timeline.add(transaction, *_events(decision, run, now))
    if decision.outcome is None:
        await rooms.queue.enqueue(transaction, Job.TICK, {"run_id": run.id, "cursor": run.cursor})
    elif decision.outcome is Outcome.BLOCKED and decision.mode is not Mode.DRY_RUN and shared_cause(decision):
        await join(rooms, transaction, incident, decision, now)
    return True


def _events(decision: Decision, run: Run, now: datetime) -> list[Event]:
    outcome = decision.outcome.value if decision.outcome else "goes ahead"
    decided = Event(
        at=now,
        kind=Kind.DECIDED,
        text=f"{decision.playbook} ({decision.mode.value}): {outcome}. {decision.reason}",
        incident_id=run.incident_id,
        alert_id=run.alert_id,
        run_id=run.id,
        detail={"checks": [check_json(check) for check in decision.checks], "would": list(decision.would)},
    )
    if decision.outcome is not None:
        return [decided]
    return [decided, replace(decided, kind=Kind.RUN_STARTED, text=f"{decision.playbook} begins", detail={})]
