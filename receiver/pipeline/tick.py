"""Take one run one step further: look, decide, write down, act, write down."""

from datetime import datetime
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import ActionError, ClusterError, NotFound
from receiver.model.incident import Incident, Occurrence
from receiver.model.remediation import Run, RunState
from receiver.model.request import Kind as Wish, Request
from receiver.model.timeline import Event, Kind
from receiver.model.workflow import Workflow
from receiver.pipeline.acting import perform, see
from receiver.pipeline.brake import held_back, moment, refuse
from receiver.pipeline.evidence import secure
from receiver.pipeline.rooms import Rooms
from receiver.remediate.actions import Performed
from receiver.remediate.attempt import UNDER_WAY_POLL, after_failure
from receiver.remediate.facts import Facts, Reference, Verdict, verb_at, watched
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Passed, Step, Wait
from receiver.store import looks, requests, runs, timeline
from receiver.store.database import Transaction
from receiver.store.history import incidents
from receiver.store.jobs import Job
from receiver.store.stories import LOOK_LEASE

log = structlog.get_logger()

_NO_CLUSTER = "no cluster is configured: set kubernetes.kubeconfig and kubernetes.context, or run inside one"
_TOLD = "told_at_step"
"""Variable of a run: the step at which people were told that it waits."""


async def tick(rooms: Rooms, run_id: int, cursor: int) -> None:
    """Take a run further, if it still stands where the job says."""
    async with rooms.database.transaction() as transaction:
        run = await runs.read(transaction, run_id)
        if run is None or run.state is RunState.FINISHED or run.cursor != cursor:
            return
        alert = await runs.alert_of(transaction, run)
        incident = await incidents.get(transaction, run.incident_id)
        wishes = await requests.open_for_run(transaction, run_id)
    with bound_contextvars(incident_id=run.incident_id, run_id=run_id):
        await _step(rooms, run, alert, incident, wishes)


async def _step(
    rooms: Rooms, run: Run, alert: Occurrence, incident: Incident | None, wishes: tuple[Request, ...]
) -> None:
    facts = await _look(rooms, run, alert, incident, wishes)
    due = advance(run, facts)
    if isinstance(due, Step):
        kept = await secure(rooms, run, facts)
        if kept is True:
            # Gathering took a while: whatever was read before it is read anew.
            await tick(rooms, run.id, run.cursor)
            return
        due = kept or due
    match due:
        case Step() as step:
            await _take(rooms, run, facts, step)
        case Wait() as wait:
            await _wait(rooms, run, wait)
        case Passed() as passed:
            await _pass(rooms, run, passed)
        case Finished() as finished:
            await _finish(rooms, run, finished)


async def _look(
    rooms: Rooms, run: Run, alert: Occurrence, incident: Incident | None, wishes: tuple[Request, ...]
) -> Facts:
    """Read the cluster as it is now, and what people said meanwhile."""
    workflow, error = await _read(rooms.cluster, watched(run))
    pods = None
    if rooms.cluster is not None and workflow is not None:
        try:
            pods = await rooms.cluster.pods_of(workflow)
        except ClusterError as unread:
            log.warning("pods", action="pods_unread", error=str(unread))
    cancelled = next((wish for wish in wishes if wish.kind is Wish.CANCEL), None)
    facts = Facts(
        now=rooms.now(),
        confirm=run.confirm,
        alert=alert,
        incident=incident,
        workflow=workflow,
        workflow_error=error,
        pods=pods,
        verdicts=_verdicts(run, wishes),
        cancelled_by=cancelled.asked_by if cancelled else "",
    )
    return facts if error else await see(rooms, run, facts)


async def _read(cluster: Cluster | None, reference: Reference | None) -> tuple[Workflow | None, str]:
    """Read a workflow: what it is, and why it could not be read; neither when it is not there."""
    if reference is None:
        return None, ""
    if cluster is None:
        return None, _NO_CLUSTER
    try:
        return await cluster.get_workflow(reference.namespace, reference.name), ""
    except NotFound:
        return None, ""
    except ClusterError as error:
        return None, str(error)


def _verdicts(run: Run, wishes: tuple[Request, ...]) -> tuple[Verdict, ...]:
    """Turn answers of people into verdicts; one that names no step is about the first that asks."""
    asking = next((cursor for cursor in range(len(run.steps)) if verb_at(run, cursor) == "approve"), 0)
    return tuple(
        Verdict(
            cursor=int(wish.detail.get("cursor", asking)),
            approved=wish.kind is Wish.APPROVE,
            by=wish.asked_by,
            at=wish.at,
        )
        for wish in wishes
        if wish.kind in {Wish.APPROVE, Wish.REJECT}
    )


async def _take(rooms: Rooms, run: Run, facts: Facts, step: Step) -> None:
    """Write an effect down and take it, unless something has come up that holds the run back."""
    async with rooms.database.transaction() as transaction:
        at = await moment(rooms, transaction, run)
        held = await held_back(rooms, transaction, run, facts.alert, at)
        if held is None:
            attempt, action = step.attempt, step.action
            if not await runs.intend(transaction, run, attempt=attempt, action=action, at=at, intent=step.intent):
                return
            await timeline.add(transaction, _event(run, at, Kind.STEP_INTENDED, step.text, attempt=step.attempt))
        elif isinstance(held, Finished):
            await _end(rooms, transaction, run, held, at=at)
    if held is None:
        await _act(rooms, run, facts, step)
    elif isinstance(held, Wait):
        await _wait(rooms, run, held)


