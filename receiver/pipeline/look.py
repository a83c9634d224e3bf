"""Look at an incident: the order of the stages, each answer kept before the next is asked."""

from collections.abc import Sequence
from datetime import datetime

from receiver.enrich.past import Past, PastRun
from receiver.enrich.survey import Around, Survey, look as look_around
from receiver.model.errors import ClusterError
from receiver.model.incident import Occurrence
from receiver.model.message import Lane
from receiver.model.remediation import Run, RunState
from receiver.model.timeline import Event, Kind
from receiver.notify.plan import plan
from receiver.pipeline.aiming import aimed
from receiver.pipeline.echo import deed_done, note_echoes
from receiver.pipeline.gathering import recount
from receiver.pipeline.guarding import Case, Pair, as_it_stands, review
from receiver.pipeline.judgement import hold_of, judge
from receiver.pipeline.lineage import lineage_of
from receiver.pipeline.rooms import Rooms, places_of
from receiver.remediate.decision import NotYet, answers
from receiver.store import decisions, digests, looks, outbox, standings, timeline
from receiver.store.database import Transaction
from receiver.store.history.stories import story
from receiver.store.jobs import Job
from receiver.store.looks import Look
from receiver.store.merging import Sighting, settle
from receiver.store.stories import LOOK_LEASE


async def look(rooms: Rooms, incident_id: int) -> None:
    """Carry an incident through enrichment, decision and notification, as far as each is due."""
    async with rooms.database.transaction() as transaction:
        seen = await looks.begin(transaction, incident_id)
        if seen is None:
            return
        pairs = await _undecided(rooms, transaction, seen)
        surveyed_at = await looks.surveyed_at(transaction, incident_id)

    if seen.incident.merged_into is not None:
        # In a transaction of its own: incidents are locked lowest number first.
        async with rooms.database.transaction() as transaction:
            await _pass_on(rooms, transaction, seen.incident.merged_into)

    await review(rooms, incident_id)
    recount_at = await recount(rooms, seen.incident)
    waiting: list[tuple[Pair, NotYet]] = []
    for alert in _to_survey(seen, pairs, surveyed_at):
        survey, lineage = await _enrich(rooms, seen, alert)
        if await _moved(rooms, seen, alert, survey, lineage):
            return
        await note_echoes(rooms, seen, survey.workflow, lineage, answered=[pair.alert.id for pair in pairs])
        about = [pair for pair in pairs if _about(pair.alert) == _about(alert)]
        workflows = await unfinished_around(rooms, about, survey)
        for pair in about:
            case = Case(pair=pair, incident=seen.incident, survey=survey, lineage=lineage, workflows=workflows)
            verdict = await judge(rooms, await aimed(rooms, case))
            if isinstance(verdict, NotYet):
                waiting.append((pair, verdict))

    await _tell(rooms, seen, waiting, recount_at)


async def _pass_on(rooms: Rooms, transaction: Transaction, *incident_ids: int) -> None:
    """Have incidents looked at whose story changed, or goes on with that of another."""
    for number in incident_ids:
        await looks.demand(transaction, number, rooms.now() + LOOK_LEASE)
    await rooms.queue.enqueue(transaction, Job.LOOK, *({"incident_id": number} for number in incident_ids))


async def _undecided(rooms: Rooms, transaction: Transaction, seen: Look) -> list[Pair]:
    """List which playbooks have yet to decide about which alerts."""
    done = await decisions.decided(transaction, seen.firing)
    known = {standing.playbook: standing for standing in await standings.all_standings(transaction)}
    return [
        Pair(alert=alert, playbook=as_it_stands(playbook, known.get(playbook.name)))
        for alert in seen.firing
        for playbook in rooms.playbooks
        if answers(playbook, alert.labels) and (alert.id, playbook.name) not in done
    ]


def _about(alert: Occurrence) -> tuple[str, str, str] | None:
    """Name the workflow that an alert is about; None for all that name none, since looking at one is looking at all."""
    subject = alert.subject
    named = subject.namespace and subject.workflow
    return (subject.cluster, subject.namespace, subject.workflow) if named else None


def _to_survey(seen: Look, pairs: Sequence[Pair], surveyed_at: datetime | None) -> list[Occurrence]:
    """Pick one alert of each workflow that is to be looked at: it is to be decided on, or nobody has looked since."""
    alerts = [pair.alert for pair in pairs]
    alerts += [alert for alert in seen.firing if surveyed_at is None or alert.first_seen_at > surveyed_at]
    newest = {_about(alert): alert for alert in sorted(alerts, key=lambda alert: (alert.starts_at, alert.id))}
    return list(newest.values())


async def _enrich(rooms: Rooms, seen: Look, alert: Occurrence) -> tuple[Survey, str | None]:
    """Look around an alert and keep what was found."""
    async with rooms.database.transaction() as transaction:
        past = await past_of(transaction, alert, seen.incident.lineage)
    around = Around(subject=alert.subject, alert=alert, past=past, argo_url=rooms.argo_url, mask=rooms.mask)
    survey = await look_around(around, rooms.cluster, now=rooms.now)
    lineage = await lineage_seen(rooms, survey)
    at, incident_id = rooms.now(), seen.incident.id
    async with rooms.database.transaction() as transaction:
        replaced = await deed_done(transaction, survey.workflow) is not None
        if not (replaced and await looks.surveyed_at(transaction, incident_id)):
            # Of a workflow that we ended nothing new is shown: people look at the one that took its place.
            await looks.keep_findings(transaction, incident_id, survey.findings, at)
        text = "; ".join(f"{finding.source}: {finding.summary}" for finding in survey.findings)
        await timeline.add(
            transaction,
            Event(at=at, kind=Kind.CONTEXT_FOUND, text=text, incident_id=incident_id, alert_id=alert.id),
        )
    return survey, lineage


