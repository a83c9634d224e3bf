"""Two incidents about one workflow become one; one incident about two workflows becomes two.

Both happen only here, only when the workflow itself was looked at, and always with a line in the timeline of either
side. Locks are taken in the order that recording keeps too: the lineage by its name, incidents by number, occurrences
by key; then messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from receiver.model.alert import AlertStatus
from receiver.model.incident import IncidentState, Subject, incident_key, title_of, worst
from receiver.model.message import MessageState
from receiver.model.timeline import Event, Kind
from receiver.store import rows, timeline
from receiver.store.database import Transaction
from receiver.store.decisions import lock_scopes
from receiver.store.rows import Row
from receiver.store.stories import LOOK_LEASE
from receiver.store.tables import IncidentRow, MessageRow, OccurrenceRow

_OPEN = IncidentState.OPEN.value
_MERGED = IncidentState.MERGED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The workflow that was found under the name which an alert gives.

    Attributes:
        subject: What the alert is about.
        lineage: Root uid of the workflow that was found.
        created_at: When that workflow was created.
        at: When it was seen.
    """

    subject: Subject
    lineage: str
    created_at: datetime
    at: datetime

    @property
    def key(self) -> str:
        """The key under which alerts about this name come in."""
        return incident_key(self.subject, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an incident amounts to, as far as joining two changes it."""

    firing: int
    quiet_since: datetime | None
    flaps: int
    severity: str
    opened_at: datetime
    acknowledged_by: str
    acknowledged_at: datetime | None = None

    def join(self, younger: "Tally") -> "Tally":
        """Count two incidents as one. If the older was quiet and the younger fires, that is a flap like any other."""
        flapped = self.quiet_since is not None and younger.firing > 0
        firing = self.firing + younger.firing
        quiet = [since for since in (self.quiet_since, younger.quiet_since) if since is not None]
        return Tally(
            firing=firing,
            quiet_since=None if firing else max(quiet, default=None),
            flaps=self.flaps + younger.flaps + flapped,
            severity=worst([self.severity, younger.severity]),
            opened_at=min(self.opened_at, younger.opened_at),
            acknowledged_by=self.acknowledged_by or younger.acknowledged_by,
            acknowledged_at=self.acknowledged_at if self.acknowledged_by else younger.acknowledged_at,
        )


async def settle(transaction: Transaction, incident_id: int, sighting: Sighting) -> tuple[int, ...]:
    """Make an incident agree with what was seen of its workflow: bind it, split it, or merge it with others.

    Returns:
        The incidents that changed by merging or splitting and are to be looked at anew. Empty when the incident stays
        what it is, and the look at it may go on.
    """
    await lock_scopes(transaction, f"story {sighting.lineage}")
    held = {row.id: row for row in await _lock(transaction, incident_id, sighting.lineage)}
    own = held[incident_id]
    if own.state == _MERGED:
        return (own.merged_into,)
    if own.state != _OPEN:
        return ()
    if own.lineage not in {"", sighting.lineage} and (parted := await _part(transaction, own, sighting)) is not None:
        return parted
    await _bind(transaction, own, sighting)
    alike = [
        row for row in held.values() if row.state == _OPEN and (row.id == own.id or row.lineage == sighting.lineage)
    ]
    if len(alike) == 1:
        return ()
    await _merge(transaction, alike, sighting.at)
    return tuple(row.id for row in alike)


async def family(transaction: Transaction, incident_id: int) -> tuple[int, ...]:
    """List the numbers under which an incident's story was written down: its own, and those merged into it."""
    merged = await transaction.execute(
        select(IncidentRow.id).where(IncidentRow.merged_into == incident_id).order_by(IncidentRow.id)
    )
    return (incident_id, *merged.scalars())


def within(column: InstrumentedAttribute[Any], numbers: Sequence[int]) -> ColumnElement[bool]:
    """Say that a row belongs to one of a family; for most incidents, which are alone, as plainly as possible."""
    return column == numbers[0] if len(numbers) == 1 else column.in_(numbers)


async def _lock(transaction: Transaction, incident_id: int, lineage: str) -> Sequence[Row]:
    """Hold an incident, the open ones of a lineage, and whatever was merged into any of them; lowest number first."""
    alike = and_(IncidentRow.lineage == lineage, IncidentRow.state == _OPEN)
    concerned = await transaction.execute(select(IncidentRow.id).where(or_(IncidentRow.id == incident_id, alike)))
    numbers = list(concerned.scalars())
    merged = await transaction.execute(select(IncidentRow.id).where(IncidentRow.merged_into.in_(numbers)))
    held = await transaction.execute(
        select(IncidentRow)
        .where(IncidentRow.id.in_([*numbers, *merged.scalars()]))
        .order_by(IncidentRow.id)
        .with_for_update()
    )
    return held.all()


async def _bind(transaction: Transaction, own: Row, sighting: Sighting) -> None:
    """Write down which workflow an incident is about, and which closed incident was about it before."""
    if own.lineage == sighting.lineage:
        return
    before = select(func.max(IncidentRow.id)).where(
        IncidentRow.lineage == sighting.lineage,
        IncidentRow.state == IncidentState.CLOSED.value,
        IncidentRow.id < own.id,
    )
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == own.id)
        .values(lineage=sighting.lineage, previous_id=func.coalesce(IncidentRow.previous_id, before.scalar_subquery()))
    )
    text = f"the incident is about the workflow that began as {sighting.lineage}"
    await timeline.add(transaction, Event(at=sighting.at, kind=Kind.INCIDENT_BOUND, text=text, incident_id=own.id))


