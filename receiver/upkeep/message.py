"""Messages that nobody posted, written as Alertmanager would have, so that they are kept and replayed like its own."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from receiver.model.alert import Alert, AlertStatus, Asked, Delivery
from receiver.webhook.message import parse

_NOT_OVER: Final = "0001-01-01T00:00:00Z"
"""What stands for the end of an alert that fires."""


def completed(delivery: Delivery, alerts: Sequence[Alert], asked: Asked, *, what: str) -> Delivery:
    """Write what was learnt by asking about a delivery; it has a key that follows from the delivery's.

    It counts as received with the delivery itself, since that is what makes its key unique: however often it is
    recorded, it is there once.

    Args:
        delivery: What was asked about.
        alerts: What Alertmanager has.
        asked: Of whom and when.
        what: One word for what was asked; the same alerts are told once for each.
    """
    body = _written(
        receiver=delivery.receiver,
        group_key=delivery.group_key,
        group_labels=delivery.group_labels,
        external_url=delivery.external_url,
        alerts=alerts,
    )
    named = [what, *sorted(f"{alert.fingerprint} {alert.starts_at_text}" for alert in alerts)]
    told = parse(body, delivery.received_at, key=uuid5(delivery.key, " ".join(named)))
    return replace(told, asked=asked)


def own(alert: Alert, *, group_key: str, group_labels: Mapping[str, str], at: datetime, key: UUID) -> Delivery:
    """Write a delivery about an alert of our own, of which nobody else need be asked."""
    body = _written(
        receiver="receiver", group_key=group_key, group_labels=group_labels, external_url="", alerts=[alert]
    )
    return replace(parse(body, at, key=key), asked=Asked(at=at, peer="receiver"))


def rfc3339(at: datetime) -> str:
    """Write a time as Alertmanager does."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written(
    *, receiver: str, group_key: str, group_labels: Mapping[str, str], external_url: str, alerts: Sequence[Alert]
) -> bytes:
    fires = any(alert.status is AlertStatus.FIRING for alert in alerts)
    message = {
        "receiver": receiver,
        "status": "firing" if fires else "resolved",
        "alerts": [
            {
                "status": alert.status.value,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "startsAt": alert.starts_at_text,
                "endsAt": rfc3339(alert.ends_at) if alert.ends_at else _NOT_OVER,
                "generatorURL": alert.generator_url,
                "fingerprint": alert.fingerprint,
            }
            for alert in alerts
        ],
        "groupLabels": dict(group_labels),
        "commonLabels": dict(group_labels),
        "commonAnnotations": {},
        "externalURL": external_url,
        "version": "4",
        "groupKey": group_key,
        "truncatedAlerts": 0,
    }
    return json.dumps(message).encode() + b"\n"
