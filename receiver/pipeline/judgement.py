"""Let one playbook decide about one alert: facts under locks, the decision, its slot and its run in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from receiver.enrich.survey import Survey
from receiver.model.finding import FindingState
from receiver.model.incident import Incident, Occurrence
from receiver.model.remediation import Decision, Mode, Run
from receiver.model.timeline import Event, Kind
from receiver.pipeline.rooms import Rooms
from receiver.remediate.decision import NotYet, compile_steps, decide
from receiver.remediate.guards import GuardFacts, window
from receiver.remediate.language import Playbook
from receiver.store import decisions, timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job
from receiver.store.rows import check_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An alert and a playbook that answers to it."""

    alert: Occurrence
    playbook: Playbook


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a playbook decides on, as it was found a moment ago.

    Attributes:
        lineage: Root uid of the workflow; None when it is not known.
    """

    pair: Pair
    incident: Incident
    survey: Survey
    lineage: str | None


async def judge(rooms: Rooms, case: Case) -> Decision | NotYet | None:
    """Decide, keep the decision with its reason, and begin its run.

    Returns:
        None when this playbook decided about this firing already.
    """
    alert, playbook = case.pair.alert, case.pair.playbook
    async with rooms.database.transaction() as transaction:
        scopes = (f"playbook {playbook.name}", f"namespace {alert.subject.namespace}", f"lineage {case.lineage or ''}")
        await decisions.lock_scopes(transaction, *scopes)
        # The clock is read under the lock: what is counted up to now cannot grow any more.
        now = rooms.now()
        verdict = decide(
            playbook,
            alert,
            incident=case.incident,
            workflow=case.survey.workflow,
            pods=case.survey.pods if case.survey.workflow else None,
            facts=await _facts(rooms, transaction, case, now),
        )
        if isinstance(verdict, NotYet):
            return verdict
        return verdict if await _keep(rooms, transaction, case, verdict, now) else None


def hold_of(playbook: Playbook, incident: Incident) -> datetime | None:
    """Say until when messages about an incident wait for a playbook; None when it does not hold them."""
    if playbook.mode is not Mode.LIVE or not playbook.hold_notifications:
        return None
    return incident.opened_at + playbook.hold_notifications


async def _facts(rooms: Rooms, transaction: Transaction, case: Case, now: datetime) -> GuardFacts:
    workflow, playbook, lineage = case.survey.workflow, case.pair.playbook, case.lineage
    starts = unfinished = None
    if lineage:
        starts = await decisions.acted_since(transaction, playbook.name, lineage, now - window(playbook))
        unfinished = await decisions.unfinished(transaction, lineage)
    return GuardFacts(
        now=now,
        namespace_allowed=rooms.kubernetes.allows(case.pair.alert.subject.namespace),
        lineage=lineage,
        starts=starts,
        unfinished_runs=unfinished,
        superseded_by=await decisions.superseding(transaction, workflow.uid) if workflow else "",
        workflow_error=_unread(case.survey),
    )


def _unread(survey: Survey) -> str:
    """Say why the workflow could not be read; empty when it could, or when it is simply not there."""
    told = next((finding for finding in survey.findings if finding.source == "workflow"), None)
    failed = told is not None and told.state in {FindingState.FAILED, FindingState.DISABLED}
    return told.summary if told is not None and failed else ""


async def _keep(rooms: Rooms, transaction: Transaction, case: Case, decision: Decision, now: datetime) -> bool:
    """Keep a decision with its run; False when this playbook decided about this firing already."""
    alert, playbook, incident = case.pair.alert, case.pair.playbook, case.incident
    number = await decisions.keep(transaction, decision, incident_id=incident.id, firing=alert.firings, at=now)
    if number is None:
        return False
    run = await decisions.begin_run(
        transaction,
        number,
        decision,
        incident_id=incident.id,
        at=now,
        steps=compile_steps(playbook, decision.mode),
        confirm=str(playbook.confirm),
        escalate=playbook.on_failure.escalate,
        hold_until=hold_of(playbook, incident) if decision.outcome is None else None,
    )
    await timeline.add(transaction, *_events(decision, run, now))
    if decision.outcome is None:
        await rooms.queue.enqueue(transaction, Job.TICK, {"run_id": run.id, "cursor": run.cursor})
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
