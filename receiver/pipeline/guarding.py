"""What guards decide on, read in the transaction that takes the slot, and what results make of a playbook."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec

from receiver.enrich.survey import Survey
from receiver.model.finding import FindingState
from receiver.model.incident import Incident, Occurrence
from receiver.model.manual import request_of
from receiver.model.remediation import Mode
from receiver.model.standing import Standing
from receiver.model.timeline import Event, Kind
from receiver.model.workload import Deployment
from receiver.pipeline.acting import means_of
from receiver.pipeline.rooms import Rooms
from receiver.remediate.aim import aimed_at
from receiver.remediate.guards import GuardFacts
from receiver.remediate.guards.fleet import RADIUS_WINDOW
from receiver.remediate.language import Playbook
from receiver.remediate.rights import missing
from receiver.store import decisions, measures, pauses, standings, timeline
from receiver.store.database import Transaction


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
        workflows: Unfinished workflows of its namespace; None when nobody counted them, or they could not be counted.
        deployment: What the playbook acts on instead of a workflow; its uid is the lineage then.
        unread: Why that could not be read; empty when it could, or is not there.
    """

    pair: Pair
    incident: Incident
    survey: Survey
    lineage: str | None
    workflows: int | None = None
    deployment: Deployment | None = None
    unread: str = ""

    @property
    def namespace(self) -> str:
        """Where it would act."""
        workflow = self.survey.workflow
        return workflow.namespace if workflow else self.pair.alert.subject.namespace


async def lock(transaction: Transaction, case: Case) -> None:
    """Be alone with all that the guards count, until the end of the transaction."""
    await pauses.hold(transaction)
    playbook = case.pair.playbook.name
    scopes = (standings.scope_of(playbook), f"namespace {case.namespace}", f"lineage {case.lineage or ''}")
    await decisions.lock_scopes(transaction, *scopes)


async def facts_of(rooms: Rooms, transaction: Transaction, case: Case, standing: Standing, now: datetime) -> GuardFacts:
    """Read what the guards decide on; what the playbook sets no limit to is not read."""
    workflow, playbook, lineage = case.survey.workflow, case.pair.playbook, case.lineage
    guards, name = playbook.guards, case.pair.playbook.name
    acts = unfinished = touched = None
    if lineage:
        acts = await measures.acts(transaction, name, lineage, now - guards.lookback)
        unfinished = await measures.unfinished(transaction, lineage)
        if guards.radius:
            since = now - RADIUS_WINDOW
            touched = await measures.touched(transaction, case.namespace, beside=lineage, since=since)
    since = now - guards.budget.per if guards.budget else now
    return GuardFacts(
        now=now,
        targets=await targets_of(transaction, playbook, now),
        pauses=await pauses.current(transaction, now),
        missing=missing(playbook, means_of(rooms)),
        standing=standing,
        failures=await _failures(transaction, playbook, standing),
        namespace_allowed=rooms.kubernetes.allows(case.namespace),
        opt_in=rooms.kubernetes.opt_in,
        lineage=lineage,
        acts=acts,
        unfinished_runs=unfinished,
        superseded_by=await measures.superseding(transaction, workflow.uid) if workflow else "",
        workflow_error=case.unread if playbook.target else _unread(case.survey),
        running=await measures.running(transaction, name) if guards.concurrency else None,
        spent=await measures.spent(transaction, name, since) if guards.budget else None,
        touched=touched,
        workflows=case.workflows,
        deployment=case.deployment,
    )


async def stand(transaction: Transaction, case: Case, now: datetime) -> Standing:
    """Read a playbook's standing, after drawing the conclusions from its results up to now.

    An alert that fires on a lineage soon after the playbook has helped there says that the fix did not hold: that
    counts as a failure, and a live playbook only proposes from then on. Enough failures in a row open its breaker.
    """
    playbook, alert, workflow = case.pair.playbook, case.pair.alert, case.survey.workflow
    # Alerts about a workflow that a run ended are its echo, and no news of the one that took its place.
    # A person who asks for a run says nothing about what became of the last one.
    echoes = workflow is not None and bool(workflow.terminated_by)
    if case.lineage and not echoes and request_of(alert.id) is None:
        ours = await measures.superseding(transaction, workflow.uid) if workflow else ""
        run_id = (
            None
            if ours
            else await standings.note_recurrence(
                transaction,
                playbook.name,
                case.lineage,
                alert_id=alert.id,
                fired_at=alert.starts_at,
                within=playbook.guards.recurrence,
            )
        )
        if run_id is not None:
            await _demote(transaction, case, run_id, now)
    return await _review(transaction, playbook, case.incident.id, now)


