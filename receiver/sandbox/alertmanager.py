"""What Alertmanager would post: bodies of its webhook, version 4, field by field as release 0.25 writes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp

from receiver.webhook.message import fingerprint_of

_NOT_OVER: Final = "0001-01-01T00:00:00Z"
"""What stands for the end of an alert that fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One alert that began to fire.

    Attributes:
        ends_at: When it was over; None while it fires.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None

    def body(self) -> dict[str, Any]:
        """Write it as a part of a delivery."""
        return {
            "status": "resolved" if self.ends_at else "firing",
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": _written(self.starts_at),
            "endsAt": _written(self.ends_at) if self.ends_at else _NOT_OVER,
            "generatorURL": "http://prometheus.invalid/graph",
            "fingerprint": fingerprint_of(self.labels),
        }


def delivery(*alerts: Firing, receiver: str = "receiver") -> bytes:
    """Write one delivery of a group that is formed by name and severity."""
    labels = {name: alerts[0].labels[name] for name in ("alertname", "severity") if name in alerts[0].labels}
    group = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    body = {
        "receiver": receiver,
        "status": "resolved" if all(alert.ends_at for alert in alerts) else "firing",
        "alerts": [alert.body() for alert in alerts],
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.invalid:9093",
        "version": "4",
        "groupKey": f"{{}}:{{{group}}}",
        "truncatedAlerts": 0,
    }
    return json.dumps(body).encode() + b"\n"


async def post(url: str, token: str, body: bytes) -> int:
    """Post a delivery as Alertmanager does, with a bearer token; returns the answered status."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        await answer.read()
        return answer.status


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
