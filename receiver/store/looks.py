"""Looking at an incident: what is loaded for it, what it brought to light, and when somebody must look again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, exists, func, insert, or_, select, update

from receiver.model.finding import Finding
from receiver.model.incident import Incident, IncidentState, Occurrence
from receiver.model.remediation import Run, RunState
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.tables import FindingRow, IncidentRow, OccurrenceRow, RunRow

ACTIVE = (RunState.RUNNING.value, RunState.WAITING.value)
"""States of a run that is not finished."""

_MOST_RUNS: Final = 20
"""Earlier runs that are worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An incident as it was when somebody began to look at it.

    Attributes:
        due_at: Its `look_at` then; ending the look compares with it, so that a change in between is not missed.
        firing: Its alerts that fire, oldest first.
    """

    incident: Incident
    due_at: datetime | None
    firing: Sequence[Occurrence]


async def begin(transaction: Transaction, incident_id: int) -> Look | None:
    """Load an incident with the alerts that fire; None when there is no such incident."""
    row = (await transaction.execute(select(IncidentRow).where(IncidentRow.id == incident_id))).first()
    if row is None:
        return None
    firing = await transaction.execute(
        select(OccurrenceRow)
        .where(OccurrenceRow.incident_id == incident_id, OccurrenceRow.status == "firing")
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
    )
    return Look(incident=rows.incident(row), due_at=row.look_at, firing=[rows.occurrence(one) for one in firing])


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What the store knows of earlier times.

    Attributes:
        occurrences: Earlier occurrences of the same series.
        last_at: Start of the newest of them.
        runs: Earlier runs on the same workflow and its ancestors, newest first.
    """

    occurrences: int
    last_at: datetime | None
    runs: Sequence[Run]


async def earlier(transaction: Transaction, alert: Occurrence, lineage: str) -> Earlier:
    """Read the past of an alert and of its workflow; an unknown lineage is an empty text."""
    before = await transaction.execute(
        select(func.count(), func.max(OccurrenceRow.starts_at)).where(
            OccurrenceRow.fingerprint == alert.fingerprint, OccurrenceRow.starts_at < alert.starts_at
        )
    )
    count, last_at = before.one()
    name = (RunRow.target["namespace"].astext, RunRow.target["name"].astext)
    same_name = and_(name[0] == alert.subject.namespace, name[1] == alert.subject.workflow)
    same = or_(RunRow.lineage == lineage, same_name) if lineage else same_name
    runs = await transaction.execute(select(RunRow).where(same).order_by(RunRow.id.desc()).limit(_MOST_RUNS))
    return Earlier(occurrences=count, last_at=last_at, runs=tuple(rows.run(row) for row in runs))


async def has_findings(transaction: Transaction, incident_id: int) -> bool:
    """Answer whether anybody has looked around this incident's alerts before."""
    found = await transaction.execute(select(exists().where(FindingRow.incident_id == incident_id)))
    return bool(found.scalar())


async def lock(transaction: Transaction, incident_id: int) -> Incident:
    """Hold an incident until the end of the transaction, so that looks at it follow one another."""
    statement = select(IncidentRow).where(IncidentRow.id == incident_id).with_for_update()
    return rows.incident((await transaction.execute(statement)).one())


async def keep_findings(transaction: Transaction, incident_id: int, findings: Sequence[Finding], at: datetime) -> None:
    """Keep what the sources said."""
    if findings:
        await transaction.execute(
            insert(FindingRow),
            [
                {
                    "incident_id": incident_id,
                    "at": at,
                    "source": one.source,
                    "state": one.state.value,
                    "summary": one.summary,
                    "detail": one.detail,
                    "took": one.took,
                }
                for one in findings
            ],
        )


async def bind(transaction: Transaction, incident_id: int, lineage: str) -> bool:
    """Say which workflow an incident is about, by its root uid; returns whether that is news."""
    bound = await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == incident_id, IncidentRow.lineage != lineage)
        .values(lineage=lineage)
        .returning(IncidentRow.id)
    )
    return bound.first() is not None


async def end(transaction: Transaction, look: Look, *, again_at: datetime | None) -> None:
    """End a look: nobody need look again before `again_at`, unless something changed meanwhile."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == look.incident.id, IncidentRow.look_at.is_not_distinct_from(look.due_at))
        .values(look_at=again_at)
    )


async def demand(transaction: Transaction, incident_id: int, by: datetime) -> None:
    """Have somebody look at an incident, at the latest at a time."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == incident_id, or_(IncidentRow.look_at.is_(None), IncidentRow.look_at > by))
        .values(look_at=by)
    )


async def close_quiet(transaction: Transaction, quiet_before: datetime, now: datetime, *, most: int) -> list[int]:
    """Close incidents that are over: no alert fires, no look is due, no run is unfinished; returns their numbers."""
    unfinished = exists().where(RunRow.incident_id == IncidentRow.id, RunRow.state.in_(ACTIVE))
    quiet = (
        select(IncidentRow.id)
        .where(
            IncidentRow.state == IncidentState.OPEN.value,
            IncidentRow.quiet_since <= quiet_before,
            IncidentRow.firing == 0,
            IncidentRow.look_at.is_(None),
            ~unfinished,
        )
        .order_by(IncidentRow.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    closed = await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id.in_(quiet.scalar_subquery()))
        .values(state=IncidentState.CLOSED.value, closed_at=now, look_at=now)
        .returning(IncidentRow.id)
    )
    return sorted(closed.scalars())