async def _act(rooms: Rooms, run: Run, facts: Facts, step: Step) -> None:
    """Take the effect that was written down, and write down what became of it."""
    try:
        done = await perform(rooms, run, facts)
    except (ClusterError, ActionError) as error:
        at = rooms.now()
        async with rooms.database.transaction() as transaction:
            await runs.settle(transaction, run, attempt=step.attempt, at=at, error=str(error))
            await timeline.add(transaction, _event(run, at, Kind.STEP_FAILED, str(error), attempt=step.attempt))
        match after_failure(run, error, step.attempt, at):
            case Wait() as wait:
                await _wait(rooms, run, wait)
            case Finished() as finished:
                await _finish(rooms, run, finished, taken=1)
        return
    if done.under_way:
        await _begin(rooms, run, step, done)
        return
    await _go_on(rooms, run, attempt=step.attempt, text=done.text, variables=done.vars, result=done.result)


async def _begin(rooms: Rooms, run: Run, step: Step, done: Performed) -> None:
    """Commit that an effect was begun which takes its time; the run stays at the step until it has ended."""
    at = rooms.now()
    async with rooms.database.transaction() as transaction:
        result = {**done.result, "text": done.text}
        await runs.settle(transaction, run, attempt=step.attempt, at=at, result=result)
        await timeline.add(transaction, _event(run, at, Kind.STEP_DONE, done.text, result=dict(done.result)))
    await _wait(rooms, run, Wait(until=at + UNDER_WAY_POLL, vars=done.vars, text=done.text))


async def _pass(rooms: Rooms, run: Run, passed: Passed) -> None:
    attempt = passed.recovered.attempt if passed.recovered else None
    await _go_on(rooms, run, attempt=attempt, text=passed.text, variables=passed.vars, result=passed.result)


async def _go_on(rooms: Rooms, run: Run, *, attempt: int | None, text: str, variables: Any, result: Any) -> None:
    """Commit a step's end, the next cursor and its job together."""
    at = rooms.now()
    async with rooms.database.transaction() as transaction:
        if not await runs.go_on(transaction, run, at=at, variables=variables):
            return
        if attempt is not None:
            await runs.settle(transaction, run, attempt=attempt, at=at, result={**result, "text": text})
        await timeline.add(transaction, _event(run, at, Kind.STEP_DONE, text, result=dict(result)))
        await rooms.queue.enqueue(transaction, Job.TICK, {"run_id": run.id, "cursor": run.cursor + 1})


async def _wait(rooms: Rooms, run: Run, wait: Wait) -> None:
    """Commit until when nothing is to be done; people are told once for each step that waits."""
    at = rooms.now()
    variables = dict(wait.vars) | {_TOLD: run.cursor}
    async with rooms.database.transaction() as transaction:
        if not await runs.wait(transaction, run, until=wait.until, variables=variables, why=wait.text):
            return
        if run.vars.get(_TOLD) != run.cursor:
            await timeline.add(transaction, _event(run, at, Kind.RUN_WAITING, wait.text))
            await _demand_look(rooms, transaction, run, at)


async def _finish(rooms: Rooms, run: Run, finished: Finished, *, taken: int = 0) -> None:
    """Commit the outcome, answer whoever asked for something, and have people told; see `runs.finish` for *taken*."""
    at = rooms.now()
    async with rooms.database.transaction() as transaction:
        await _end(rooms, transaction, run, finished, at=at, taken=taken)


async def _end(
    rooms: Rooms, transaction: Transaction, run: Run, finished: Finished, *, at: datetime, taken: int = 0
) -> None:
    ended = await runs.finish(
        transaction,
        run,
        at=at,
        outcome=finished.outcome,
        reason=finished.text,
        variables=finished.vars or run.vars,
        escalate=run.escalate or finished.must_page,
        taken=taken,
    )
    if not ended:
        return
    if finished.refused_by is not None:
        await refuse(rooms, transaction, run, finished.refused_by, reason=finished.text, at=at)
    text = f"{run.playbook}: {finished.outcome.value}. {finished.text}"
    await timeline.add(transaction, _event(run, at, Kind.RUN_FINISHED, text, outcome=finished.outcome.value))
    for wish in await requests.open_for_run(transaction, run.id):
        await requests.answer(transaction, wish.id, f"the run ended as {finished.outcome.value}: {finished.text}")
    await _demand_look(rooms, transaction, run, at)


async def _demand_look(rooms: Rooms, transaction: Transaction, run: Run, at: datetime) -> None:
    await looks.demand(transaction, run.incident_id, at + LOOK_LEASE)
    await rooms.queue.enqueue(transaction, Job.LOOK, {"incident_id": run.incident_id})


def _event(run: Run, at: datetime, kind: Kind, text: str, **detail: Any) -> Event:
    return Event(
        at=at,
        kind=kind,
        text=text,
        incident_id=run.incident_id,
        alert_id=run.alert_id,
        run_id=run.id,
        detail={"step": verb_at(run, run.cursor), "cursor": run.cursor, **detail},
    )
