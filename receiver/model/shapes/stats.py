"""What happened over time, counted."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.history import Step

_Mean = Annotated[
    float | None,
    Meta(description="Mean length, end minus start, of the occurrences that ended, each once; null where none did."),
]


class TallyShape(Struct, frozen=True, kw_only=True):
    """What was counted."""

    fired: Annotated[int, Meta(description="Occurrences that began.")]
    resolved: Annotated[int, Meta(description="Occurrences that ended, whenever they began.")]
    mttr_seconds: _Mean


class StepShape(TallyShape, frozen=True, kw_only=True):
    """What was counted in one step of time."""

    at: Annotated[datetime, Meta(description="Its begin.")]


class LoudShape(TallyShape, frozen=True, kw_only=True):
    """What was counted for one alert."""

    alertname: str


class SilentShape(Struct, frozen=True, kw_only=True):
    """One alert that fired before and not in the range."""

    alertname: str
    last_fired_at: Annotated[datetime, Meta(description="Begin of the hour in which it fired last.")]


class HealingShape(Struct, frozen=True, kw_only=True):
    """Incidents that were closed in the range."""

    closed: int
    healed: Annotated[
        int,
        Meta(
            description="Of these: a live remediation was seen to help, no page was to be sent, nobody acknowledged "
            "the incident, approved, rejected or cancelled."
        ),
    ]
    share: Annotated[float | None, Meta(description="`healed` of `closed`, 0 to 1; null where none was closed.")]


class PlaybookEndsShape(Struct, frozen=True, kw_only=True):
    """How often one playbook ended in each way."""

    playbook: str
    outcomes: dict[str, int]


class StatsShape(Struct, frozen=True, kw_only=True):
    """What happened in a range of time, in whole hours."""

    since: Annotated[datetime, Meta(description="Begin of the first hour that is counted.")]
    until: Annotated[datetime, Meta(description="End of the last one.")]
    step: Step
    live_since: Annotated[
        datetime | None,
        Meta(description="From here on counted from the alerts just now; hours before are counted once they are over."),
    ]
    gap_since: Annotated[
        datetime | None,
        Meta(description="From here until `live_since` nothing has been counted yet; null where nothing is missing."),
    ]
    total: TallyShape
    steps: Annotated[list[StepShape], Meta(description="Oldest first, also those in which nothing happened.")]
    alerts: Annotated[list[LoudShape], Meta(description="By name, the loudest first.")]
    silent: Annotated[
        list[SilentShape] | None,
        Meta(description="Those that fired last come first; null where the question is about one workflow."),
    ]
    silent_alerts: Annotated[int | None, Meta(description="How many were silent, also beyond the list.")]
    incidents: Annotated[HealingShape | None, Meta(description="Null where an alert or a severity is asked about.")]
    playbooks: Annotated[
        list[PlaybookEndsShape] | None, Meta(description="Null where the question is about a part of all alerts.")
    ]
