"""The past of this alert and of its workflow: how often, what was tried, what helped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.finding import Finding, FindingState
from receiver.model.remediation import Mode, Outcome

SOURCE: Final = "past"

MOST_RUNS: Final = 10
"""Runs that are told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One earlier run of a playbook on this lineage.

    Attributes:
        id: The run's number.
        outcome: How it ended; None while it goes on.
        reason: One sentence for people.
        started_at: When it began.
    """

    id: int
    playbook: str
    mode: Mode
    outcome: Outcome | None
    reason: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the store knows of earlier times; the pipeline fetches it.

    Attributes:
        occurrences: Earlier occurrences of the same fingerprint.
        last_at: Start of the newest of them; None where there is none.
        runs: Earlier runs on the lineage, newest first.
    """

    occurrences: int = 0
    last_at: datetime | None = None
    runs: Sequence[PastRun] = ()

    @property
    def attempts(self) -> int:
        """How often a playbook really acted, or still does."""
        acted = {None, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CANCELLED}
        return sum(run.mode is not Mode.DRY_RUN and run.outcome in acted for run in self.runs)


def describe(past: Past, now: datetime) -> Finding:
    """Tell the past."""
    detail = {
        "occurrences": past.occurrences,
        "last_at": past.last_at and past.last_at.isoformat(),
        "runs": [_told(run) for run in past.runs[:MOST_RUNS]],
    }
    summary = f"{_occurrences(past, now)}; {_runs(past)}"
    state = FindingState.FOUND if past.occurrences or past.runs else FindingState.EMPTY
    return Finding(source=SOURCE, state=state, summary=summary, detail=detail)


def _occurrences(past: Past, now: datetime) -> str:
    if not past.occurrences or past.last_at is None:
        return "This alert never fired before"
    times = "once" if past.occurrences == 1 else f"{past.occurrences} times"
    return f"This alert fired {times} before, last {format_duration(now - past.last_at)} ago"


def _runs(past: Past) -> str:
    if not past.runs:
        return "nothing was tried before"
    outcomes = Counter(run.outcome.value if run.outcome else "unfinished" for run in past.runs)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    newest = past.runs[0]
    return f"tried before: {told}; newest: {newest.playbook}" + (f", {newest.reason}" if newest.reason else "")


def _told(run: PastRun) -> dict[str, object]:
    return {
        "id": run.id,
        "playbook": run.playbook,
        "mode": run.mode.value,
        "outcome": run.outcome and run.outcome.value,
        "reason": run.reason,
        "started_at": run.started_at.isoformat(),
    }
