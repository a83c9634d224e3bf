"""The outbox: messages queued with their cause, claimed lane by lane, their fate written down.

A conversation is one incident at one place and address; its messages go in the order in which they were queued. A lane
is one place and address; of what may go there, the most urgent goes first, at the pace of the place, which all replicas
share. A lane that is closed holds up no other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert as upsert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate, Update

from receiver.model.errors import ReplayRefused
from receiver.model.message import Act, Draft, Lane, Message, MessageState, Place, Priority
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.jobs import Job, waits
from receiver.store.lane_tables import LaneRow
from receiver.store.tables import MessageRow

SEND_LEASE = timedelta(seconds=60)
"""How long a claimed message is left alone: longer than any client waits for its place."""

OUTAGE: Final = 3
"""So many failures in a row mean that the place is down, and that not one message alone is at fault."""

_SHADOWED: Final = {"state": MessageState.SHADOWED.value, "due_at": None}

_SUPERSEDING: Final = {
    Act.UPDATE: (Act.POST, Act.UPDATE),
    Act.TRIGGER: (Act.TRIGGER, Act.RESOLVE),
    Act.ACKNOWLEDGE: (Act.TRIGGER, Act.RESOLVE),
    Act.RESOLVE: (Act.TRIGGER, Act.RESOLVE),
}
"""What must not have been said since, for an old message to be said again: it would contradict what stands."""


async def queue(
    transaction: Transaction, incident_id: int | None, drafts: Sequence[Draft], at: datetime, *, shadow: bool = False
) -> list[Message]:
    """Queue messages; one whose key was queued before is left out. A new update overtakes older ones not yet sent.

    What must go first of its conversation goes as soon as its most urgent message. In shadow they are only recorded.
    """
    queued = []
    for draft in drafts:
        row = (
            await transaction.execute(_queueing(), _values(incident_id, draft, at) | (_SHADOWED if shadow else {}))
        ).first()
        if row is not None:
            message = rows.message(row)
            if draft.act is Act.UPDATE:
                await transaction.execute(_overtaking(), _place_of(message))
            if draft.act is not Act.POST and draft.priority <= Priority.FIRING:
                await transaction.execute(_hurrying(), {**_place_of(message), "of_priority": draft.priority.value})
            queued.append(message)
    return queued


async def due(transaction: Transaction, at: datetime) -> list[int]:
    """List one message of each lane that is open and has something to send, and for which no job waits."""
    return list((await transaction.execute(_due(), {"at": at})).scalars())


async def lane_of(transaction: Transaction, message_id: int) -> Lane | None:
    """Say where a message that is still to be sent queues; None where it is not."""
    found = (await transaction.execute(_lane(), {"id": message_id})).first()
    return None if found is None else Lane(Place(found.place), found.address)


async def claim(transaction: Transaction, lane: Lane, at: datetime, pace: timedelta) -> Message | datetime | None:
    """Take the message of a lane that goes next, to send it.

    Args:
        transaction: Holds the lane until it ends, so that replicas follow one another.
        lane: Where something is to be sent.
        at: The present time.
        pace: The least time between two messages of one lane.

    Returns:
        The message; or from when on the lane is open; or None when nothing may go there now.
    """
    where = _named(lane)
    if lane.place is not Place.CONSOLE:
        new = {"place": lane.place.value, "address": lane.address, "free_at": at, "failures": 0}
        found = (await transaction.execute(_entering(), new)).one()
        opens_at: datetime = max(found.free_at, found.held_until or found.free_at)
        if opens_at > at:
            return opens_at
    row = (await transaction.execute(_claiming(), {**where, "at": at, "until": at + SEND_LEASE})).first()
    if row is None:
        return None
    if lane.place is not Place.CONSOLE:
        await transaction.execute(_pacing(), {**where, "opens_at": at + pace})
    return rows.message(row)


async def anchor(transaction: Transaction, message: Message) -> tuple[str, str] | None:
    """Find where the conversation's one message stands in Slack: channel ID and `ts`; None before it was posted."""
    began = or_(MessageRow.act == Act.POST.value, MessageRow.answer.has_key("reposted"))
    return await _standing(transaction, message, MessageRow.incident_id == message.incident_id, began)


async def channel(transaction: Transaction, message: Message) -> str | None:
    """Find the ID of a message's channel, from the newest answer that any message to its address got."""
    found = await _standing(transaction, message)
    return None if found is None else found[0]


