"""What Receiver is doing about an incident at this moment, what it waits for, and how soon a person should look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.incident import SEVERITIES, IncidentState
from receiver.model.remediation import Decision, Mode, Outcome, Run
from receiver.store.history.present import Present

_FAILED: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
_ASKS: Final = "approve"
"""The verb of a step that waits for a person."""


class Urgency(IntEnum):
    """Why somebody should look, most urgent first."""

    DECIDE = 0
    """A playbook waits for a person's word."""
    HELP = 1
    """A playbook failed, and nobody has taken the incident on."""
    FIRES = 2
    """It fires, nothing is under way, and nobody has it."""
    AT_WORK = 3
    """Receiver is about it."""
    TAKEN = 4
    """Somebody has it."""
    QUIET = 5
    """Nothing fires any more; it closes by itself."""


HEADINGS: Final[Mapping[Urgency, str]] = {
    Urgency.DECIDE: "Waiting for your decision",
    Urgency.HELP: "A playbook failed; a person has to look",
    Urgency.FIRES: "Firing, and nobody has it",
    Urgency.AT_WORK: "Receiver is at work",
    Urgency.TAKEN: "Somebody has it",
    Urgency.QUIET: "Quiet, about to close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """How one incident stands.

    Attributes:
        urgency: How soon a person should look.
        text: What is being done, for people; quotes names, so it is not to be trusted.
        waits: What has to happen next.
        asking: The run that waits for a person's word; None where none does.
    """

    urgency: Urgency
    text: str
    waits: str
    asking: Run | None


def is_asking(run: Run) -> bool:
    """Answer whether an unfinished run waits for a person."""
    return verb_at(run) == _ASKS


def verb_at(run: Run) -> str:
    """Name the verb of the step that a run is at; empty where it has passed all."""
    return str(run.steps[run.cursor].get("action", "")) if 0 <= run.cursor < len(run.steps) else ""


def doing(present: Present, now: datetime) -> Doing:
    """Say how an incident stands."""
    asking = next((run for run in present.runs if is_asking(run)), None)
    text, waits = _story(present, asking, now)
    return Doing(urgency=_urgency(present, asking), text=text, waits=waits, asking=asking)


def by_urgency(found: Iterable[Present], now: datetime) -> list[tuple[str, list[tuple[Present, Doing]]]]:
    """Group incidents under headings, the most urgent first, in each the worst and then the oldest first."""
    ranks = {name: rank for rank, name in enumerate(SEVERITIES)}
    judged = [(one, doing(one, now)) for one in found]
    judged.sort(
        key=lambda pair: (pair[1].urgency, ranks.get(pair[0].incident.severity, len(ranks)), pair[0].incident.id)
    )
    return [
        (heading, group)
        for urgency, heading in HEADINGS.items()
        if (group := [pair for pair in judged if pair[1].urgency is urgency])
    ]


def _urgency(present: Present, asking: Run | None) -> Urgency:
    taken = bool(present.incident.acknowledged_by)
    if asking is not None:
        return Urgency.DECIDE
    if present.runs:
        return Urgency.AT_WORK
    if not taken and present.last_run is not None and present.last_run.outcome in _FAILED:
        return Urgency.HELP
    if taken:
        return Urgency.TAKEN
    if present.incident.quiet_since is not None and not present.firing:
        return Urgency.QUIET
    return Urgency.FIRES


def _story(present: Present, asking: Run | None, now: datetime) -> tuple[str, str]:
    incident = present.incident
    if incident.state is not IncidentState.OPEN:
        ended = "it was merged into another" if incident.state is IncidentState.MERGED else "it is over"
        return f"Nothing: {ended}.", "Nothing."
    if asking is not None:
        return f"{asking.playbook} wants to go on{_course(asking)}", "A person to approve or reject it."
    if present.runs:
        run = present.runs[0]
        return f"{run.playbook}: {verb_at(run) or 'ending'}{_course(run)}", _patience(run, now)
    return _resting(present, now)


def _resting(present: Present, now: datetime) -> tuple[str, str]:
    """Say how an open incident stands about which nothing is under way."""
    quiet_since = present.incident.quiet_since
    if present.last_run is not None and present.last_run.outcome in _FAILED:
        return f"{present.last_run.playbook} ended: {present.last_run.reason}", _people(present)
    if not present.firing and quiet_since is not None:
        calm = format_duration(max(now - quiet_since, timedelta()))
        return f"All its alerts ended {calm} ago.", "It closes by itself, unless one fires again."
    if present.look_at is not None and present.last_decision is None:
        return "It is about to look around the alert.", "What the cluster and the past say."
    return _decided(present.last_decision), _people(present)


def _decided(decision: Decision | None) -> str:
    if decision is None:
        return "No playbook answers to it."
    if decision.mode is Mode.DRY_RUN and decision.outcome is Outcome.SIMULATED:
        return f"{decision.playbook} would act, and is in dry run."
    refused = next((check for check in decision.checks if not check.passed), None)
    if refused is not None:
        return f"{decision.playbook} was held back by {refused.guard}: {refused.reason}"
    outcome = decision.outcome.value.replace("_", " ") if decision.outcome else "went ahead"
    return f"{decision.playbook}: {outcome}. {decision.reason}"


def _people(present: Present) -> str:
    if present.incident.acknowledged_by:
        return f"{present.incident.acknowledged_by}, or the end of its alerts."
    return "Whoever was paged, or the end of its alerts." if present.paged else "A person, or the end of its alerts."


def _course(run: Run) -> str:
    return f" (step {min(run.cursor + 1, len(run.steps))} of {len(run.steps)})" if run.steps else ""


def _patience(run: Run, now: datetime) -> str:
    if run.wake_at is None:
        return "The step to be taken."
    again = f"looks again in {format_duration(run.wake_at - now)}" if run.wake_at > now else "looks again now"
    return f"{run.reason.rstrip('.')}; {again}." if run.reason else f"It {again}."
