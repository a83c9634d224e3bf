"""Who has an incident: kept with it, and told in its timeline."""

from datetime import datetime

from sqlalchemy import update

from receiver.model.incident import Incident
from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.database import Transaction
from receiver.store.tables import IncidentRow


async def take_on(transaction: Transaction, incident: Incident, *, by: str, note: str, at: datetime) -> None:
    """Write down that a person has taken an incident on; whoever had it before has handed it over.

    Args:
        transaction: Holds the incident.
        incident: As it was read while it is held.
        by: Who, by name.
        note: What was said with it; may be empty.
        at: The present time.
    """
    await transaction.execute(
        update(IncidentRow).where(IncidentRow.id == incident.id).values(acknowledged_by=by, acknowledged_at=at)
    )
    before = incident.acknowledged_by
    text = f"{by} has taken it on" + (f" from {before}" if before and before != by else "")
    event = Event(
        at=at,
        kind=Kind.INCIDENT_ACKNOWLEDGED,
        text=f"{text}: {note}" if note else text,
        incident_id=incident.id,
        detail={"by": by, "before": before},
    )
    await timeline.add(transaction, event)
