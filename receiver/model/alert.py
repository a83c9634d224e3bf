"""An alert as Alertmanager tells it, and how what we know of an occurrence changes with each telling.

An *occurrence* is one uninterrupted firing of one series: (`fingerprint`, `starts_at`). Alertmanager delivers at least
once and in any order, so every change below is legal in every state; `docs/states.md` draws the machine.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NewType
from uuid import UUID

import msgspec
from msgspec.structs import replace

Fingerprint = NewType("Fingerprint", str)
"""Alertmanager's own hash over all labels: 16 hex digits, the same in every episode, receiver and peer."""

REFIRE_AFTER: Final = timedelta(minutes=10)
"""A firing received longer after the delivered resolve than this is believed; until then it is a straggler."""


class AlertStatus(Enum):
    """Whether the condition behind an occurrence holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


# What is made for each alert is a struct: as a frozen dataclass, one takes thirteen times as long to make.


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of one delivery.

    Attributes:
        fingerprint: Alertmanager's hash over the labels.
        status: What this delivery says of it.
        labels: All labels, names and values as sent; hostile input.
        annotations: All annotations; hostile input, without NUL characters.
        starts_at: Start of the occurrence, aware, UTC, truncated to microseconds.
        starts_at_text: The same as the sender wrote it, with its nanoseconds.
        ends_at: End of the occurrence; None while it fires.
        generator_url: Link to the expression, possibly empty.
    """

    fingerprint: Fingerprint
    status: AlertStatus
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    starts_at_text: str
    ends_at: datetime | None
    generator_url: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Where a delivery comes from that nobody posted: an Alertmanager was asked what it has.

    Attributes:
        at: When it was asked.
        peer: Its address.
    """

    at: datetime
    peer: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook message of Alertmanager, parsed.

    Attributes:
        key: Made when it was received; whoever records it again under the same key records it once.
        body: The message byte for byte.
        asked: Of whom and when it was asked; None for what was posted.
    """

    key: UUID
    received_at: datetime
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    external_url: str
    truncated_alerts: int
    alerts: tuple[Alert, ...]
    body: bytes
    asked: Asked | None = None


