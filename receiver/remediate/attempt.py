"""An effect: whether it is its turn, whether it happened already, and what follows when it failed.

Before the first effect everything is asked once more, and anything may still stop the run. After a workflow was ended
nothing stops it before the step that brings it back.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from receiver.model.alert import AlertStatus
from receiver.model.duration import format_duration
from receiver.model.errors import (
    ActionError,
    ClusterBusy,
    ClusterError,
    Conflict,
    NotFound,
    PreconditionFailed,
    WorkflowFinished,
)
from receiver.model.remediation import Entry, Mode, Outcome, Run
from receiver.remediate.actions import Effect, Failed, Params, Performed, Turn
from receiver.remediate.course import has_acted, is_midway
from receiver.remediate.expression import Expression, NotEvaluable, reading
from receiver.remediate.facts import (
    Facts,
    Verdict,
    entries_at,
    is_the_one,
    lasting,
    values_of,
    verb_at,
    watched,
)
from receiver.remediate.tick import Finished, Passed, Step, Tick, Wait

MOST_ATTEMPTS: Final = 5
"""Of one step."""
BACKOFF: Final = timedelta(seconds=2)
"""Pause after the first attempt; each further one doubles it."""
LONGEST_BACKOFF: Final = timedelta(seconds=30)
SETTLE: Final = timedelta(seconds=30)
"""How long after an attempt without an answer its request may still arrive; three times the time limit of a request."""
APPROVED_UNTIL: Final = "approved_until"
"""Variable of a run: until when the last approval may be acted on."""
APPROVAL_GRACE: Final = timedelta(minutes=5)
"""How late an effect may be that was approved in the last moment: a cluster may be away for a while."""
UNDER_WAY_POLL: Final = timedelta(seconds=10)
"""How often an effect that takes its time is looked at."""
UNREADABLE_LIMIT: Final = timedelta(minutes=15)
"""How long a run waits for a cluster that cannot be read: longer than an API server needs to be replaced."""


def attempt(run: Run, facts: Facts, effect: Effect[Any], params: Params) -> Tick:
    """Decide about the present step, which has an effect.

    Args:
        run: The run.
        facts: What is known now; `seen` is what the effect's `look` returned.
        effect: The action of the present step.
        params: Its parameters.
    """
    if run.mode is Mode.DRY_RUN:
        return finish(run, Outcome.SIMULATED, "Dry run: nothing is done.")
    if run.target is None:
        return finish(run, Outcome.FAILED, "The run has nothing to act on.")
    if facts.workflow_error:
        return wait_for_cluster(run, facts, facts.workflow_error)
    turn = Turn(run=run, target=run.target, facts=facts, params=params)
    entries = entries_at(run, run.cursor)
    return _recovered(effect, turn, entries) or _refusal(effect, turn, entries) or _step(effect, turn, entries)


def after_failure(run: Run, error: ClusterError | ActionError, number: int, now: datetime) -> Wait | Finished:
    """Say what follows when an attempt at the present step failed.

    Args:
        run: The run, as it was when the attempt began.
        error: Why it failed.
        number: Number of the attempt, from 1.
        now: The present time.

    Returns:
        A pause after which `advance` looks whether it happened all the same, and else tries again or gives up; or the
        end, when another attempt cannot help.
    """
    if error.retryable or isinstance(error, Conflict):
        asked = error.retry_after if isinstance(error, ClusterBusy) else None
        pause = max(backoff(number), asked or timedelta())
        text = f"Attempt {number} of {MOST_ATTEMPTS} failed; it is looked at again in {format_duration(pause)}: {error}"
        return Wait(until=now + pause, vars=lasting(run.vars), text=text)
    lost = isinstance(error, NotFound | PreconditionFailed)
    if not has_acted(run) and lost and number > 1 and watched(run) is not None:
        return _unknown(run)
    if not has_acted(run) and (lost or isinstance(error, WorkflowFinished)):
        return finish(run, Outcome.SKIPPED, f"Nothing was done, since what it acts on changed meanwhile: {error}")
    return finish(run, Outcome.FAILED, f"{verb_at(run, run.cursor)} was refused: {error}")


def backoff(number: int) -> timedelta:
    """Give the pause after an attempt, the first being 1."""
    return min(BACKOFF * (1 << min(max(number, 1) - 1, 10)), LONGEST_BACKOFF)


def finish(run: Run, outcome: Outcome, text: str) -> Finished:
    """End a run; what it ended and did not make good is told in any case."""
    harmless = outcome in {Outcome.SUCCEEDED, Outcome.SKIPPED}
    return Finished(outcome=outcome, text=text, must_page=is_midway(run) and not harmless, vars=lasting(run.vars))


def wait_for_cluster(run: Run, facts: Facts, error: str) -> Wait | Finished:
    """Wait for a cluster that cannot be read, up to a limit."""
    said = run.vars.get("unreadable_since")
    since = datetime.fromisoformat(said) if isinstance(said, str) else facts.now
    elapsed = facts.now - since
    if elapsed >= UNREADABLE_LIMIT:
        text = f"The workflow could not be read for {format_duration(elapsed)}, so the run is given up: {error}"
        return finish(run, Outcome.FAILED, text)
    pause = min(max(elapsed / 2, BACKOFF), LONGEST_BACKOFF)
    return Wait(
        until=min(facts.now + pause, since + UNREADABLE_LIMIT),
        vars={**run.vars, "unreadable_since": since.isoformat()},
        text=f"The workflow cannot be read at the moment: {error}",
    )


def rejection_of(facts: Facts, cursor: int, deadline: datetime) -> Verdict | None:
    """Give the first rejection of a step in time; it counts whoever agreed before."""
    said = [one for one in facts.verdicts if one.cursor == cursor and one.at <= deadline and not one.approved]
    return min(said, key=lambda one: one.at, default=None)


def approvals_of(facts: Facts, cursor: int, deadline: datetime) -> list[Verdict]:
    """Give the first word of each person who agreed to a step in time, oldest first."""
    said = [one for one in facts.verdicts if one.cursor == cursor and one.at <= deadline and one.approved]
    first: dict[str, Verdict] = {}
    for one in sorted(said, key=lambda one: one.at):
        first.setdefault(one.by, one)
    return list(first.values())


def still_fires(run: Run, facts: Facts) -> Finished | None:
    """End a run that has not acted when its alert is over."""
    if facts.alert.status is AlertStatus.FIRING:
        return None
    return finish(run, Outcome.SKIPPED, "The alert was resolved before anything was done, so nothing is done.")


def _recovered(effect: Effect[Any], turn: Turn[Any], entries: list[Entry]) -> Tick | None:
    """Say what follows where the effect is there already; None where it is not."""
    match effect.recover(turn):
        case Failed(text=text):
            return finish(turn.run, Outcome.FAILED, text)
        case Performed(under_way=True) as begun:
            return _under_way(turn.run, turn.facts, begun)
        case Performed() as done:
            last = entries[-1] if entries else None
            return Passed(vars=done.vars, text=done.text, result=done.result, recovered=last)
    return None


def _under_way(run: Run, facts: Facts, begun: Performed) -> Wait | Finished:
    """Wait for the end of an effect that was begun; a person may stop the waiting, not the effect."""
    if facts.cancelled_by and not is_midway(run):
        text = f"{facts.cancelled_by} cancelled it. What was begun goes on: {begun.text}"
        return finish(run, Outcome.CANCELLED, text)
    return Wait(until=facts.now + UNDER_WAY_POLL, vars=begun.vars, text=begun.text)


def _refusal(effect: Effect[Any], turn: Turn[Any], entries: list[Entry]) -> Finished | Wait | None:
    """Say what stands against the step; None when nothing does."""
    run, facts = turn.run, turn.facts
    end = _after_first(effect, turn) if has_acted(run) else _before_first(effect, turn)
    if end is None and len(entries) >= MOST_ATTEMPTS:
        last = entries[-1].error or "no answer came"
        end = finish(run, Outcome.FAILED, f"{effect.name} was tried {len(entries)} times in vain; last: {last}")
    if end is None and entries and not effect.repeatable(turn.params):
        end = _unrepeatable(run, effect, entries[-1])
    return _settled(run, facts, entries[-1], end) if isinstance(end, Finished) and entries else end


def _before_first(effect: Effect[Any], turn: Turn[Any]) -> Finished | Wait | None:
    run, facts = turn.run, turn.facts
    if facts.cancelled_by:
        return finish(run, Outcome.CANCELLED, f"{facts.cancelled_by} cancelled it before anything was done.")
    disapproved = _disapproved(run, facts)
    if disapproved is not None:
        return disapproved
    reason = effect.moot(turn) or effect.refusal(turn)
    if reason:
        return finish(run, Outcome.SKIPPED, f"Nothing was done: {reason}.")
    return still_fires(run, facts) or _confirmed(run, facts)


def _after_first(effect: Effect[Any], turn: Turn[Any]) -> Finished | None:
    moot = effect.moot(turn)
    if moot:
        return finish(turn.run, Outcome.SKIPPED, f"Nothing more was done: {moot}.")
    refusal = effect.refusal(turn)
    return finish(turn.run, Outcome.FAILED, f"{effect.name} must not be done: {refusal}.") if refusal else None


def _unrepeatable(run: Run, effect: Effect[Any], last: Entry) -> Finished:
    text = (
        f"{effect.name} was asked for, and whether it was done cannot be seen ({last.error or 'no answer came'}). "
        "Asking again could do it twice: look at the workflow, then decide."
    )
    return Finished(outcome=Outcome.FAILED, text=text, must_page=True, vars=lasting(run.vars))


def _disapproved(run: Run, facts: Facts) -> Finished | None:
    answers = [one for one in facts.verdicts if one.cursor < run.cursor]
    rejection = next((one for one in answers if not one.approved), None)
    if rejection is not None:
        return finish(run, Outcome.REJECTED, f"{rejection.by} rejected it before anything was done.")
    if run.mode is Mode.PROPOSE and not answers:
        return finish(run, Outcome.BLOCKED, "Nobody approved it, and a proposed run acts only after an approval.")
    return _expired(run, facts)


def _expired(run: Run, facts: Facts) -> Finished | None:
    """End a run whose approval came in time and is acted on too late, such as after an outage."""
    until = run.vars.get(APPROVED_UNTIL)
    if not isinstance(until, str) or verb_at(run, run.cursor - 1) != "approve":
        return None
    if facts.now <= datetime.fromisoformat(until) + APPROVAL_GRACE:
        return None
    text = f"It was approved, and the approval held until {until}: it is not acted on so late."
    return finish(run, Outcome.TIMED_OUT, text)


def _confirmed(run: Run, facts: Facts) -> Finished | Wait | None:
    values = values_of(run, facts)
    try:
        expression = Expression(facts.confirm)
        if expression.holds(values):
            return None
    except NotEvaluable as error:
        if facts.pods is None:
            return wait_for_cluster(run, facts, str(error))
        return finish(run, Outcome.BLOCKED, f"Guard confirm refused: {error}.")
    except ValueError as error:
        return finish(run, Outcome.BLOCKED, f"Guard confirm refused: the condition cannot be used: {error}.")
    return finish(run, Outcome.SKIPPED, f"{expression.shown} is not true any more: {reading(expression, values)}.")


def _settled(run: Run, facts: Facts, last: Entry, end: Finished) -> Finished | Wait:
    """End a run whose effect was attempted and is not to be seen: not while the request may still arrive."""
    settled_at = last.started_at + SETTLE
    if facts.now < settled_at:
        text = f"An attempt was made moments ago and may still take effect; then: {end.text}"
        return Wait(until=settled_at, vars=lasting(run.vars), text=text)
    known = watched(run) is None or is_the_one(run, facts.workflow)
    return end if has_acted(run) or known else _unknown(run)


def _unknown(run: Run) -> Finished:
    text = (
        f"{verb_at(run, run.cursor)} was attempted, and the workflow has gone since. Whether this run ended it cannot "
        "be seen any more: look whether it has to be started again."
    )
    return Finished(outcome=Outcome.FAILED, text=text, must_page=True, vars=lasting(run.vars))


def _step(effect: Effect[Any], turn: Turn[Any], entries: list[Entry]) -> Step | Wait:
    run, target = turn.run, turn.target
    if entries:
        last = entries[-1]
        due_at = (last.finished_at or last.started_at) + backoff(last.attempt)
        if turn.facts.now < due_at:
            return Wait(until=due_at, vars=lasting(run.vars), text="A pause before the next attempt.")
    return Step(
        cursor=run.cursor,
        action=effect.name,
        params=run.steps[run.cursor].get("params", {}),
        attempt=entries[-1].attempt + 1 if entries else 1,
        operation=turn.operation,
        intent=effect.intent(turn),
        text=f"It is going to {effect.say(turn.params, f'{target.namespace}/{target.name}')}.",
    )
