"""The incident in which a run is told that a person asked for: that of the workflow, begun where there is none."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.incident import Incident, IncidentState, Subject, incident_key
from receiver.model.timeline import Event, Kind
from receiver.store import rows, timeline
from receiver.store.database import Transaction
from receiver.store.decisions import lock_scopes
from receiver.store.stories import LOOK_LEASE
from receiver.store.tables import IncidentRow

_OPEN = IncidentState.OPEN.value


async def incident_for(
    transaction: Transaction, subject: Subject, lineage: str, *, group: Mapping[str, str], title: str, at: datetime
) -> Incident:
    """Find the open incident of what was named, else begin one without any alert, which is over once the run is.

    Args:
        transaction: It is there when this commits.
        subject: What the person named.
        lineage: Root uid of that workflow; empty where it is not known.
        group: What tells the incident from others where it is about no workflow.
        title: What one that is begun is called.
        at: The present time.
    """
    key = incident_key(subject, group)
    await lock_scopes(transaction, f"story {lineage}")
    # Two rounds are enough: what stands in the way of the first is an alert that came in between.
    for _ in range(2):
        same = [IncidentRow.key == key] + ([IncidentRow.lineage == lineage] if lineage else [])
        found = await transaction.execute(
            select(IncidentRow).where(or_(*same), IncidentRow.state == _OPEN).order_by(IncidentRow.id).limit(1)
        )
        row = found.first()
        if row is None:
            row = await _begin(transaction, key, subject, lineage, title=title, at=at)
        if row is not None:
            break
    return rows.incident(row)


async def _begin(
    transaction: Transaction, key: str, subject: Subject, lineage: str, *, title: str, at: datetime
) -> rows.Row | None:
    before = select(func.max(IncidentRow.id)).where(IncidentRow.key == key).scalar_subquery()
    begun = await transaction.execute(
        upsert(IncidentRow)
        .values(
            key=key,
            state=_OPEN,
            cluster=subject.cluster,
            namespace=subject.namespace,
            workflow=subject.workflow,
            agent=subject.agent,
            title=title,
            severity="",
            opened_at=at,
            quiet_since=at,
            firing=0,
            flaps=0,
            previous_id=before,
            lineage=lineage,
            look_at=at + LOOK_LEASE,
        )
        .on_conflict_do_nothing()
        .returning(IncidentRow)
    )
    row = begun.first()
    if row is not None:
        await timeline.add(transaction, Event(at=at, kind=Kind.INCIDENT_OPENED, text=title, incident_id=row.id))
    return row