async def _moved(rooms: Rooms, seen: Look, alert: Occurrence, survey: Survey, lineage: str | None) -> bool:
    """Bind the incident to the workflow that was found; true when that made it one with another, or two.

    Then whatever was read before is no longer true, and all that are concerned are looked at anew.
    """
    if lineage is None or survey.workflow is None:
        return False
    sighting = Sighting(subject=alert.subject, lineage=lineage, created_at=survey.workflow.created_at, at=rooms.now())
    async with rooms.database.transaction() as transaction:
        changed = await settle(transaction, seen.incident.id, sighting)
        await _pass_on(rooms, transaction, *changed)
    return bool(changed)


async def lineage_seen(rooms: Rooms, survey: Survey) -> str | None:
    """Find the lineage; None when there is no workflow, or it could not be read: guards refuse what is not known."""
    if rooms.cluster is None or survey.workflow is None:
        return None
    try:
        return await lineage_of(rooms.database, rooms.cluster, survey.workflow, rooms.now())
    except ClusterError:
        return None


async def unfinished_around(rooms: Rooms, pairs: Sequence[Pair], survey: Survey) -> int | None:
    """Count the unfinished workflows around the one that was found, where a guard asks; None when nobody knows."""
    wanted = any(pair.playbook.guards.radius for pair in pairs)
    if not wanted or rooms.cluster is None or survey.workflow is None:
        return None
    try:
        return await rooms.cluster.count_unfinished(survey.workflow.namespace)
    except ClusterError:
        return None


async def past_of(transaction: Transaction, alert: Occurrence, lineage: str) -> Past:
    """Read what is known of earlier times of an alert and of its workflow; an unknown lineage is an empty text."""
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


async def _tell(rooms: Rooms, seen: Look, waiting: Sequence[tuple[Pair, NotYet]], recount_at: datetime | None) -> None:
    """Queue what people are to be told now, and say when somebody must look again."""
    now, incident_id, templates = rooms.now(), seen.incident.id, rooms.templates.read()
    async with rooms.database.transaction() as transaction:
        await looks.lock(transaction, incident_id)
        whole = await story(transaction, incident_id)
        planned = plan(
            whole,
            places=places_of(rooms),
            routes=rooms.routes,
            owners=rooms.owners,
            hold_until=_hold_until(seen, whole.runs, waiting),
            now=now,
            public_url=rooms.public_url,
            templates=templates,
            changes=_taking_changes(rooms),
        )
        queued = await outbox.queue(transaction, incident_id, planned.drafts, now, shadow=rooms.shadow)
        for message in queued:
            text = f"{'in shadow, ' if rooms.shadow else ''}{message.draft.place.value}: {message.draft.cause}"
            await timeline.add(transaction, Event(at=now, kind=Kind.MESSAGE_QUEUED, text=text, incident_id=incident_id))
            fault = message.draft.payload.get("template_fault")
            if fault:
                text = f"{message.draft.place.value} is told in the built-in words: {fault}"
                event = Event(at=now, kind=Kind.TEMPLATE_FAILED, text=text, incident_id=incident_id)
                await timeline.add(transaction, event)
        await _enter_digests(rooms, transaction, incident_id, planned.digests)
        to_send = () if rooms.shadow else queued
        await rooms.queue.enqueue(transaction, Job.SEND, *({"message_id": message.id} for message in to_send))
        due = [verdict.due_at for _, verdict in waiting]
        again = min([*due, *(at for at in (planned.speak_at, recount_at) if at)], default=None)
        await looks.end(transaction, seen, again_at=again)


async def _enter_digests(rooms: Rooms, transaction: Transaction, incident_id: int, lanes: Sequence[Lane]) -> None:
    """Have the next digest of each channel tell of an incident, and write down by when."""
    if rooms.digest is None:
        return
    now = rooms.now()
    due_at = now + rooms.digest.every
    entered = await digests.enter(transaction, incident_id, lanes, at=now, due_at=due_at, shadow=rooms.shadow)
    for lane in entered:
        where = f"{lane.place.value} {lane.address}".rstrip()
        text = f"{where}: of low severity, so the next digest tells of it, at {due_at:%H:%M} UTC at the latest"
        await timeline.add(transaction, Event(at=now, kind=Kind.MESSAGE_QUEUED, text=text, incident_id=incident_id))


def _hold_until(seen: Look, runs: Sequence[Run], waiting: Sequence[tuple[Pair, NotYet]]) -> datetime | None:
    """Say until when live playbooks may still heal it before people hear of it, counted from its first firing."""
    running = [run.hold_until for run in runs if run.state is not RunState.FINISHED and run.hold_until is not None]
    pending = [hold_of(pair.playbook, seen.incident) for pair, _ in waiting]
    return max((until for until in [*running, *pending] if until is not None), default=None)


def _taking_changes(rooms: Rooms) -> frozenset[str]:
    """Name the addresses of PagerDuty that are told what was changed."""
    if not rooms.change_events:
        return frozenset()
    pagers = {**rooms.pagers, **({"": rooms.pagerduty} if rooms.pagerduty else {})}
    return frozenset(name for name, pager in pagers.items() if pager.takes_changes)
