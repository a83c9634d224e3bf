"""The outbox: messages queued with their cause, claimed one at a time for each conversation, their fate written down.

A conversation is one incident at one place and address; its messages go in the order in which they were queued, and a
place that is down holds up nobody else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from receiver.model.message import Act, Draft, Message, MessageState
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.tables import MessageRow

SEND_LEASE = timedelta(seconds=60)
"""How long a claimed message is left alone: longer than any client waits for its place."""


async def queue(transaction: Transaction, incident_id: int, drafts: Sequence[Draft], at: datetime) -> list[Message]:
    """Queue messages; one whose key was queued before is left out. A new update overtakes older ones not yet sent."""
    queued = []
    for draft in drafts:
        kept = await transaction.execute(
            upsert(MessageRow)
            .values(
                incident_id=incident_id,
                place=draft.place.value,
                address=draft.address,
                act=draft.act.value,
                key=draft.key,
                payload=dict(draft.payload),
                cause=draft.cause,
                state=MessageState.PENDING.value,
                attempts=0,
                created_at=at,
                due_at=at,
                error="",
                answer={},
            )
            .on_conflict_do_nothing()
            .returning(MessageRow)
        )
        row = kept.first()
        if row is not None:
            message = rows.message(row)
            if draft.act is Act.UPDATE:
                await _overtake(transaction, message)
            queued.append(message)
    return queued


def is_due(at: datetime) -> ColumnElement[bool]:
    """Say in SQL which messages may be sent now: pending, due, and the first of their conversation."""
    earlier = aliased(MessageRow)
    before_it = exists().where(
        earlier.incident_id == MessageRow.incident_id,
        earlier.place == MessageRow.place,
        earlier.address == MessageRow.address,
        earlier.state == MessageState.PENDING.value,
        earlier.id < MessageRow.id,
    )
    return and_(MessageRow.state == MessageState.PENDING.value, MessageRow.due_at <= at, ~before_it)


async def claim(transaction: Transaction, message_id: int, at: datetime) -> Message | None:
    """Take a message to send it; None when it is not due, or another of its conversation must go first."""
    claimed = await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message_id, is_due(at))
        .values(due_at=at + SEND_LEASE, attempts=MessageRow.attempts + 1)
        .returning(MessageRow)
    )
    row = claimed.first()
    return None if row is None else rows.message(row)


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


async def sent(transaction: Transaction, message: Message, at: datetime, answer: Mapping[str, Any]) -> int | None:
    """Write down that a message arrived; returns the next one of its conversation, if one waits."""
    await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id)
        .values(state=MessageState.SENT.value, sent_at=at, due_at=None, error="", answer=dict(answer))
    )
    return await _next(transaction, message)


async def failed(transaction: Transaction, message: Message, error: str, again_at: datetime | None) -> int | None:
    """Write down that a message did not arrive, and when it is tried again; dead when never.

    Returns:
        The next one of its conversation, if this one died and another waits.
    """
    dead = again_at is None
    await transaction.execute(
        update(MessageRow)
        .where(MessageRow.id == message.id, MessageRow.state == MessageState.PENDING.value)
        .values(state=(MessageState.DEAD if dead else MessageState.PENDING).value, error=error, due_at=again_at)
    )
    return await _next(transaction, message) if dead else None


async def _next(transaction: Transaction, message: Message) -> int | None:
    found = await transaction.execute(
        select(MessageRow.id)
        .where(
            MessageRow.incident_id == message.incident_id,
            MessageRow.place == message.draft.place.value,
            MessageRow.address == message.draft.address,
            MessageRow.state == MessageState.PENDING.value,
            MessageRow.id > message.id,
        )
        .order_by(MessageRow.id)
        .limit(1)
    )
    return found.scalar()


async def _overtake(transaction: Transaction, message: Message) -> None:
    await transaction.execute(
        update(MessageRow)
        .where(
            MessageRow.incident_id == message.incident_id,
            MessageRow.place == message.draft.place.value,
            MessageRow.address == message.draft.address,
            MessageRow.act == Act.UPDATE.value,
            MessageRow.state == MessageState.PENDING.value,
            MessageRow.id < message.id,
        )
        .values(state=MessageState.SUPERSEDED.value, due_at=None)
    )
