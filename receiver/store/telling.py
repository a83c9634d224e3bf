"""What a batch of deliveries says about each occurrence, and the rows that are made of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

import msgspec

from receiver.model.alert import Alert, AlertStatus, Asked, Change, Delivery, Standing, observe
from receiver.model.incident import LabelNames, Subject, clipped, incident_key
from receiver.store.memory import Key
from receiver.store.rows import Row
from receiver.store.statements import document

_BEGINNINGS: Final = frozenset({Change.FIRED, Change.REFIRED})


class Telling(msgspec.Struct, kw_only=True):
    """One alert of one delivery, with what it belongs to.

    Attributes:
        delivery: Index of the delivery in its batch.
        incident_key: Name of the story, see `receiver.model.incident.incident_key`; empty where there is none to tell,
            since the alert always fires.
        asked: Of whom it was learnt, where it was not posted but asked for.
    """

    alert: Alert
    at: datetime
    delivery: int
    group_key: str
    receiver: str
    subject: Subject
    incident_key: str
    asked: Asked | None = None


@dataclass(slots=True, kw_only=True)
class Known:
    """An occurrence as it is stored."""

    id: int
    standing: Standing
    firings: int
    incident_id: int | None


def tellings_of(deliveries: Sequence[Delivery], names: LabelNames) -> dict[Key, list[Telling]]:
    """Bring together what is said of each occurrence, in the order of receipt; sorted by key, as locks are taken."""
    said: dict[Key, list[Telling]] = {}
    for number, delivery in enumerate(deliveries):
        for alert in delivery.alerts:
            subject = names.subject(alert.labels)
            telling = Telling(
                alert=alert,
                at=delivery.received_at,
                delivery=number,
                group_key=delivery.group_key,
                receiver=delivery.receiver,
                subject=subject,
                incident_key=("" if names.is_watchdog(alert.labels) else incident_key(subject, delivery.group_labels)),
                asked=delivery.asked,
            )
            said.setdefault((alert.fingerprint, alert.starts_at), []).append(telling)
    return dict(sorted(said.items()))


def fold(standing: Standing | None, said: Sequence[Telling]) -> tuple[Standing, list[Change]]:
    """Observe several tellings of one occurrence, one after the other."""
    first, *later = said
    standing, change = observe(standing, first.alert, first.at, first.asked)
    changes = [change]
    for telling in later:
        standing, change = observe(standing, telling.alert, telling.at, telling.asked)
        changes.append(change)
    return standing, changes


def firings(changes: Iterable[Change]) -> int:
    """Count how often an occurrence began to fire; playbooks decide once for each."""
    return sum(change in _BEGINNINGS for change in changes)


def known_from(rows: Iterable[Row]) -> dict[Key, Known]:
    """Turn rows into what is known."""
    return {
        (row.fingerprint, row.starts_at): Known(
            id=row.id,
            firings=row.firings,
            incident_id=row.incident_id,
            standing=Standing(
                status=AlertStatus(row.status),
                inferred=row.inferred,
                annotations=row.annotations,
                ends_at=row.ends_at,
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
                resolved_seen_at=row.resolved_seen_at,
                deliveries=row.deliveries,
            ),
        )
        for row in rows
    }


class Kept(msgspec.Struct):
    """One row of a raw message, with the place of its body among all bodies, counted from 1."""

    received_at: datetime
    key: UUID
    receiver: str
    group_key: str
    external_url: str
    truncated_alerts: int
    alerts: int
    first: int
    size: int


def kept(deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """Make the parameters of the statements that keep raw messages: their `rows`, and their `bodies` in one."""
    bodies = [one.body for one in deliveries]
    places = accumulate(map(len, bodies), initial=1)
    rows = [
        Kept(
            one.received_at,
            one.key,
            one.receiver,
            one.group_key,
            one.external_url,
            one.truncated_alerts,
            len(one.alerts),
            first,
            len(one.body),
        )
        for one, first in zip(deliveries, places, strict=False)
    ]
    return {"rows": document(rows), "bodies": b"".join(bodies)}


class Named(msgspec.Struct):
    """One row that names an occurrence."""

    fingerprint: str
    starts_at: datetime


class LaterTelling(Named):
    """One row of an occurrence that was known: what is known of it now."""

    status: str
    inferred: bool
    ends_at: datetime | None
    annotations: Mapping[str, str]
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_seen_at: datetime | None
    deliveries: int
    firings: int
    incident_id: int | None


class FirstTelling(LaterTelling):
    """One row of an occurrence that may be new."""

    id: int
    starts_at_text: str
    alertname: str
    severity: str
    cluster: str
    namespace: str
    workflow: str
    agent: str
    labels: Mapping[str, str]
    generator_url: str
    group_key: str
    receiver: str


def named(keys: Iterable[Key]) -> list[Named]:
    """Make the rows that name occurrences."""
    return [Named(fingerprint, starts_at) for fingerprint, starts_at in keys]


def first_telling(
    number: int, said: Telling, standing: Standing, firings: int, incident_id: int | None
) -> FirstTelling:
    """Make the row of an occurrence that may be new, of the first that is said of it and of where it stands then."""
    alert = said.alert
    # By position, which costs half of what names do; the order is that of the two rows above.
    return FirstTelling(
        alert.fingerprint,
        alert.starts_at,
        standing.status.value,
        standing.inferred,
        standing.ends_at,
        standing.annotations,
        standing.first_seen_at,
        standing.last_seen_at,
        standing.resolved_seen_at,
        standing.deliveries,
        firings,
        incident_id,
        *described(number, said),
    )


def described(
    number: int, said: Telling
) -> tuple[int, str, str, str, str, str, str, str, Mapping[str, str], str, str, str]:
    """Give what the first telling says of an occurrence for good: `FirstTelling`'s own columns, in their order."""
    alert, subject = said.alert, said.subject
    labels = alert.labels
    return (
        number,
        alert.starts_at_text,
        clipped(labels.get("alertname", "")),
        clipped(labels.get("severity", "")),
        subject.cluster,
        subject.namespace,
        subject.workflow,
        subject.agent,
        labels,
        alert.generator_url,
        said.group_key,
        said.receiver,
    )


def later_telling(key: Key, standing: Standing, firings: int, incident_id: int | None) -> LaterTelling:
    """Make the row of an occurrence that was known, as it stands now."""
    fingerprint, starts_at = key
    return LaterTelling(
        fingerprint=fingerprint,
        starts_at=starts_at,
        status=standing.status.value,
        inferred=standing.inferred,
        ends_at=standing.ends_at,
        annotations=standing.annotations,
        first_seen_at=standing.first_seen_at,
        last_seen_at=standing.last_seen_at,
        resolved_seen_at=standing.resolved_seen_at,
        deliveries=standing.deliveries,
        firings=firings,
        incident_id=incident_id,
    )