async def review(rooms: Rooms, incident_id: int) -> None:
    """Open the breakers of playbooks that failed in an incident, where it is time, and say so in its story."""
    by_name = {str(playbook.name): playbook for playbook in rooms.playbooks}
    async with rooms.database.transaction() as transaction:
        failed = [by_name[name] for name in await standings.failed_in(transaction, incident_id) if name in by_name]
        await decisions.lock_scopes(transaction, *(standings.scope_of(playbook.name) for playbook in failed))
        for playbook in failed:
            await _review(transaction, playbook, incident_id, rooms.now())


async def targets_of(transaction: Transaction, playbook: Playbook, now: datetime) -> int | None:
    """Count what a playbook would act on at once, as its storm brake does; None where it has none."""
    brake = playbook.guards.storm_limit
    if brake is None:
        return None
    # All that matched at once are decided on `for` later, and at different times within that.
    since = now - brake.within - playbook.on.for_
    aiming = partial(aimed_at, playbook.target)
    return await measures.targets(transaction, playbook.name, playbook.on.matchers, since, aimed_at=aiming)


def as_it_stands(playbook: Playbook, standing: Standing | None) -> Playbook:
    """Give a playbook with the mode that its results have left it."""
    demoted = standing is not None and standing.demoted_at is not None and playbook.mode is Mode.LIVE
    return msgspec.structs.replace(playbook, mode=Mode.PROPOSE) if demoted else playbook


async def _demote(transaction: Transaction, case: Case, run_id: int, now: datetime) -> None:
    playbook, alert = case.pair.playbook, case.pair.alert
    before = await standings.read(transaction, playbook.name)
    if playbook.mode is not Mode.LIVE or before.demoted_at is not None:
        return
    because = f"run {run_id} had helped, and {alert.alertname or 'its alert'} fires on the same target again"
    await standings.demote(transaction, playbook.name, now, because)
    text = (
        f"{playbook.name} asks before it acts from now on, though its mode is live: {because}. "
        f"`receiver playbooks close {playbook.name}` gives its mode back."
    )
    event = Event(at=now, kind=Kind.DEMOTED, text=text, incident_id=case.incident.id, alert_id=alert.id)
    await timeline.add(transaction, event)


async def _review(transaction: Transaction, playbook: Playbook, incident_id: int, now: datetime) -> Standing:
    standing, allowed = await standings.read(transaction, playbook.name), playbook.guards.breaker_limit
    if allowed is None or standing.opened_at is not None:
        return standing
    failures = await _failures(transaction, playbook, standing)
    if failures < allowed.failures:
        return standing
    because = f"{failures} runs in a row failed, or helped and did not hold"
    await standings.open_breaker(transaction, playbook.name, now, because)
    text = (
        f"{playbook.name} does nothing from now on: {because}. "
        f"`receiver playbooks close {playbook.name}` lets it begin again."
    )
    await timeline.add(transaction, Event(at=now, kind=Kind.BREAKER_OPENED, text=text, incident_id=incident_id))
    return await standings.read(transaction, playbook.name)


async def _failures(transaction: Transaction, playbook: Playbook, standing: Standing) -> int:
    allowed = playbook.guards.breaker_limit
    if allowed is None:
        return 0
    return await measures.failures(transaction, playbook.name, since=standing.closed_at, most=allowed.failures)


def _unread(survey: Survey) -> str:
    """Say why the workflow could not be read; empty when it could, or when it is simply not there."""
    told = next((finding for finding in survey.findings if finding.source == "workflow"), None)
    failed = told is not None and told.state in {FindingState.FAILED, FindingState.DISABLED}
    return told.summary if told is not None and failed else ""
