"""A backtest on a calendar: on which days it would have run, and on which a guard would have held it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Final

from receiver.model.backtest import Answer
from receiver.model.shapes.playbook_requests import BacktestShape

MOST_WEEKS: Final = 53
"""A year; of a longer range, the newest weeks are drawn."""

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day.

    Attributes:
        played: Whether it lies in the range that was played.
        runs: How often it would have run.
        refused: How often a guard would have refused.
        others: How many alerts came to neither: not confirmed, over, or not decidable.
    """

    day: date
    played: bool
    runs: int
    refused: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Weeks from Monday to Sunday, UTC, oldest first.

    Attributes:
        cut_before: First day that is drawn, where the range is longer than a calendar; None where all of it is drawn.
    """

    weeks: tuple[tuple[Cell, ...], ...]
    cut_before: date | None


def calendar(played: BacktestShape) -> Calendar:
    """Draw a backtest."""
    counts = {one.day: one.answers for one in played.days}
    first, last = played.since.astimezone(UTC).date(), played.until.astimezone(UTC).date()
    begin, end = _monday(first), _monday(last)
    drawn_from = max(begin, end - (MOST_WEEKS - 1) * _WEEK)
    weeks = []
    monday = drawn_from
    while monday <= end:
        days = (monday + number * _DAY for number in range(7))
        weeks.append(tuple(_cell(day, counts.get(day, {}), played=first <= day <= last) for day in days))
        monday += _WEEK
    return Calendar(weeks=tuple(weeks), cut_before=drawn_from if drawn_from > first else None)


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _cell(day: date, answers: Mapping[str, int], *, played: bool) -> Cell:
    runs, refused = answers.get(Answer.RUN.value, 0), answers.get(Answer.REFUSED.value, 0)
    return Cell(day=day, played=played, runs=runs, refused=refused, others=sum(answers.values()) - runs - refused)
