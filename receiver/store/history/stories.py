"""The whole story of one incident, for whoever is to be told about it."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from receiver.model.errors import StoreError
from receiver.model.finding import Finding
from receiver.model.message import Story
from receiver.model.timeline import Event, Kind
from receiver.store.database import Transaction
from receiver.store.history import decisions, incidents, messages, remediations
from receiver.store.merging import family, within
from receiver.store.rows import event, finding
from receiver.store.tables import EventRow, FindingRow

_NOTES: Final = tuple(
    kind.value
    for kind in (
        Kind.BREAKER_OPENED,
        Kind.DEMOTED,
        Kind.INCIDENT_ACKNOWLEDGED,
        Kind.INCIDENT_SILENCED,
        Kind.INCIDENT_NOT_SILENCED,
    )
)


async def story(tx: Transaction, incident_id: int) -> Story:
    """Read all that is known of an incident and of those merged into it; lists oldest first, findings by source.

    Raises:
        StoreError: There is no such incident.
    """
    incident = await incidents.get(tx, incident_id)
    if incident is None:
        raise StoreError(f"there is no incident {incident_id}; look at `receiver incidents list`")
    return Story(
        incident=incident,
        alerts=await incidents.alerts_of(tx, incident_id),
        findings=await findings_of(tx, incident_id),
        decisions=await decisions.of_incident(tx, incident_id),
        runs=await remediations.of_incident(tx, incident_id),
        messages=await messages.of_incident(tx, incident_id),
        notes=await notes_of(tx, incident_id),
    )


async def notes_of(tx: Transaction, incident_id: int) -> tuple[Event, ...]:
    """Read what the runs of an incident made of their playbooks and what people said of it, oldest first."""
    found = await tx.execute(
        select(EventRow)
        .where(within(EventRow.incident_id, await family(tx, incident_id)), EventRow.kind.in_(_NOTES))
        .order_by(EventRow.at, EventRow.id)
    )
    return tuple(event(row) for row in found)


async def findings_of(tx: Transaction, incident_id: int) -> tuple[Finding, ...]:
    """Read the newest answer of each source about an incident, by name of the source."""
    found = await tx.execute(
        select(FindingRow)
        .where(within(FindingRow.incident_id, await family(tx, incident_id)))
        .ext(distinct_on(FindingRow.source))
        .order_by(FindingRow.source, FindingRow.id.desc())
    )
    return tuple(finding(row) for row in found)
