"""Alerts: every occurrence that was ever delivered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from receiver.clients.receiver.questions import API, Questions
from receiver.model.alert import AlertStatus
from receiver.model.shapes.alerts import AlertItems, AlertShape, EventItems

_PATH: Final = f"{API}/alerts"


class Alerts:
    """What a service knows of alerts."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self,
        *,
        status: AlertStatus | None = None,
        alertname: str | None = None,
        severity: str | None = None,
        namespace: str | None = None,
        workflow: str | None = None,
        fingerprint: str | None = None,
        label: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        q: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AlertItems:
        """List alerts that all filters want, newest first.

        Args:
            status: Whether they fire.
            alertname: Their name.
            severity: The label of that name.
            namespace: What they are about, by their labels.
            workflow: What they are about, by their labels.
            fingerprint: Alertmanager's hash over the labels.
            label: Conditions such as `team=a`, `team!=a`, `team=~a|b` and `team!~a|b`.
            since: Earliest begin.
            until: First begin that is too late.
            q: Words in values of labels or annotations.
            limit: Most items, at most 500.
            cursor: Where the page begins: `next` or `previous` of another one.
        """
        wanted = {
            "status": status,
            "alertname": alertname,
            "severity": severity,
            "namespace": namespace,
            "workflow": workflow,
            "fingerprint": fingerprint,
            "label": list(label or ()),
            "since": since,
            "until": until,
            "q": q,
            "limit": limit,
            "cursor": cursor,
        }
        return await self._questions.read(_PATH, AlertItems, **wanted)

    async def get(self, alert_id: str) -> AlertShape | None:
        """Give one occurrence."""
        return await self._questions.get(_one(alert_id), AlertShape)

    async def timeline(
        self, alert_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> EventItems | None:
        """Tell what happened to an alert, oldest first."""
        return await self._questions.get(f"{_one(alert_id)}/timeline", EventItems, limit=limit, cursor=cursor)


def _one(alert_id: str) -> str:
    return f"{_PATH}/{quote(alert_id, safe='')}"
