"""Look at an incident: the order of the stages, each answer kept before the next is asked."""

from collections.abc import Sequence
from datetime import datetime

from receiver.enrich.past import Past, PastRun
from receiver.enrich.survey import Around, Survey, look as look_around
from receiver.model.errors import ClusterError
from receiver.model.incident import Occurrence
from receiver.model.remediation import Run, RunState
from receiver.model.timeline import Event, Kind
from receiver.notify.plan import Configured, plan
from receiver.pipeline.judgement import Case, Pair, hold_of, judge
from receiver.pipeline.lineage import lineage_of
from receiver.pipeline.rooms import Rooms
from receiver.remediate.decision import NotYet, answers
from receiver.store import decisions, looks, outbox, timeline
from receiver.store.database import Transaction
from receiver.store.history.stories import story
from receiver.store.jobs import Job
from receiver.store.looks import Look


async def look(rooms: Rooms, incident_id: int) -> None:
    """Carry an incident through enrichment, decision and notification, as far as each is due."""
    async with rooms.database.transaction() as transaction:
        seen = await looks.begin(transaction, incident_id)
        if seen is None:
            return
        pairs = await _undecided(rooms, transaction, seen)
        surveyed = await looks.has_findings(transaction, incident_id)

    waiting: list[tuple[Pair, NotYet]] = []
    if pairs or (seen.firing and not surveyed):
        survey, lineage = await _enrich(rooms, seen, pairs[0].alert if pairs else seen.firing[0])
        for pair in pairs:
            case = Case(pair=pair, incident=seen.incident, survey=survey, lineage=lineage)
            verdict = await judge(rooms, case)
            if isinstance(verdict, NotYet):
                waiting.append((pair, verdict))

    await _tell(rooms, seen, waiting)


async def _undecided(rooms: Rooms, transaction: Transaction, seen: Look) -> list[Pair]:
    """List which playbooks have yet to decide about which alerts."""
    done = await decisions.decided(transaction, seen.firing)
    return [
        Pair(alert=alert, playbook=playbook)
        for alert in seen.firing
        for playbook in rooms.playbooks
        if answers(playbook, alert.labels) and (alert.id, playbook.name) not in done
    ]


async def _enrich(rooms: Rooms, seen: Look, alert: Occurrence) -> tuple[Survey, str | None]:
    """Look around an alert and keep what was found, and which workflow the incident is about."""
    async with rooms.database.transaction() as transaction:
        past = await _past(transaction, alert, seen.incident.lineage)
    around = Around(subject=alert.subject, alert=alert, past=past, argo_url=rooms.argo_url, mask=rooms.mask)
    survey = await look_around(around, rooms.cluster, now=rooms.now)
    lineage = await _lineage(rooms, survey)
    at, incident_id = rooms.now(), seen.incident.id
    async with rooms.database.transaction() as transaction:
        await looks.lock(transaction, incident_id)
        await looks.keep_findings(transaction, incident_id, survey.findings, at)
        text = "; ".join(f"{finding.source}: {finding.summary}" for finding in survey.findings)
        await timeline.add(
            transaction,
            Event(at=at, kind=Kind.CONTEXT_FOUND, text=text, incident_id=incident_id, alert_id=alert.id),
        )
        if lineage and await looks.bind(transaction, incident_id, lineage):
            bound = f"the incident is about the workflow that began as {lineage}"
            await timeline.add(transaction, Event(at=at, kind=Kind.INCIDENT_BOUND, text=bound, incident_id=incident_id))
    return survey, lineage


async def _lineage(rooms: Rooms, survey: Survey) -> str | None:
    """Find the lineage; None when there is no workflow, or it could not be read: guards refuse what is not known."""
    if rooms.cluster is None or survey.workflow is None:
        return None
    async with rooms.database.transaction() as transaction:
        try:
            return await lineage_of(transaction, rooms.cluster, survey.workflow)
        except ClusterError:
            return None


async def _past(transaction: Transaction, alert: Occurrence, lineage: str) -> Past:
    earlier = await looks.earlier(transaction, alert, lineage)
    runs = [
        PastRun(
            id=run.id,
            playbook=run.playbook,
            mode=run.mode,
            outcome=run.outcome,
            reason=run.reason,
            started_at=run.started_at,
        )
        for run in earlier.runs
    ]
    return Past(occurrences=earlier.occurrences, last_at=earlier.last_at, runs=runs)


async def _tell(rooms: Rooms, seen: Look, waiting: Sequence[tuple[Pair, NotYet]]) -> None:
    """Queue what people are to be told now, and say when somebody must look again."""
    now, incident_id = rooms.now(), seen.incident.id
    async with rooms.database.transaction() as transaction:
        await looks.lock(transaction, incident_id)
        whole = await story(transaction, incident_id)
        planned = plan(
            whole,
            places=_places(rooms),
            routes=rooms.routes,
            hold_until=_hold_until(seen, whole.runs, waiting),
            now=now,
            public_url=rooms.public_url,
        )
        queued = await outbox.queue(transaction, incident_id, planned.drafts, now)
        for message in queued:
            text = f"{message.draft.place.value}: {message.draft.cause}"
            await timeline.add(transaction, Event(at=now, kind=Kind.MESSAGE_QUEUED, text=text, incident_id=incident_id))
        await rooms.queue.enqueue(transaction, Job.SEND, *({"message_id": message.id} for message in queued))
        due = [verdict.due_at for _, verdict in waiting]
        again = min([*due, *([planned.speak_at] if planned.speak_at else [])], default=None)
        await looks.end(transaction, seen, again_at=again)


def _hold_until(seen: Look, runs: Sequence[Run], waiting: Sequence[tuple[Pair, NotYet]]) -> datetime | None:
    """Say until when live playbooks may still heal it before people hear of it, counted from its first firing."""
    running = [run.hold_until for run in runs if run.state is not RunState.FINISHED and run.hold_until is not None]
    pending = [hold_of(pair.playbook, seen.incident) for pair, _ in waiting]
    return max((until for until in [*running, *pending] if until is not None), default=None)


def _places(rooms: Rooms) -> Configured:
    return Configured(slack=rooms.slack is not None, pagerduty=rooms.pagerduty is not None, channel=rooms.slack_channel)