async def _standing(transaction: Transaction, message: Message, *which: ColumnElement[bool]) -> tuple[str, str] | None:
    found = await transaction.execute(
        select(MessageRow.answer)
        .where(
            MessageRow.place == message.draft.place.value,
            MessageRow.address == message.draft.address,
            MessageRow.state == MessageState.SENT.value,
            MessageRow.answer.has_key("channel_id"),
            *which,
        )
        .order_by(MessageRow.id.desc())
        .limit(1)
    )
    answer = found.scalar()
    return None if answer is None else (str(answer["channel_id"]), str(answer["ts"]))


async def sent(transaction: Transaction, message: Message, at: datetime, answer: Mapping[str, Any]) -> None:
    """Write down that a message arrived; after an outage, what waited longest for another try is due at once."""
    lane = message.draft.lane
    before = (await transaction.execute(_recovering(), _named(lane))).scalar()
    await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id)
        .values(state=MessageState.SENT.value, sent_at=at, due_at=None, error="", answer=dict(answer))
    )
    if before is not None and before >= OUTAGE:
        await transaction.execute(
            update(MessageRow)
            .where(
                MessageRow.place == lane.place.value,
                MessageRow.address == lane.address,
                MessageRow.state == MessageState.PENDING.value,
                # Whatever is under way is left alone: its lease is never longer than this.
                MessageRow.due_at > at + SEND_LEASE,
            )
            .values(due_at=at)
        )


async def failed(transaction: Transaction, message: Message, error: str, again_at: datetime | None) -> None:
    """Write down that a message did not arrive, and when it is tried again; dead when never."""
    dead = again_at is None
    await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id, MessageRow.state == MessageState.PENDING.value)
        .values(state=(MessageState.DEAD if dead else MessageState.PENDING).value, error=error, due_at=again_at)
    )


async def strike(transaction: Transaction, lane: Lane) -> int:
    """Count that a lane did not take a message; returns how often in a row."""
    struck = await transaction.execute(
        update(LaneRow)
        .where(LaneRow.place == lane.place.value, LaneRow.address == lane.address)
        .values(failures=LaneRow.failures + 1)
        .returning(LaneRow.failures)
    )
    return int(struck.scalar() or 0)


async def hold(transaction: Transaction, lane: Lane, until: datetime) -> None:
    """Let nothing go to a lane before a time."""
    await transaction.execute(
        update(LaneRow)
        .where(LaneRow.place == lane.place.value, LaneRow.address == lane.address)
        .values(held_until=func.greatest(LaneRow.held_until, until))
    )


async def replay(transaction: Transaction, message_id: int, at: datetime) -> Message | None:
    """Have a message that has ended sent once more; None when there is none of that number.

    One that arrived is said a second time. Of one that did not, it is looked first whether it is there after all.

    Raises:
        ReplayRefused: It is still to be sent, or what was said since would be contradicted.
    """
    row = (await transaction.execute(select(MessageRow).where(MessageRow.id == message_id).with_for_update())).first()
    if row is None:
        return None
    message = rows.message(row)
    if message.state is MessageState.PENDING:
        raise ReplayRefused(f"message {message_id} has not ended: it is still tried, next at {message.due_at}")
    if message.state is MessageState.SHADOWED:
        raise ReplayRefused(f"message {message_id} was only recorded, while notifications.mode was shadow")
    newer = await _said_since(transaction, message)
    if newer is not None:
        raise ReplayRefused(f"message {message_id} would contradict message {newer}, which was said after it")
    arrived = message.state is MessageState.SENT
    replayed = await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message_id)
        .values(
            state=MessageState.PENDING.value,
            due_at=at,
            replayed_at=at,
            replays=MessageRow.replays + (1 if arrived else 0),
            error="",
        )
        .returning(MessageRow)
    )
    return rows.message(replayed.one())


async def _said_since(transaction: Transaction, message: Message) -> int | None:
    acts = _SUPERSEDING.get(message.draft.act, ())
    found = await transaction.execute(
        select(func.min(MessageRow.id)).where(
            MessageRow.incident_id == message.incident_id,
            MessageRow.place == message.draft.place.value,
            MessageRow.address == message.draft.address,
            MessageRow.act.in_([act.value for act in acts]),
            MessageRow.state.in_((MessageState.PENDING.value, MessageState.SENT.value)),
            MessageRow.id > message.id,
        )
    )
    newer: int | None = found.scalar()
    return newer


def _is_due() -> ColumnElement[bool]:
    """Say in SQL which messages may be sent now: pending, due, and the first of their conversation."""
    earlier = aliased(MessageRow)
    before_it = exists().where(
        earlier.incident_id == MessageRow.incident_id,
        earlier.place == MessageRow.place,
        earlier.address == MessageRow.address,
        earlier.state == MessageState.PENDING.value,
        earlier.id < MessageRow.id,
    )
    return and_(MessageRow.state == MessageState.PENDING.value, MessageRow.due_at <= bindparam("at"), ~before_it)


