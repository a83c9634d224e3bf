"""The story beneath an incident's one message: each thing worth a line of its own, in order, said once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.remediation import EntryState, Outcome, Run, RunState
from receiver.model.timeline import Kind
from receiver.notify import account
from receiver.notify.situation import FLAPPING, Situation, is_asking
from receiver.notify.words import clean, cut, moment

MOST_REFUSALS: Final = 10
"""So many different refusals get a line; the message itself counts the rest."""

_FOR_ALL: Final = frozenset({Kind.BREAKER_OPENED, Kind.DEMOTED})
"""Notes that are shown in the channel as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One reply.

    Attributes:
        key: What it is about, within its incident; equal keys are one reply, ever.
        text: Plain, clean, not escaped.
        cause: Why it is said, for the timeline.
        broadcast: Whether it is shown in the channel as well.
        news: Whether it is said in the channel where there are no threads.
    """

    key: str
    text: str
    cause: str
    broadcast: bool = False
    news: bool = False


def lines(situation: Situation) -> list[Line]:
    """List everything that the thread should say by now."""
    told = list(_refusals(situation))
    for run in sorted(situation.story.runs, key=lambda run: run.id):
        told += _run(run, paging=run in situation.paging)
    return [*told, *_notes(situation), *_flaps(situation), *_end(situation)]


def _refusals(situation: Situation) -> Iterator[Line]:
    """One line for each way in which a playbook declined, not for each of a thousand alerts."""
    for key, alike in list(account.distinct_refusals(situation).items())[:MOST_REFUSALS]:
        yield Line(key=f"decision:{key}", text=account.refusal(alike[0]), cause=f"a playbook declined: {key}")


def _run(run: Run, *, paging: bool) -> Iterator[Line]:
    number, where = f"run {run.id}", account.target_of(run)
    yield Line(
        key=f"run:{run.id}:started",
        text=f"{moment(run.started_at)} {account.name(run.playbook)} begins on {where} ({number}, {run.mode.value}).",
        cause=f"{number} started",
    )
    for entry in run.journal:
        if entry.state is EntryState.DONE:
            text = f"{moment(entry.finished_at or entry.started_at)} {account.done(entry)}"
            made = account.successor_of(run) if entry.action == "workflow.resubmit" else ""
            text = f"{text.removesuffix('.')}: {made}." if made else text
            yield Line(key=f"run:{run.id}:step:{entry.cursor}", text=text, cause=f"{number} took a step")
        elif entry.state is EntryState.FAILED:
            text = f"{account.name(entry.action)} failed (attempt {entry.attempt}): {cut(clean(entry.error), 500)}"
            yield Line(key=f"run:{run.id}:step:{entry.cursor}:failed", text=text, cause=f"{number}: a step failed")
    if is_asking(run):
        text = f"{account.deed_of(run)} {account.advice_on(run)}"
        yield Line(key=f"run:{run.id}:asks:{run.cursor}", text=text, cause=f"{number} waits for approval", news=True)
    if run.state is RunState.FINISHED:
        yield _finish(run, paging=paging)


def _finish(run: Run, *, paging: bool) -> Line:
    text = account.deed_of(run)
    if run.outcome is Outcome.SUCCEEDED:
        text = f"{text} {account.reason_of(run)}".strip()
    if paging:
        text = f"{text} What to do: {account.advice_on(run)}"
    outcome = run.outcome.value if run.outcome else "ended"
    cause = f"run {run.id} {outcome}"
    return Line(key=f"run:{run.id}:finished", text=text, cause=cause, broadcast=paging, news=True)


def _notes(situation: Situation) -> Iterator[Line]:
    """What becomes of a playbook concerns more people than those who follow this thread."""
    for note in situation.story.notes:
        text = f"{moment(note.at)} {cut(clean(note.text), 500)}"
        wide = note.kind in _FOR_ALL
        key = f"note:{note.kind.value}:{note.at.isoformat()}"
        yield Line(key=key, text=text, cause=note.kind.value, broadcast=wide, news=True)


def _flaps(situation: Situation) -> Iterator[Line]:
    """Tell each return until there are so many that it flaps; that is said once, and counted in the message above."""
    flaps = situation.story.incident.flaps
    if not flaps or not situation.fires:
        return
    times = "once" if flaps == 1 else f"{flaps} times"
    if flaps < FLAPPING:
        yield Line(key=f"refired:{flaps}", text=f"Firing again; it has come back {times}.", cause="firing again")
        return
    lasted = format_duration(max(situation.now - situation.story.incident.opened_at, timedelta()))
    text = f"It flaps: it has come back {times} in {lasted}. The message above goes on counting; this thread rests."
    yield Line(key="flapping", text=text, cause="it flaps")


def _end(situation: Situation) -> Iterator[Line]:
    incident = situation.story.incident
    if situation.closed:
        at = incident.closed_at or situation.now
        text = f"{moment(at)} Over: {account.status(situation)}."
        yield Line(key=f"closed:{at.isoformat()}", text=text, cause="closed", news=True)
    elif incident.quiet_since is not None and incident.flaps < FLAPPING:
        text = f"{moment(incident.quiet_since)} All alerts are resolved; it is over unless one fires again soon."
        yield Line(key=f"quiet:{incident.flaps}", text=text, cause="resolved")
