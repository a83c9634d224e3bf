"""When the series were last heard of that always fire, and the alarms of ours about those that fell silent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import case, func, select

from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.incident import Occurrence
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.tables import OccurrenceRow

OURS: Final = "receiver/"
"""How the group keys of our own alerts begin; Alertmanager's begin with a brace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One series.

    Attributes:
        at: When it was last told firing; when it ended, where it was told that.
    """

    fingerprint: Fingerprint
    labels: Mapping[str, str]
    at: datetime


async def series(transaction: Transaction, labels: Mapping[str, str]) -> list[Heard]:
    """Read when each series with these labels was last heard of."""
    ended_at = func.least(func.coalesce(OccurrenceRow.ends_at, OccurrenceRow.last_seen_at), OccurrenceRow.last_seen_at)
    at = case((OccurrenceRow.status == AlertStatus.FIRING.value, OccurrenceRow.last_seen_at), else_=ended_at)
    found = await transaction.execute(
        select(
            OccurrenceRow.fingerprint,
            OccurrenceRow.labels,
            func.max(at).label("at"),
        )
        .where(OccurrenceRow.labels.contains(dict(labels)), ~OccurrenceRow.group_key.startswith(OURS))
        .group_by(OccurrenceRow.fingerprint, OccurrenceRow.labels)
        .order_by(OccurrenceRow.fingerprint)
    )
    return [Heard(fingerprint=Fingerprint(row.fingerprint), labels=row.labels, at=row.at) for row in found]


async def alarms(transaction: Transaction, alertname: str) -> Sequence[Occurrence]:
    """Read our own alarms of a name that still sound."""
    found = await transaction.execute(
        select(OccurrenceRow)
        .where(
            OccurrenceRow.alertname == alertname,
            OccurrenceRow.status == AlertStatus.FIRING.value,
            OccurrenceRow.group_key.startswith(OURS),
        )
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
    )
    return [rows.occurrence(row) for row in found]
