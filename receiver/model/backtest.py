"""What a playbook would have done about stored history: what is known of the past, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum

from receiver.model.finding import Finding
from receiver.model.incident import Occurrence
from receiver.model.remediation import Check
from receiver.model.standing import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What one source said about an incident when somebody looked at it."""

    at: datetime
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """One occurrence of the past, and what is still known around it.

    Attributes:
        alert: As it is stored now.
        over_at: When its end was heard of; None while it fires.
        lineage: Root uid of its workflow; empty when nobody found out.
        opened_at: When its incident was opened.
        flaps: How often its incident had fired again in the end.
        acknowledged_by: Who took its incident on; empty when nobody did.
        healed_by: The playbook that did help, live; empty when none did.
        found: What was found about its workflow and its pods, oldest first.
        confirmed: Verdicts on conditions, as they were measured for this alert at the time, with when; oldest first.
    """

    alert: Occurrence
    over_at: datetime | None
    lineage: str
    opened_at: datetime
    flaps: int
    acknowledged_by: str
    healed_by: str
    found: Sequence[Recollection] = ()
    confirmed: Sequence[tuple[datetime, Check]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All of the past that a backtest is given.

    Attributes:
        alerts: Occurrences that the playbook answers to, by when they were first heard of.
        cut_short: Whether there were more than are read, so that the oldest are left out.
        pauses: Pauses, each with when a person ended it.
        ended: When a run of ours acted on the workflow of a uid.
        missing_months: Months of the range that Postgres does not hold any more, such as `2026-03`.
    """

    alerts: Sequence[PastAlert]
    cut_short: bool = False
    pauses: Sequence[tuple[Pause, datetime | None]] = ()
    ended: Mapping[str, datetime] = field(default_factory=dict)
    missing_months: Sequence[str] = ()


class Answer(Enum):
    """What would have become of one alert."""

    RUN = "would_run"
    """All guards agreed, and it was confirmed."""
    REFUSED = "refused"
    """A guard refused."""
    NOT_CONFIRMED = "not_confirmed"
    """The condition was not true at the time."""
    OVER = "over"
    """The alert was over before its time had come."""
    UNDECIDABLE = "undecidable"
    """History does not hold what it takes to decide; nothing is guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What would have become of one alert.

    Attributes:
        at: When it would have been decided, by the virtual clock.
        workflow: `namespace/name`; empty where the alert names none.
        guard: Which guard refused, or could not be asked; empty where none.
        reason: Why, for people.
        instead: What did happen: `healed by NAME`, `acknowledged`, `ended by itself`, `still fires`.
        lasted: How long it fired; None while it does.
    """

    alert_id: str
    at: datetime
    workflow: str
    answer: Answer
    guard: str
    reason: str
    instead: str
    lasted: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What did happen where the playbook would have run.

    Attributes:
        what: See `Instance.instead`.
        count: How often.
        median: How long those fired that are over; None where none is.
        longest: The longest of them.
    """

    what: str
    count: int
    median: timedelta | None
    longest: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a playbook would have done.

    Attributes:
        since: Begin of the range, by when alerts were first heard of.
        until: Its end.
        alerts: How many it answers to.
        answers: How many of each answer; all are named.
        refused_by: How often each guard refused first, most often first.
        undecidable: Why the others could not be decided, most often first.
        busiest_hour: Begin of the hour with the most runs; None without any.
        busiest_count: Runs in it.
        days: How many of each answer were decided on each day, UTC, on which any was, oldest first.
        instead: What did happen where it would have run, most often first.
        instances: The newest of all alerts, newest first.
        notes: What was assumed, and what history does not hold.
    """

    playbook: str
    version: str
    since: datetime
    until: datetime
    alerts: int
    answers: Mapping[Answer, int]
    refused_by: Mapping[str, int]
    undecidable: Mapping[str, int]
    busiest_hour: datetime | None
    busiest_count: int
    days: Mapping[date, Mapping[Answer, int]]
    instead: Sequence[Instead]
    instances: Sequence[Instance]
    notes: Sequence[str]
