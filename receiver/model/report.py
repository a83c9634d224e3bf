"""What a report of operations is made of: lines with a value, the limit it is judged by, and what to do where it fails.

Nouns only. Whoever measured something gives the verdict; `judged`, `unknown` and `off` are the three ways to make a
line out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

_KIB: Final = 1024


class Verdict(StrEnum):
    """How one line was found."""

    GOOD = "good"
    """Within its limit."""
    OVER = "over"
    """Beyond its limit: somebody has to do something."""
    UNKNOWN = "unknown"
    """It could not be measured, though it ought to be: whoever was asked did not answer. That is a failure too."""
    OFF = "off"
    """What would tell it is not configured, so there is nothing to judge."""

    @property
    def failed(self) -> bool:
        """Whether a report with such a line has failed."""
        return self in {Verdict.OVER, Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at, unique within its report, such as `oldest finished workflow`.
        value: What was found, for people, with its unit.
        limit: What it may be, for people; empty where nothing can be over it.
        verdict: How it was found.
        advice: What to do; empty where nothing is to be done.
        details: More about the value, one sentence each, such as each of the ten newest archives.
    """

    subject: str
    value: str
    limit: str
    verdict: Verdict
    advice: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All lines of one look.

    Attributes:
        name: Of which report, such as `weekly`.
        at: When it was made.
        lines: In the order in which they are read.
    """

    name: str
    at: datetime
    lines: Sequence[Line]

    @property
    def failures(self) -> list[Line]:
        """The lines that are over their limit, or could not be measured."""
        return [line for line in self.lines if line.verdict.failed]

    @property
    def exit_code(self) -> int:
        """0 where every line is within its limit; else 1."""
        return 1 if self.failures else 0


def judged(subject: str, value: str, *, good: bool, limit: str, advice: str, details: Sequence[str] = ()) -> Line:
    """Make a line that was measured; its advice is given only where it is over its limit."""
    verdict = Verdict.GOOD if good else Verdict.OVER
    return Line(
        subject=subject,
        value=value,
        limit=limit,
        verdict=verdict,
        advice="" if good else advice,
        details=tuple(details),
    )


def unknown(subject: str, why: str, *, limit: str, advice: str) -> Line:
    """Make a line that ought to have been measured, and was not."""
    return Line(subject=subject, value=why, limit=limit, verdict=Verdict.UNKNOWN, advice=advice)


def off(subject: str, why: str) -> Line:
    """Make a line for what is not configured."""
    return Line(subject=subject, value=why, limit="", verdict=Verdict.OFF)


def human(size: int) -> str:
    """Write a number of bytes for people: `512 B`, `6.2 KiB`, `10.0 GiB`."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < _KIB:
            break
        value, unit = value / _KIB, larger
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
