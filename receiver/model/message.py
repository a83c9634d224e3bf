"""A message to people: what is said, to which place, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any

from receiver.model.finding import Finding
from receiver.model.incident import Incident, Occurrence
from receiver.model.remediation import Decision, Run
from receiver.model.timeline import Event


class Place(Enum):
    """Where messages go."""

    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    CHANGES = "pagerduty_changes"
    """PagerDuty's change events: a place of their own, so that no page ever waits for one."""
    CONSOLE = "console"
    """The service's own log: where a place that is not configured would have been told."""


class Act(Enum):
    """What a message does at its place."""

    POST = "post"
    """Slack, console: begin the incident's one message."""
    UPDATE = "update"
    """Slack: say anew what the one message says."""
    REPLY = "reply"
    """Slack: add to the story in its thread."""
    TRIGGER = "trigger"
    """PagerDuty: wake somebody."""
    ACKNOWLEDGE = "acknowledge"
    """PagerDuty: somebody has it, so nobody else need be woken."""
    RESOLVE = "resolve"
    """PagerDuty: it is over."""
    CHANGE = "change"
    """PagerDuty: say among the changes of a service what was done; nobody is woken."""


class Priority(IntEnum):
    """Which message of one lane goes first, most urgent first."""

    PAGE = 0
    """Somebody is woken, or need not be any more."""
    URGENT = 1
    """Something fires for which somebody is woken as well."""
    FIRING = 2
    """Something fires, or a run failed."""
    STORY = 3
    """What is added to a story."""
    OVER = 4
    """Nobody has to do anything."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Whatever goes one way: all messages to one address share its pace, and wait together while it is closed."""

    place: Place
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message that is to be sent.

    Attributes:
        address: Slack channel, or name of the PagerDuty service key; empty for the default one.
        key: Equal keys are one message, ever: the same cause cannot speak twice.
        payload: What the place's client takes, as JSON values.
        cause: Why it is said, for the timeline.
    """

    place: Place
    address: str
    act: Act
    key: str
    payload: Mapping[str, Any]
    cause: str
    priority: Priority = Priority.FIRING

    @property
    def lane(self) -> Lane:
        """Where it queues."""
        return Lane(self.place, self.address)


class MessageState(Enum):
    """What became of a message."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    """Refused for good, or tried for a day in vain; the outbox shows it with its last error."""
    SUPERSEDED = "superseded"
    """An update that a later one overtook before it was sent."""
    SHADOWED = "shadowed"
    """Decided and recorded while `notifications.mode` was `shadow`; it is never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A draft that is recorded, with its fate.

    Attributes:
        incident_id: None where it is about no single incident, such as a digest.
        attempts: How often it was tried.
        due_at: When it is tried next; None once it has ended.
        replays: How often a person sent it again after it had ended.
        replayed_at: When that was last; None where nobody did.
        answer: What the place answered, as JSON values (Slack: `channel_id`, `ts`).
    """

    id: int
    incident_id: int | None
    draft: Draft
    state: MessageState
    attempts: int
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    error: str
    answer: Mapping[str, Any]
    replays: int = 0
    replayed_at: datetime | None = None

    @property
    def begun_at(self) -> datetime:
        """From when on it is counted how long it has been tried."""
        return self.replayed_at or self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of an incident when somebody is to be told about it.

    Attributes:
        notes: What its runs made of their playbooks (breakers that opened, modes that were lost), who took it on,
            and who silenced it, or could not.
    """

    incident: Incident
    alerts: Sequence[Occurrence]
    findings: Sequence[Finding]
    decisions: Sequence[Decision]
    runs: Sequence[Run]
    messages: Sequence[Message]
    notes: Sequence[Event] = ()