async def _merge(transaction: Transaction, alike: Sequence[Row], at: datetime) -> None:
    """Let the lowest number go on with the alerts of all."""
    survivor, *losers = sorted(alike, key=lambda row: int(row.id))
    numbers = [row.id for row in losers]
    await _hold(transaction, OccurrenceRow.incident_id.in_(numbers))
    await transaction.execute(
        update(OccurrenceRow).where(OccurrenceRow.incident_id.in_(numbers)).values(incident_id=survivor.id)
    )
    whole = _tally(survivor)
    for row in losers:
        whole = whole.join(_tally(row))
    due = at + LOOK_LEASE
    await _write(transaction, survivor.id, whole, due)
    await transaction.execute(
        update(IncidentRow)
        .where(or_(IncidentRow.id.in_(numbers), IncidentRow.merged_into.in_(numbers)))
        .values(
            state=_MERGED,
            merged_into=survivor.id,
            closed_at=func.coalesce(IncidentRow.closed_at, at),
            firing=0,
            look_at=due,
        )
    )
    await _silence(transaction, numbers)
    for row in losers:
        await timeline.add(transaction, *_merger(survivor, row, at))


async def _silence(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Take back what merged incidents were about to say, as far as nobody has begun to send it."""
    await transaction.execute(
        update(MessageRow)
        .where(
            MessageRow.incident_id.in_(numbers),
            MessageRow.state == MessageState.PENDING.value,
            MessageRow.attempts == 0,
        )
        .values(state=MessageState.SUPERSEDED.value, due_at=None)
    )


def _merger(survivor: Row, loser: Row, at: datetime) -> tuple[Event, Event]:
    joins = f"incident {loser.id} is about the same workflow; its alerts and its story go on here"
    ends = f"incident {survivor.id} is about the same workflow and older; the story goes on there"
    return (
        Event(
            at=at,
            kind=Kind.INCIDENT_MERGED,
            text=joins,
            incident_id=survivor.id,
            detail={"from": loser.id, "into": survivor.id},
        ),
        Event(
            at=at,
            kind=Kind.INCIDENT_MERGED,
            text=ends,
            incident_id=loser.id,
            detail={"from": loser.id, "into": survivor.id},
        ),
    )


async def _part(transaction: Transaction, own: Row, sighting: Sighting) -> tuple[int, ...] | None:
    """Take out the alerts about another workflow that has the same name by now; None when none would stay."""
    about = and_(
        OccurrenceRow.incident_id == own.id,
        OccurrenceRow.cluster == sighting.subject.cluster,
        OccurrenceRow.namespace == sighting.subject.namespace,
        OccurrenceRow.workflow == sighting.subject.workflow,
        OccurrenceRow.starts_at >= sighting.created_at,
    )
    taken = exists().where(IncidentRow.key == sighting.key, IncidentRow.state == _OPEN, IncidentRow.id != own.id)
    if (await transaction.execute(select(taken))).scalar():
        return ()
    leaving = await _hold(transaction, about)
    if not leaving:
        return ()
    stays = exists().where(OccurrenceRow.incident_id == own.id, ~about)
    if not (await transaction.execute(select(stays))).scalar():
        return None
    begun = await _split(transaction, own, leaving, sighting)
    return (own.id, begun)


async def _split(transaction: Transaction, own: Row, leaving: Sequence[Row], sighting: Sighting) -> int:
    firing = [row for row in leaving if row.status == AlertStatus.FIRING.value]
    await _retire_key(transaction, own, sighting)
    newest = rows.occurrence(leaving[-1])
    begun = await transaction.execute(
        insert(IncidentRow)
        .values(
            key=sighting.key,
            state=_OPEN,
            cluster=sighting.subject.cluster,
            namespace=sighting.subject.namespace,
            workflow=sighting.subject.workflow,
            agent=newest.subject.agent,
            title=title_of(newest, sighting.subject),
            severity=worst([row.severity for row in leaving]),
            opened_at=min(row.first_seen_at for row in firing or leaving),
            firing=len(firing),
            quiet_since=None if firing else sighting.at,
            flaps=0,
            previous_id=own.id,
            look_at=sighting.at + LOOK_LEASE,
        )
        .returning(IncidentRow.id)
    )
    number = int(begun.scalar_one())
    await transaction.execute(
        update(OccurrenceRow)
        .where(OccurrenceRow.incident_id == own.id, OccurrenceRow.id.in_([row.id for row in leaving]))
        .values(incident_id=number)
    )
    left = own.firing - len(firing)
    quiet_since = own.quiet_since if left or own.quiet_since else sighting.at
    tally = replace(_tally(own), firing=left, quiet_since=quiet_since)
    await _write(transaction, own.id, tally, sighting.at + LOOK_LEASE)
    await timeline.add(transaction, *_parting(own.id, number, leaving, sighting))
    return number


async def _retire_key(transaction: Transaction, own: Row, sighting: Sighting) -> None:
    """Let the key go to the newer workflow: what comes in under it from now on is about that one."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.key == sighting.key, or_(IncidentRow.id == own.id, IncidentRow.merged_into == own.id))
        .values(key=IncidentRow.key + f" until {sighting.at.isoformat()}")
    )


