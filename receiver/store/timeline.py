"""Lines of the timeline, appended in the transaction of what they tell."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from receiver.model.timeline import Event
from receiver.store.database import Transaction
from receiver.store.tables import EventRow


async def add(transaction: Transaction, *events: Event) -> None:
    """Append events in their order."""
    if events:
        await transaction.execute(insert(EventRow), [_columns(event) for event in events])


def _columns(event: Event) -> Mapping[str, datetime | str | int | Mapping[str, Any] | None]:
    return {
        "at": event.at,
        "kind": event.kind.value,
        "text": event.text,
        "incident_id": event.incident_id,
        "alert_id": event.alert_id,
        "run_id": event.run_id,
        "detail": event.detail,
    }
