"""What a run does next. Pure: the pipeline reads the facts, asks here, and keeps the answer before anything else."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.errors import DocumentError
from receiver.model.remediation import Outcome, Run
from receiver.remediate.actions import Params, effect
from receiver.remediate.actions.approve import Approve
from receiver.remediate.actions.verify import Verify
from receiver.remediate.actions.wait import WaitUntil
from receiver.remediate.attempt import (
    APPROVED_UNTIL,
    approvals_of,
    attempt,
    finish,
    rejection_of,
    still_fires,
    wait_for_cluster,
)
from receiver.remediate.course import has_acted, has_ended, is_midway
from receiver.remediate.expression import Expression, NotEvaluable, reading
from receiver.remediate.facts import KEPT, Facts, is_the_one, lasting, values_of, watched
from receiver.remediate.language import parse_step
from receiver.remediate.tick import Finished, Passed, Tick, Wait
from receiver.remediate.vocabulary import RESOLVES, Values

SHORTEST_POLL: Final = timedelta(seconds=1)
LONGEST_POLL: Final = timedelta(seconds=10)
LONGEST_BLINK: Final = timedelta(minutes=3)
"""How long nobody may have looked at a condition that is to hold without a break: longer than a replica needs to take
over, and shorter than a workflow needs to get stuck once more unseen."""
APPROVAL_POLL: Final = timedelta(minutes=1)
"""How often an unanswered approval is looked at: an alert may resolve meanwhile. An answer wakes the run at once."""

_NO_PROOF: Final = "the run that the alert was about was ended by this remediation, so its resolve proves nothing"


def advance(run: Run, facts: Facts) -> Tick:
    """Say what comes next in a run that is not finished.

    Args:
        run: The run with its journal. An entry without a result at the present step may have taken effect.
        facts: What is known now; `watched` names the workflow that it must hold, and the action's
            `look` gives `seen`.

    Returns:
        `Step`: write it down, perform it, then ask `after_failure` or go on with the next step. `Wait`: look again.
        `Passed`: go on with the next step. `Finished`: it is over.
    """
    if run.cursor >= len(run.steps):
        return finish(run, Outcome.SUCCEEDED, "All steps were taken.")
    try:
        verb, params = parse_step(run.steps[run.cursor])
    except DocumentError as error:
        return finish(run, Outcome.FAILED, f"Its next step cannot be read: {error}")
    changing = effect(verb)
    if changing is not None:
        return attempt(run, facts, changing, params)
    if facts.cancelled_by and not is_midway(run):
        return _cancelled(run, facts)
    return _watch(run, facts, params)


def _watch(run: Run, facts: Facts, params: Params) -> Tick:
    match params:
        case Approve():
            return _approve(run, facts, params)
        case WaitUntil():
            return _wait(run, facts, params)
        case Verify():
            return _verify(run, facts, params)
    return finish(run, Outcome.FAILED, f"Nothing here can carry out a {type(params).__name__}.")


def _cancelled(run: Run, facts: Facts) -> Finished:
    what = "after what it changed was made good, unchecked" if has_acted(run) else "before anything was done"
    return finish(run, Outcome.CANCELLED, f"{facts.cancelled_by} cancelled it {what}.")


def _approve(run: Run, facts: Facts, asked: Approve) -> Tick:
    deadline = run.entered_at + asked.timeout
    rejection = rejection_of(facts, run.cursor, deadline)
    if rejection is not None:
        return finish(run, Outcome.REJECTED, f"{rejection.by} rejected it.")
    over = None if has_acted(run) else still_fires(run, facts)
    if over is not None:
        return over
    agreed = approvals_of(facts, run.cursor, deadline)
    if len(agreed) >= asked.people:
        people = " and ".join(one.by for one in agreed)
        result = {"approved_by": people, "at": agreed[-1].at.isoformat()}
        variables = lasting(run.vars) | {APPROVED_UNTIL: deadline.isoformat()}
        return Passed(vars=variables, text=f"{people} approved it.", result=result)
    if facts.now >= deadline:
        limit = format_duration(asked.timeout)
        nobody = "Nobody" if asked.people == 1 else f"Only {len(agreed)} of {asked.people} people"
        return finish(run, Outcome.TIMED_OUT, f"{nobody} approved it within {limit}, so nothing more is done.")
    by = deadline.isoformat(timespec="seconds")
    text = f"It waits for a person's approval until {by}."
    if asked.people > 1:
        text = f"{len(agreed)} of {asked.people} people approved it so far; it waits for the others until {by}."
    return Wait(until=min(deadline, facts.now + APPROVAL_POLL), vars=lasting(run.vars), text=text)


def _wait(run: Run, facts: Facts, wanted: WaitUntil) -> Tick:
    unwatchable = _unwatchable(run, facts)
    if unwatchable is not None:
        return unwatchable
    holds, seen = _ask(run, facts, wanted.until)
    if holds:
        return Passed(vars=lasting(run.vars), text=f"{wanted.until.shown} is true: {seen}.")
    deadline = run.entered_at + wanted.timeout
    if facts.now >= deadline:
        text = f"{wanted.until.shown} was not true within {format_duration(wanted.timeout)}: {seen}."
        if wanted.on_timeout == "go_on":
            return Passed(vars=lasting(run.vars), text=f"{text} It goes on all the same.")
        return finish(run, Outcome.TIMED_OUT, text)
    until = min(deadline, facts.now + _poll(wanted.timeout / 60))
    return Wait(until=until, vars=lasting(run.vars), text=f"{wanted.until.shown} is not true yet: {seen}.")


def _verify(run: Run, facts: Facts, check: Verify) -> Tick:
    unwatchable = _unwatchable(run, facts)
    if unwatchable is not None:
        return unwatchable
    holds, seen = _ask(run, facts, check.that)
    held_since = _held_since(run, facts) if holds else None
    if held_since is not None and (facts.now - held_since >= check.hold or _is_finished(facts)):
        text = f"It helped: {check.that.shown} is true ({seen})."
        return Passed(vars=lasting(run.vars), text=text)
    deadline = run.entered_at + check.within
    if facts.now >= deadline:
        within = format_duration(check.within)
        text = f"It did not help: {check.that.shown} did not hold for {format_duration(check.hold)} within {within}"
        return finish(run, Outcome.FAILED, f"{text}; now {seen}.")
    return Wait(
        until=min(deadline, *_next_looks(facts.now, held_since, check.hold)),
        vars=lasting(run.vars) | _holding(held_since, facts.now),
        text=f"{check.that.shown} is {'true' if holds else 'not true'} at the moment: {seen}.",
    )


def _unwatchable(run: Run, facts: Facts) -> Tick | None:
    """Decide what to do when the workflow cannot be looked at; None when it can."""
    if facts.workflow_error:
        return wait_for_cluster(run, facts, facts.workflow_error)
    reference = watched(run)
    aside = run.target is not None and reference is None
    if aside or is_the_one(run, facts.workflow):
        return None
    name = f"{reference.namespace}/{reference.name}" if reference else "(none)"
    if facts.workflow is None and is_midway(run) and run.vars.get(KEPT):
        text = f"Workflow {name} was deleted, so it has ended; it is made anew from what was kept."
        return Passed(vars=lasting(run.vars), text=text)
    what = "is not there any more" if facts.workflow is None else "was replaced by another one of its name"
    return finish(run, Outcome.FAILED, f"Workflow {name} {what}, so it cannot be watched.")


def _ask(run: Run, facts: Facts, condition: Expression) -> tuple[bool, str]:
    """Evaluate a condition; one that cannot be evaluated is not true, and says why."""
    values = values_of(run, facts)
    if has_ended(run):
        values = _without_resolve(values)
    try:
        return condition.holds(values), reading(condition, values)
    except NotEvaluable as error:
        return False, str(error)


def _without_resolve(values: Values) -> Values:
    """Leave out whether the alert fires: where the run ended what it is about, its resolve says nothing of a cure."""
    known = {name: value for name, value in values.known.items() if name not in RESOLVES}
    return replace(values, known=known, missing={**values.missing, **dict.fromkeys(RESOLVES, _NO_PROOF)})


def _holding(since: datetime | None, now: datetime) -> dict[str, str]:
    return {} if since is None else {"held_since": since.isoformat(), "held_seen": now.isoformat()}


def _held_since(run: Run, facts: Facts) -> datetime:
    """Say since when a condition has held; a time in which nobody could look does not count."""
    since, seen = run.vars.get("held_since"), run.vars.get("held_seen")
    if not isinstance(since, str) or not isinstance(seen, str):
        return facts.now
    unseen = facts.now - datetime.fromisoformat(seen)
    return facts.now if unseen > LONGEST_BLINK else datetime.fromisoformat(since)


def _is_finished(facts: Facts) -> bool:
    return facts.workflow is not None and facts.workflow.finished


def _next_looks(now: datetime, held_since: datetime | None, hold: timedelta) -> tuple[datetime, ...]:
    polled = now + _poll(hold / 20)
    return (polled,) if held_since is None else (polled, held_since + hold)


def _poll(wished: timedelta) -> timedelta:
    return min(max(wished, SHORTEST_POLL), LONGEST_POLL)
