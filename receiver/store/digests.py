"""Digests: which incidents wait for one, when it is due, and what it tells of, all in rows.

An entry waits as long as its row says, whatever becomes of the process that wrote it. A digest takes all entries of its
address in the transaction that queues it, and one replica at a time does so: none is told of twice, none is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.bulletin import Item
from receiver.model.incident import IncidentState
from receiver.model.message import Lane, Message, MessageState, Place
from receiver.model.remediation import Mode, Outcome
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.digest_tables import DigestRow
from receiver.store.tables import IncidentRow, MessageRow, RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a digest tells of.

    Attributes:
        since: Since when the first of it has waited.
        items: Oldest first; empty where all of it was told in another way.
    """

    since: datetime
    items: Sequence[Item]


async def enter(
    transaction: Transaction, incident_id: int, lanes: Sequence[Lane], *, at: datetime, due_at: datetime, shadow: bool
) -> list[Lane]:
    """Have the next digest of each address tell of an incident; returns those for which that is news.

    Args:
        transaction: That of the look which decided it.
        incident_id: The incident; each address tells of it in one digest, ever.
        lanes: The addresses.
        at: The present time.
        due_at: By when it is told, at the latest.
        shadow: Whether the digest is only recorded.
    """
    if not lanes:
        return []
    named = [{"place": lane.place.value, "address": lane.address} for lane in lanes]
    entry = {"incident_id": incident_id, "shadow": shadow, "entered_at": at, "due_at": due_at}
    entered = await transaction.execute(
        upsert(DigestRow)
        .values([{**entry, **one} for one in named])
        .on_conflict_do_nothing()
        .returning(DigestRow.place, DigestRow.address)
    )
    return [Lane(Place(row.place), row.address) for row in entered]


async def due(transaction: Transaction, at: datetime, *, shadow: bool) -> list[Lane]:
    """List the addresses whose digest is due: something has waited there for as long as it may."""
    found = await transaction.execute(
        select(DigestRow.place, DigestRow.address)
        .where(DigestRow.settled_at.is_(None), DigestRow.due_at <= at, DigestRow.shadow.is_(shadow))
        .group_by(DigestRow.place, DigestRow.address)
        .order_by(DigestRow.place, DigestRow.address)
    )
    return [Lane(Place(row.place), row.address) for row in found]


async def take(transaction: Transaction, lane: Lane, at: datetime, *, shadow: bool) -> Taken:
    """Take all that waits for the digest of an address; the caller queues it in the same transaction.

    Incidents that were merged into another, or told of there by a message of their own since, are taken and left out.
    """
    taken = await transaction.execute(
        update(DigestRow)
        .where(
            DigestRow.place == lane.place.value,
            DigestRow.address == lane.address,
            DigestRow.shadow.is_(shadow),
            DigestRow.settled_at.is_(None),
        )
        .values(settled_at=at)
        .returning(DigestRow.incident_id, DigestRow.entered_at)
    )
    entries = {row.incident_id: row.entered_at for row in taken}
    told = exists().where(
        MessageRow.incident_id == IncidentRow.id,
        MessageRow.place == lane.place.value,
        MessageRow.address == lane.address,
        MessageRow.state != MessageState.SUPERSEDED.value,
        (MessageRow.state == MessageState.SHADOWED.value).is_(shadow),
    )
    healer = (
        select(RunRow.playbook)
        .where(
            RunRow.incident_id == IncidentRow.id,
            RunRow.mode == Mode.LIVE.value,
            RunRow.outcome == Outcome.SUCCEEDED.value,
        )
        .order_by(RunRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = await transaction.execute(
        select(IncidentRow, healer.label("healed_by"))
        .where(IncidentRow.id.in_(entries), IncidentRow.state != IncidentState.MERGED.value, ~told)
        .order_by(IncidentRow.id)
    )
    return Taken(
        since=min(entries.values(), default=at),
        items=[Item(incident=rows.incident(row), firing=row.firing, healed_by=row.healed_by or "") for row in found],
    )


async def name(transaction: Transaction, taken: Taken, message: Message) -> None:
    """Write down which message it was that told of incidents."""
    lane = message.draft.lane
    await transaction.execute(
        update(DigestRow)
        .where(
            DigestRow.place == lane.place.value,
            DigestRow.address == lane.address,
            DigestRow.shadow.is_(message.state is MessageState.SHADOWED),
            DigestRow.incident_id.in_([item.incident.id for item in taken.items]),
        )
        .values(message_id=message.id)
    )


async def forget(transaction: Transaction, horizon: datetime) -> None:
    """Forget what was told in a digest before a time, and is over."""
    open_still = exists().where(IncidentRow.id == DigestRow.incident_id, IncidentRow.state == IncidentState.OPEN.value)
    await transaction.execute(delete(DigestRow).where(DigestRow.settled_at < horizon, ~open_still))