class Change(Enum):
    """What one telling changed about an occurrence."""

    FIRED = "fired"
    """First heard of, firing."""
    REPEATED = "repeated"
    """Said again; only the time of the last telling moves."""
    REWORDED = "reworded"
    """Still firing, with other annotations."""
    RESOLVED = "resolved"
    """Alertmanager says that it is over; final against late or repeated deliveries."""
    RESOLVED_FIRST = "resolved_first"
    """First heard of when it was over already."""
    LATE = "late"
    """A firing that was overtaken by its own resolve; recorded, nothing reopened."""
    OVERTAKEN = "overtaken"
    """A resolve, recorded only after a firing that was received so long after it that the firing is believed."""
    REFIRED = "refired"
    """A firing so long after the resolve, after a mere inference, or with evidence, that it is believed."""
    INFERRED = "inferred"
    """Nobody said that it is over, but it is concluded."""
    CONFIRMED = "confirmed"
    """Alertmanager now says itself what had only been inferred."""

    # A member is equal to itself alone. Enum hashes the name instead, in Python, which costs on the way of each alert.
    __hash__ = object.__hash__


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an occurrence after all tellings so far.

    Attributes:
        status: Firing or resolved.
        inferred: Resolved by our own reasoning, not by a delivery.
        annotations: The newest wording.
        ends_at: When it ended; None while it fires.
        first_seen_at: Receipt of the first telling.
        last_seen_at: Receipt of the newest telling.
        resolved_seen_at: Receipt of the newest resolve.
        deliveries: How many tellings there were.
    """

    status: AlertStatus
    inferred: bool
    annotations: Mapping[str, str]
    ends_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_seen_at: datetime | None
    deliveries: int


def observe(
    standing: Standing | None, alert: Alert, at: datetime, asked: Asked | None = None
) -> tuple[Standing, Change]:
    """Say what is known of an occurrence after it was told once more.

    Args:
        standing: What was known before; None when this is the first telling.
        alert: What is told.
        at: When it was received.
        asked: Of whom it was learnt, where it was not posted but asked for.
    """
    if standing is None:
        return _first(alert, at)
    heard = replace(
        standing,
        last_seen_at=max(standing.last_seen_at, at),
        first_seen_at=min(standing.first_seen_at, at),
        deliveries=standing.deliveries + 1,
    )
    if alert.status is AlertStatus.RESOLVED:
        return _resolve(heard, alert, at)
    if standing.status is AlertStatus.FIRING:
        if alert.annotations == standing.annotations:
            return heard, Change.REPEATED
        return replace(heard, annotations=alert.annotations), Change.REWORDED
    return _fire_again(heard, alert, at, asked)


def conclude(standing: Standing, ends_at: datetime) -> tuple[Standing, Change]:
    """Say what is known of an occurrence after it was concluded, though nobody said so, that it is over.

    Of one that is over already nothing changes: what Alertmanager says is final, and one conclusion is enough.
    """
    if standing.status is AlertStatus.RESOLVED:
        return standing, Change.REPEATED
    return replace(standing, status=AlertStatus.RESOLVED, inferred=True, ends_at=ends_at), Change.INFERRED


def api_start(starts_at: datetime) -> datetime:
    """Cut a start to what Alertmanager's API tells of it: milliseconds, where the webhook tells nanoseconds.

    The API's answer is written with go-openapi's strfmt.DateTime (0.25 to 0.34). Episodes of one series do not begin
    within one millisecond, so nothing is confounded.
    """
    return starts_at.replace(microsecond=starts_at.microsecond // 1000 * 1000)


def is_evidence(asked: Asked | None, resolved_seen_at: datetime | None) -> bool:
    """Answer whether a firing proves that an occurrence was resolved too early.

    It does when Alertmanager was asked after its newest resolve had been received and still had the alert: what was
    asked before may have been true then, and what was posted may have been overtaken on its way.
    """
    return asked is not None and (resolved_seen_at is None or asked.at > resolved_seen_at)


def _first(alert: Alert, at: datetime) -> tuple[Standing, Change]:
    over = alert.status is AlertStatus.RESOLVED
    standing = Standing(
        status=alert.status,
        inferred=False,
        annotations=alert.annotations,
        ends_at=alert.ends_at if over else None,
        first_seen_at=at,
        last_seen_at=at,
        resolved_seen_at=at if over else None,
        deliveries=1,
    )
    return standing, Change.RESOLVED_FIRST if over else Change.FIRED


def _resolve(heard: Standing, alert: Alert, at: datetime) -> tuple[Standing, Change]:
    newest = max(at, heard.resolved_seen_at or at)
    told = replace(heard, resolved_seen_at=newest)
    outlived = heard.resolved_seen_at is not None and at <= heard.resolved_seen_at
    if heard.status is AlertStatus.FIRING and (outlived or heard.last_seen_at - at > REFIRE_AFTER):
        # While it fires, the newest telling is a firing. Had this resolve been recorded in its turn, that firing would
        # have reopened what it closes; the order of recording must not decide.
        return told, Change.OVERTAKEN
    over = replace(told, status=AlertStatus.RESOLVED, inferred=False)
    if heard.status is AlertStatus.FIRING:
        return replace(over, ends_at=alert.ends_at, annotations=alert.annotations), Change.RESOLVED
    if heard.inferred or at == newest:
        over = replace(over, ends_at=alert.ends_at)
    return over, Change.CONFIRMED if heard.inferred else Change.REPEATED


def _fire_again(heard: Standing, alert: Alert, at: datetime, asked: Asked | None) -> tuple[Standing, Change]:
    resolved_at = heard.resolved_seen_at
    doubtful = not heard.inferred and resolved_at is not None and at - resolved_at <= REFIRE_AFTER
    if doubtful and not is_evidence(asked, resolved_at):
        return heard, Change.LATE
    return (
        replace(heard, status=AlertStatus.FIRING, inferred=False, ends_at=None, annotations=alert.annotations),
        Change.REFIRED,
    )


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a delivery once it was durable: its number, and how many of its alerts said what.

    Attributes:
        new: First heard of, firing.
        updated: Known, and changed: reworded or firing again.
        repeated: Nothing new.
        resolved: Over, first heard of now.
    """

    webhook_id: int
    new: int
    updated: int
    repeated: int
    resolved: int


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a delivery, or of a body that is none, while the database was away: it is on the local disk.

    Attributes:
        key: Under which it is recorded, once, when the database is back.
    """

    key: UUID