def _parting(old: int, new: int, leaving: Sequence[Row], sighting: Sighting) -> tuple[Event, Event]:
    name = f"{sighting.subject.namespace}/{sighting.subject.workflow}"
    alerts = [rows.public_id(row.starts_at, row.id) for row in leaving]
    detail = {"from": old, "into": new, "alerts": alerts}
    goes = f"{name} is another workflow by now, and no descendant; its alerts ({len(alerts)}) are incident {new}"
    comes = f"begun with {len(alerts)} alerts of incident {old}: {name} is another workflow by now, and no descendant"
    return (
        Event(at=sighting.at, kind=Kind.INCIDENT_SPLIT, text=goes, incident_id=old, detail=detail),
        Event(at=sighting.at, kind=Kind.INCIDENT_SPLIT, text=comes, incident_id=new, detail=detail),
    )


async def _hold(transaction: Transaction, which: ColumnElement[bool]) -> Sequence[Row]:
    """Hold occurrences, by key as recording does; returns them."""
    held = await transaction.execute(
        select(OccurrenceRow)
        .where(which)
        .order_by(OccurrenceRow.fingerprint, OccurrenceRow.starts_at)
        .with_for_update()
    )
    return held.all()


def _tally(row: Row) -> Tally:
    return Tally(
        firing=row.firing,
        quiet_since=row.quiet_since,
        flaps=row.flaps,
        severity=row.severity,
        opened_at=row.opened_at,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
    )


async def _write(transaction: Transaction, number: int, tally: Tally, due: datetime) -> None:
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == number)
        .values(
            firing=tally.firing,
            quiet_since=tally.quiet_since,
            flaps=tally.flaps,
            severity=tally.severity,
            opened_at=tally.opened_at,
            acknowledged_by=tally.acknowledged_by,
            acknowledged_at=tally.acknowledged_at,
            look_at=due,
        )
    )
