"""Let a playbook act because a person asks for it: the same look around, the same guards, the same record."""

from dataclasses import replace

import msgspec

from receiver.enrich.survey import Around, Survey, look as look_around
from receiver.model.duration import Duration
from receiver.model.incident import Incident
from receiver.model.manual import DEPLOYMENT, as_occurrence, deployment_of, manual_id, subject_of
from receiver.model.remediation import Decision, Mode
from receiver.model.request import Request
from receiver.model.timeline import Event, Kind
from receiver.pipeline.aiming import aimed
from receiver.pipeline.guarding import Case, Pair
from receiver.pipeline.judgement import judge
from receiver.pipeline.look import lineage_seen, past_of, unfinished_around
from receiver.pipeline.rooms import Rooms
from receiver.remediate.actions.verify import Verify
from receiver.remediate.aim import may_give
from receiver.remediate.language import Playbook, StepForm
from receiver.remediate.vocabulary import RESOLVES
from receiver.store import looks, requests, timeline, wishes
from receiver.store.history import decisions
from receiver.store.history.decisions import DecisionFilter, Recorded
from receiver.store.jobs import Job
from receiver.store.stories import LOOK_LEASE


async def begin(rooms: Rooms, wish: Request, playbook: Playbook) -> None:
    """Decide about a person's wish and answer it; its run begins where the decision says so."""
    wrong = _wrong_aim(playbook, wish)
    if wrong:
        async with rooms.database.transaction() as transaction:
            await requests.answer(transaction, wish.id, wrong)
        return
    alert, wanted = as_occurrence(wish), as_wished(playbook, wish)
    # The wish has the time of Postgres, whose clock may be ahead of ours: it is due all the same.
    alert = replace(alert, starts_at=min(alert.starts_at, rooms.now()))
    async with rooms.database.transaction() as transaction:
        past = await past_of(transaction, alert, "")
    around = Around(subject=alert.subject, alert=alert, past=past, argo_url=rooms.argo_url, mask=rooms.mask)
    survey = await look_around(around, rooms.cluster, now=rooms.now)
    lineage = await lineage_seen(rooms, survey)
    incident = await _incident(rooms, wish, wanted, survey, lineage)
    pair = Pair(alert=alert, playbook=wanted)
    workflows = await unfinished_around(rooms, [pair], survey)
    case = Case(pair=pair, incident=incident, survey=survey, lineage=lineage, workflows=workflows)
    # Where this was done before and the answer was lost, the decision is there already, and stays.
    await judge(rooms, await aimed(rooms, case))
    async with rooms.database.transaction() as transaction:
        recorded = (await decisions.page(transaction, DecisionFilter(alert_id=alert.id), limit=1)).items[0]
        if recorded.run_id is not None:
            await requests.begin(transaction, wish.id, recorded.run_id)
        await requests.answer(transaction, wish.id, _answer(recorded))
        await looks.demand(transaction, incident.id, rooms.now() + LOOK_LEASE)
        await rooms.queue.enqueue(transaction, Job.LOOK, {"incident_id": incident.id})


def as_wished(playbook: Playbook, wish: Request) -> Playbook:
    """Give a playbook the mode that a person wants, and none of the patience that it has with alerts.

    A person has looked already, so `on.for` does not apply. Guards and `confirm` do, whoever asks. A check that waits
    for the end of an alert is left out, since there is none: the run has acted then, and nobody knows if it helped.
    """
    mode = playbook.mode
    if wish.detail.get("dry_run"):
        mode = Mode.DRY_RUN
    elif wish.detail.get("live"):
        mode = Mode.LIVE
    at_once = msgspec.structs.replace(playbook.on, for_=Duration())
    steps = tuple(step for step in playbook.steps if not _asks_for_resolve(step))
    return msgspec.structs.replace(playbook, mode=mode, on=at_once, steps=steps)


def _asks_for_resolve(step: StepForm) -> bool:
    return isinstance(step.params, Verify) and any(name in RESOLVES for name in step.params.that.names)


def _wrong_aim(playbook: Playbook, wish: Request) -> str:
    """Say why a playbook never acts on what a person named; empty where it may."""
    deployment, aim = deployment_of(wish), playbook.target
    if aim is None:
        return f"{playbook.name} acts on a workflow, and a deployment was named; nothing was done" if deployment else ""
    if may_give(aim.deployment, deployment):
        return ""
    named = f"deployment {deployment!r}" if deployment else "a workflow"
    return f"{playbook.name} acts on deployments named {aim.deployment}, and {named} was named; nothing was done"


async def _incident(rooms: Rooms, wish: Request, playbook: Playbook, survey: Survey, lineage: str | None) -> Incident:
    """Keep what was found, and who asks for what, in the incident of the workflow."""
    subject, alert_id, at = subject_of(wish), manual_id(wish.id), rooms.now()
    deployment = deployment_of(wish)
    where = f"{subject.namespace}/{deployment or subject.workflow}"
    group = {"namespace": subject.namespace, DEPLOYMENT: deployment} if deployment else {}
    said = f"{wish.asked_by} asks for {playbook.name} on {where} ({playbook.mode.value})"
    note = str(wish.detail.get("note", ""))
    async with rooms.database.transaction() as transaction:
        incident = await wishes.incident_for(
            transaction, subject, lineage or "", group=group, title=f"{playbook.name} by hand: {where}", at=at
        )
        await looks.keep_findings(transaction, incident.id, survey.findings, at)
        text = "; ".join(f"{finding.source}: {finding.summary}" for finding in survey.findings)
        asked = Event(
            at=at,
            kind=Kind.RUN_ASKED,
            text=f"{said}: {note}" if note else said,
            incident_id=incident.id,
            alert_id=alert_id,
        )
        await timeline.add(transaction, asked, replace(asked, kind=Kind.CONTEXT_FOUND, text=text))
    return incident


def _answer(recorded: Recorded) -> str:
    decision: Decision = recorded.decision
    outcome = decision.outcome.value if decision.outcome else f"goes ahead as remediation {recorded.run_id}"
    return f"{outcome}. {decision.reason}"
