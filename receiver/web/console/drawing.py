"""Drawings of numbers over time, as the shapes that a template writes down as SVG: each stands beside its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from receiver.store.stats import Tally

WIDTH: Final = 720
HEIGHT: Final = 150
"""Of a drawing over time, in its own units; it is as wide as the page lets it be."""

LEVELS: Final = 5
"""Shades of the heat map beside that for nothing."""

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_FOOT: Final = 18
_HEAD: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What fired within one step of time.

    Attributes:
        label: Written below it; empty for most.
    """

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars for what fired, and a line for how long it took to end.

    Attributes:
        lines: Pieces of the line, each as the points of an SVG polyline; steps in which nothing ended have none.
        most: What the highest bar stands for.
        longest: What the highest point of the line stands for; None where nothing ended.
    """

    bars: tuple[Bar, ...]
    lines: tuple[str, ...]
    most: int
    longest: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How often it fired in each hour of each weekday.

    Attributes:
        rows: For each weekday the number and the shade (0 to `LEVELS`) of each hour.
        most: The greatest number.
    """

    rows: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    most: int


def by_day(steps: Sequence[tuple[datetime, Tally]]) -> list[tuple[datetime, Tally]]:
    """Add hours up to days."""
    days: dict[datetime, Tally] = {}
    for at, tally in steps:
        days.setdefault(at.astimezone(UTC).replace(hour=0), Tally()).add(tally)
    return list(days.items())


def chart(steps: Sequence[tuple[datetime, Tally]]) -> Chart:
    """Draw what fired and how long it took to end, one bar a step."""
    most = max((tally.fired for _, tally in steps), default=0)
    means = [tally.mean_time_to_resolve for _, tally in steps]
    longest = max((mean for mean in means if mean is not None), default=None)
    width = WIDTH / max(len(steps), 1)
    room = HEIGHT - _FOOT - _HEAD
    every = max(1, len(steps) // 7)
    bars = []
    for number, (at, tally) in enumerate(steps):
        height = room * tally.fired / most if most else 0.0
        label = at.strftime("%d %b") if number % every == 0 and len(steps) - number >= every // 2 else ""
        bars.append(
            Bar(
                x=round(number * width, 2),
                y=round(HEIGHT - _FOOT - height, 2),
                width=round(max(width - 1.5, 0.5), 2),
                height=round(height, 2),
                label=label,
            )
        )
    return Chart(bars=tuple(bars), lines=_lines(means, longest, width, room), most=most, longest=longest)


def heat(steps: Sequence[tuple[datetime, Tally]]) -> Heat:
    """Draw in which hours of which weekdays it fired; the steps are hours."""
    numbers = [[0] * 24 for _ in WEEKDAYS]
    for at, tally in steps:
        hour = at.astimezone(UTC)
        numbers[hour.weekday()][hour.hour] += tally.fired
    most = max(max(row) for row in numbers)
    rows = tuple(
        (name, tuple((number, _shade(number, most)) for number in row))
        for name, row in zip(WEEKDAYS, numbers, strict=True)
    )
    return Heat(rows=rows, most=most)


def _shade(number: int, most: int) -> int:
    return 0 if number == 0 else max(1, -(-number * LEVELS // most))


def _lines(means: Sequence[timedelta | None], longest: timedelta | None, width: float, room: float) -> tuple[str, ...]:
    pieces: list[list[str]] = [[]]
    for number, mean in enumerate(means):
        if mean is None or not longest:
            pieces.append([])
            continue
        y = HEIGHT - _FOOT - room * (mean / longest)
        pieces[-1].append(f"{(number + 0.5) * width:.1f},{y:.1f}")
    # A point alone is drawn as a line from itself to itself, which round ends make a dot.
    return tuple(" ".join(piece if len(piece) > 1 else piece * 2) for piece in pieces if piece)
