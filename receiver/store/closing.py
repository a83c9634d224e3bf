"""Closing occurrences that nobody said are over: which ones may be, and how it is written down.

Locks are taken as in a recording: incidents by number, then occurrences by key. Reopening needs nothing of its own: a
firing that is delivered, or asked for, goes through the intake like any other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, exists, func, select, tuple_, update

from receiver.model.alert import AlertStatus, Change, Fingerprint, Standing, conclude
from receiver.model.peer import Candidate
from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job, Queue
from receiver.store.looks import ACTIVE
from receiver.store.rows import public_id
from receiver.store.stories import LOOK_LEASE
from receiver.store.tables import IncidentRow, OccurrenceRow, RunRow

THEIRS: Final = "{%"
"""How the group keys of Alertmanager begin: with the path of the route. Those of our own alerts do not."""

_COLUMNS: Final = (
    OccurrenceRow.id,
    OccurrenceRow.fingerprint,
    OccurrenceRow.starts_at,
    OccurrenceRow.alertname,
    OccurrenceRow.labels,
    OccurrenceRow.namespace,
    OccurrenceRow.workflow,
    OccurrenceRow.last_seen_at,
    OccurrenceRow.firings,
    OccurrenceRow.incident_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """An occurrence is taken for over.

    Attributes:
        candidate: The occurrence as it was when that was concluded.
        cause: One word for programs: `absent`, `twin` or `workflow`.
        reason: From what it was concluded, for people.
        ends_at: When it was over, as far as that can be known.
    """

    candidate: Candidate
    cause: str
    reason: str
    ends_at: datetime


async def unheard(transaction: Transaction, before: datetime, *, most: int) -> list[Candidate]:
    """Read the firing occurrences that came from an Alertmanager and were last told before a time."""
    statement = (
        select(*_COLUMNS)
        .where(
            OccurrenceRow.status == AlertStatus.FIRING.value,
            OccurrenceRow.group_key.like(THEIRS),
            OccurrenceRow.last_seen_at <= before,
        )
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
        .limit(most)
    )
    return await _candidates(transaction, statement)


async def about_workflows(transaction: Transaction, alertnames: Sequence[str], *, most: int) -> list[Candidate]:
    """Read the firing occurrences of some alerts whose workflow was seen in the cluster, and on which no run works."""
    working = exists().where(RunRow.incident_id == OccurrenceRow.incident_id, RunRow.state.in_(ACTIVE))
    statement = (
        select(*_COLUMNS, IncidentRow.lineage)
        .join(IncidentRow, IncidentRow.id == OccurrenceRow.incident_id)
        .where(
            OccurrenceRow.status == AlertStatus.FIRING.value,
            OccurrenceRow.alertname.in_(alertnames),
            OccurrenceRow.group_key.like(THEIRS),
            OccurrenceRow.namespace != "",
            OccurrenceRow.workflow != "",
            IncidentRow.lineage != "",
            ~working,
        )
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
        .limit(most)
    )
    return await _candidates(transaction, statement)


async def close(
    transaction: Transaction, queue: Queue, conclusions: Sequence[Conclusion], at: datetime
) -> list[Conclusion]:
    """Close occurrences, unless something was told of them meanwhile; returns those that were closed."""
    locked = await _lock_incidents(
        transaction, {one.candidate.incident_id for one in conclusions if one.candidate.incident_id}
    )
    concluded = {one.candidate.key: one for one in conclusions}
    closed: list[Conclusion] = []
    for row in await _lock_occurrences(transaction, concluded):
        conclusion = concluded[(row.fingerprint, row.starts_at)]
        told_since = row.last_seen_at != conclusion.candidate.last_seen_at
        moved = row.incident_id is not None and row.incident_id not in locked
        standing, change = conclude(_standing(row), max(conclusion.ends_at, row.starts_at))
        if told_since or moved or change is not Change.INFERRED:
            continue
        await _write(transaction, row, standing)
        await timeline.add(transaction, _event(row, conclusion, at))
        closed.append(conclusion)
        if row.incident_id is not None:
            locked[row.incident_id] -= 1
    await _write_counts(transaction, queue, locked, at)
    return closed


async def names_of(transaction: Transaction, keys: Iterable[tuple[str, datetime]]) -> list[tuple[str, int | None]]:
    """Give the public id and the incident of occurrences."""
    named = tuple_(OccurrenceRow.fingerprint, OccurrenceRow.starts_at)
    found = await transaction.execute(
        select(OccurrenceRow.id, OccurrenceRow.starts_at, OccurrenceRow.incident_id)
        .where(named.in_(list(keys)))
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
    )
    return [(public_id(row.starts_at, row.id), row.incident_id) for row in found]


async def starts_of(
    transaction: Transaction, fingerprints: Iterable[str], since: datetime, until: datetime
) -> list[tuple[str, datetime, str]]:
    """Give the starts that are known of some series: fingerprint, start, and the start as its sender wrote it.

    Args:
        transaction: Where to read.
        fingerprints: Which series.
        since: Earliest start.
        until: Latest start.
    """
    found = await transaction.execute(
        select(OccurrenceRow.fingerprint, OccurrenceRow.starts_at, OccurrenceRow.starts_at_text)
        .where(
            OccurrenceRow.fingerprint.in_(list(fingerprints)),
            OccurrenceRow.starts_at >= since,
            OccurrenceRow.starts_at <= until,
        )
        .order_by(OccurrenceRow.fingerprint, OccurrenceRow.starts_at)
    )
    return [(row.fingerprint, row.starts_at, row.starts_at_text) for row in found]


async def _candidates(transaction: Transaction, statement: Select[Any]) -> list[Candidate]:
    return [
        Candidate(
            id=public_id(row.starts_at, row.id),
            number=row.id,
            fingerprint=Fingerprint(row.fingerprint),
            starts_at=row.starts_at,
            alertname=row.alertname,
            labels=row.labels,
            namespace=row.namespace,
            workflow=row.workflow,
            last_seen_at=row.last_seen_at,
            firings=row.firings,
            incident_id=row.incident_id,
            lineage=getattr(row, "lineage", ""),
        )
        for row in await transaction.execute(statement)
    ]


async def _lock_incidents(transaction: Transaction, numbers: Iterable[int]) -> dict[int, int]:
    """Lock incidents in the order of their numbers; returns for each a count of what is closed in it, still zero."""
    found = await transaction.execute(
        select(IncidentRow.id).where(IncidentRow.id.in_(numbers)).order_by(IncidentRow.id).with_for_update()
    )
    return dict.fromkeys(found.scalars(), 0)


async def _lock_occurrences(transaction: Transaction, keys: Iterable[tuple[str, datetime]]) -> Sequence[Any]:
    named = tuple_(OccurrenceRow.fingerprint, OccurrenceRow.starts_at)
    found = await transaction.execute(
        select(OccurrenceRow)
        .where(named.in_(list(keys)))
        .order_by(OccurrenceRow.fingerprint, OccurrenceRow.starts_at)
        .with_for_update()
    )
    return found.all()


def _standing(row: Any) -> Standing:
    return Standing(
        status=AlertStatus(row.status),
        inferred=row.inferred,
        annotations=row.annotations,
        ends_at=row.ends_at,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        resolved_seen_at=row.resolved_seen_at,
        deliveries=row.deliveries,
    )


async def _write(transaction: Transaction, row: Any, standing: Standing) -> None:
    await transaction.execute(
        update(OccurrenceRow)
        .where(OccurrenceRow.starts_at == row.starts_at, OccurrenceRow.id == row.id)
        .values(status=standing.status.value, inferred=standing.inferred, ends_at=standing.ends_at)
    )


def _event(row: Any, conclusion: Conclusion, at: datetime) -> Event:
    name = row.alertname or "an alert without a name"
    return Event(
        at=at,
        kind=Kind.ALERT_CLOSED,
        text=f"{name} is taken for over: {conclusion.reason}",
        incident_id=row.incident_id,
        alert_id=public_id(row.starts_at, row.id),
        detail={"cause": conclusion.cause, "inferred": True},
    )


async def _write_counts(transaction: Transaction, queue: Queue, closed: dict[int, int], at: datetime) -> None:
    """Write down how many alerts of each incident fire now, and have somebody look at it."""
    changed = {number: -count for number, count in closed.items() if count}
    for number, count in changed.items():
        firing = func.greatest(IncidentRow.firing - count, 0)
        await transaction.execute(
            update(IncidentRow).where(IncidentRow.id == number).values(firing=firing, look_at=at + LOOK_LEASE)
        )
        await transaction.execute(
            update(IncidentRow).where(IncidentRow.id == number, IncidentRow.firing == 0).values(quiet_since=at)
        )
    await queue.enqueue(transaction, Job.LOOK, *({"incident_id": number} for number in changed))
