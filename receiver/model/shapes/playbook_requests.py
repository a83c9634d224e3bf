"""Runs by hand and backtests: what is asked for, and what a backtest found."""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.backtest import Answer

_Aware = Annotated[datetime, Meta(tz=True)]

_Named = Annotated[str, Meta(pattern=r"^[^/\s]{1,63}/[^/\s]{1,253}$")]


class RunWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On which workflow or deployment a playbook is to act, and how far it may go."""

    workflow: Annotated[
        _Named | None, Meta(description="`namespace/name`, as the cluster knows it; null for a deployment.")
    ] = None
    deployment: Annotated[
        _Named | None, Meta(description="The same, for a playbook that acts on a deployment; null for a workflow.")
    ] = None
    live: Annotated[bool, Meta(description="Act, whatever mode the playbook has. One that lost `live` still asks.")] = (
        False
    )
    dry_run: Annotated[bool, Meta(description="Only decide, whatever mode the playbook has.")] = False
    note: Annotated[str, Meta(max_length=500, description="Why; for the record.")] = ""


class BacktestWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The range of history to play; alerts count by when they were first heard of."""

    since: Annotated[_Aware | None, Meta(description="Its begin; null means 30 days ago.")] = None
    until: Annotated[_Aware | None, Meta(description="Its end; null means now.")] = None


class InsteadShape(Struct, frozen=True, kw_only=True):
    """What did happen where the playbook would have run."""

    what: Annotated[str, Meta(description="`healed by NAME`, `acknowledged`, `ended by itself`, `still fires`.")]
    count: int
    median_seconds: Annotated[float | None, Meta(description="How long those fired that are over.")]
    longest_seconds: float | None


class InstanceShape(Struct, frozen=True, kw_only=True):
    """What would have become of one alert."""

    alert_id: str
    at: Annotated[datetime, Meta(description="When it would have been decided.")]
    workflow: str
    answer: Answer
    guard: Annotated[str, Meta(description="Which guard refused, or could not be asked; empty where none.")]
    reason: str
    instead: Annotated[str, Meta(description="What did happen.")]
    lasted_seconds: Annotated[float | None, Meta(description="How long it fired; null while it does.")]


class DayShape(Struct, frozen=True, kw_only=True):
    """What would have become of the alerts of one day."""

    day: Annotated[date, Meta(description="In UTC, by when it would have been decided.")]
    answers: Annotated[dict[str, int], Meta(description="How many of each answer that there was.")]


class BacktestShape(Struct, frozen=True, kw_only=True):
    """What a playbook would have done about stored history."""

    playbook: str
    version: str
    since: datetime
    until: datetime
    alerts: Annotated[int, Meta(description="How many it answers to.")]
    answers: Annotated[dict[str, int], Meta(description="How many of each answer.")]
    refused_by: Annotated[dict[str, int], Meta(description="How often each guard refused first.")]
    undecidable: Annotated[
        dict[str, int], Meta(description="What history does not hold, and how often it was missing.")
    ]
    busiest_hour: datetime | None
    busiest_count: int
    days: Annotated[list[DayShape], Meta(description="Each day with an alert, oldest first.")]
    instead: list[InsteadShape]
    instances: Annotated[list[InstanceShape], Meta(description="The newest alerts, newest first, at most 100.")]
    notes: Annotated[list[str], Meta(description="What was assumed, and what was not read.")]
