"""What a batch of deliveries says about each occurrence, and the columns that are made of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from receiver.model.alert import Alert, AlertStatus, Asked, Change, Delivery, Standing, observe
from receiver.model.incident import LabelNames, Subject, incident_key

Key = tuple[str, datetime]
"""An occurrence: fingerprint and start."""

Columns = dict[str, Iterable[Any]]
"""Rows for a statement: one list for each column, all of the same length."""


@dataclass(slots=True, kw_only=True)
class Telling:
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
    return sum(change in {Change.FIRED, Change.REFIRED} for change in changes)


def known_from(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Known]:
    """Turn rows into what is known."""
    return {
        (row["fingerprint"], row["starts_at"]): Known(
            id=row["id"],
            firings=row["firings"],
            incident_id=row["incident_id"],
            standing=Standing(
                status=AlertStatus(row["status"]),
                inferred=row["inferred"],
                annotations=row["annotations"],
                ends_at=row["ends_at"],
                first_seen_at=row["first_seen_at"],
                last_seen_at=row["last_seen_at"],
                resolved_seen_at=row["resolved_seen_at"],
                deliveries=row["deliveries"],
            ),
        )
        for row in rows
    }


def key_columns(keys: Iterable[Key]) -> Columns:
    """Columns that name occurrences."""
    named = list(keys)
    return {"fingerprint": [one for one, _ in named], "starts_at": [start for _, start in named]}


def first_columns(
    tellings: Mapping[Key, Sequence[Telling]],
    folded: Mapping[Key, tuple[Standing, Sequence[Change]]],
    incident_ids: Mapping[str, int],
) -> Columns:
    """Columns of occurrences that may be new."""
    said = [one[0] for one in tellings.values()]
    standings = [folded[key][0] for key in tellings]
    return {
        **key_columns(tellings),
        **_standing_columns(standings),
        "starts_at_text": [one.alert.starts_at_text for one in said],
        "alertname": [one.alert.labels.get("alertname", "") for one in said],
        "severity": [one.alert.labels.get("severity", "") for one in said],
        "cluster": [one.subject.cluster for one in said],
        "namespace": [one.subject.namespace for one in said],
        "workflow": [one.subject.workflow for one in said],
        "agent": [one.subject.agent for one in said],
        "labels": [one.alert.labels for one in said],
        "generator_url": [one.alert.generator_url for one in said],
        "group_key": [one.group_key for one in said],
        "receiver": [one.receiver for one in said],
        "firings": [firings(folded[key][1]) for key in tellings],
        "incident_id": [incident_ids.get(one.incident_key) for one in said],
    }


def later_columns(rows: Sequence[tuple[Key, Standing, int, int | None]]) -> Columns:
    """Columns of occurrences that were known: key, standing, count of firings, incident."""
    return {
        **key_columns(key for key, *_ in rows),
        **_standing_columns([standing for _, standing, _, _ in rows]),
        "inferred": [standing.inferred for _, standing, _, _ in rows],
        "firings": [count for _, _, count, _ in rows],
        "incident_id": [incident for _, _, _, incident in rows],
    }


def _standing_columns(standings: Sequence[Standing]) -> Columns:
    return {
        "status": [one.status.value for one in standings],
        "ends_at": [one.ends_at for one in standings],
        "annotations": [one.annotations for one in standings],
        "first_seen_at": [one.first_seen_at for one in standings],
        "last_seen_at": [one.last_seen_at for one in standings],
        "resolved_seen_at": [one.resolved_seen_at for one in standings],
        "deliveries": [one.deliveries for one in standings],
    }