# Each statement is written once: in a storm, writing them anew costs more than asking them.


def _values(incident_id: int | None, draft: Draft, at: datetime) -> dict[str, Any]:
    return {
        "incident_id": incident_id,
        "place": draft.place.value,
        "address": draft.address,
        "act": draft.act.value,
        "key": draft.key,
        "payload": dict(draft.payload),
        "cause": draft.cause,
        "state": MessageState.PENDING.value,
        "attempts": 0,
        "created_at": at,
        "due_at": at,
        "error": "",
        "answer": {},
        "priority": draft.priority.value,
    }


@cache
def _queueing() -> ReturningInsert[Any]:
    return upsert(MessageRow).on_conflict_do_nothing().returning(MessageRow)


def _named(lane: Lane) -> dict[str, Any]:
    return {"of_place": lane.place.value, "of_address": lane.address}


def _place_of(message: Message) -> dict[str, Any]:
    return {**_named(message.draft.lane), "of_incident": message.incident_id, "newest": message.id}


def _earlier() -> ColumnElement[bool]:
    return and_(
        MessageRow.incident_id == bindparam("of_incident"),
        MessageRow.place == bindparam("of_place"),
        MessageRow.address == bindparam("of_address"),
        MessageRow.state == MessageState.PENDING.value,
        MessageRow.id < bindparam("newest"),
    )


@cache
def _overtaking() -> Update:
    values = {"state": MessageState.SUPERSEDED.value, "due_at": None}
    return update(MessageRow).where(_earlier(), MessageRow.act == Act.UPDATE.value).values(values)


@cache
def _hurrying() -> Update:
    return (
        update(MessageRow)
        .where(_earlier(), MessageRow.priority > bindparam("of_priority"))
        .values(priority=bindparam("of_priority"))
    )


@cache
def _lane() -> Select[str, str]:
    return select(MessageRow.place, MessageRow.address).where(
        MessageRow.id == bindparam("id"), MessageRow.state == MessageState.PENDING.value
    )


@cache
def _due() -> Select[int]:
    opens_at = func.greatest(LaneRow.free_at, LaneRow.held_until)
    return (
        select(MessageRow.id)
        .outerjoin(LaneRow, and_(LaneRow.place == MessageRow.place, LaneRow.address == MessageRow.address))
        .where(
            or_(opens_at.is_(None), opens_at <= bindparam("at")),
            _is_due(),
            ~waits(Job.SEND, "message_id", MessageRow.id),
        )
        .ext(distinct_on(MessageRow.place, MessageRow.address))
        .order_by(MessageRow.place, MessageRow.address, MessageRow.priority, MessageRow.id)
    )


@cache
def _entering() -> ReturningInsert[datetime, datetime | None]:
    """Lock a lane, making it where it is new."""
    entered = upsert(LaneRow)
    return entered.on_conflict_do_update(
        index_elements=[LaneRow.place, LaneRow.address], set_={"place": entered.excluded.place}
    ).returning(LaneRow.free_at, LaneRow.held_until)


@cache
def _claiming() -> ReturningUpdate[Any]:
    first = (
        select(MessageRow.id)
        .where(MessageRow.place == bindparam("of_place"), MessageRow.address == bindparam("of_address"), _is_due())
        .order_by(MessageRow.priority, MessageRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update(MessageRow)
        .where(MessageRow.id == first.scalar_subquery())
        .values(due_at=bindparam("until"), attempts=MessageRow.attempts + 1)
        .returning(MessageRow)
    )


@cache
def _pacing() -> Update:
    return (
        update(LaneRow)
        .where(LaneRow.place == bindparam("of_place"), LaneRow.address == bindparam("of_address"))
        .values(free_at=bindparam("opens_at"))
    )


@cache
def _recovering() -> ReturningUpdate[int]:
    """Forget the failures of a lane; returns how many there were."""
    struck = (
        select(LaneRow.place, LaneRow.address, LaneRow.failures)
        .where(LaneRow.place == bindparam("of_place"), LaneRow.address == bindparam("of_address"), LaneRow.failures > 0)
        .with_for_update()
        .cte("struck")
    )
    return (
        update(LaneRow)
        .where(LaneRow.place == struck.c.place, LaneRow.address == struck.c.address)
        .values(failures=0)
        .returning(struck.c.failures)
    )
