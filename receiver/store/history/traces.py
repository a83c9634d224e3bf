"""What traces are made of, and which incidents wait for theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select

from receiver.model.incident import IncidentState
from receiver.model.message import Story
from receiver.model.timeline import Event, Kind
from receiver.store.database import Transaction
from receiver.store.history.stories import story
from receiver.store.merging import family, within
from receiver.store.rows import event
from receiver.store.tables import DecisionRow, EventRow, FindingRow, IncidentRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One source that was asked about an incident: when it had answered, how long that took, and how it went."""

    source: str
    state: str
    at: datetime
    began_at: datetime
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision: when, of which playbook, and what came of it; no outcome where a run followed."""

    id: int
    at: datetime
    playbook: str
    mode: str
    outcome: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """An incident with all that has a time."""

    story: Story
    asked: Sequence[Asked]
    decided: Sequence[Decided]
    events: Sequence[Event]


async def waiting(tx: Transaction, *, since: datetime, until: datetime, most: int) -> tuple[int, ...]:
    """Find incidents that were closed in a span of time and whose trace was not sent, those closed first first."""
    sent = exists().where(EventRow.incident_id == IncidentRow.id, EventRow.kind == Kind.INCIDENT_TRACED.value)
    found = await tx.execute(
        select(IncidentRow.id)
        .where(
            IncidentRow.closed_at >= since,
            IncidentRow.closed_at < until,
            IncidentRow.state == IncidentState.CLOSED.value,
            ~sent,
        )
        .order_by(IncidentRow.closed_at)
        .limit(most)
    )
    return tuple(int(number) for number in found.scalars())


async def course(tx: Transaction, incident_id: int) -> Course:
    """Read all that has a time of an incident and of those merged into it, each list oldest first.

    Raises:
        StoreError: There is no such incident.
    """
    members = await family(tx, incident_id)
    findings = await tx.execute(
        select(FindingRow).where(within(FindingRow.incident_id, members)).order_by(FindingRow.id)
    )
    decisions = await tx.execute(
        select(DecisionRow).where(within(DecisionRow.incident_id, members)).order_by(DecisionRow.id)
    )
    events = await tx.execute(
        select(EventRow).where(within(EventRow.incident_id, members)).order_by(EventRow.at, EventRow.id)
    )
    return Course(
        story=await story(tx, incident_id),
        asked=[
            Asked(source=row.source, state=row.state, at=row.at, began_at=row.at - row.took, summary=row.summary)
            for row in findings
        ],
        decided=[
            Decided(id=row.id, at=row.at, playbook=row.playbook, mode=row.mode, outcome=row.outcome, reason=row.reason)
            for row in decisions
        ],
        events=[event(row) for row in events],
    )
