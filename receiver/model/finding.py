"""What looking around an alert brought to light."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any


class FindingState(Enum):
    """How a source answered."""

    FOUND = "found"
    EMPTY = "empty"
    """It answered, and has nothing about this alert."""
    DISABLED = "disabled"
    """It is not configured; the summary names the setting."""
    FAILED = "failed"
    """It was asked and could not answer in its time; the summary says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One source's answer.

    Attributes:
        source: Name of the source: `workflow`, `pods`, `events`, `log`, `past`, `links`.
        summary: One line for people; hostile text.
        detail: The answer itself as JSON values, secrets masked.
        took: How long the source needed.
    """

    source: str
    state: FindingState
    summary: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    took: timedelta = timedelta()
