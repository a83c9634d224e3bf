"""Deliver one message of the outbox, and write down what became of it."""

from collections.abc import Mapping
from typing import Any

from receiver.model.errors import PagerDutyError, SlackError
from receiver.model.message import Message
from receiver.model.timeline import Event, Kind
from receiver.notify.deliver import Conversation, deliver, next_attempt
from receiver.pipeline.rooms import Rooms
from receiver.store import outbox, timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job


async def send(rooms: Rooms, message_id: int) -> None:
    """Send a message if it is due and first of its conversation; the next one of the conversation follows."""
    async with rooms.database.transaction() as transaction:
        message = await outbox.claim(transaction, message_id, rooms.now())
        if message is None:
            return
        conversation = await _conversation(transaction, message)
    try:
        answer = await deliver(
            message,
            slack=rooms.slack,
            pagerduty=rooms.pagerduty,
            console=rooms.say,
            conversation=conversation,
        )
    except (SlackError, PagerDutyError) as error:
        await _failed(rooms, message, error)
    else:
        await _sent(rooms, message, answer)


async def _conversation(transaction: Transaction, message: Message) -> Conversation | None:
    anchor = await outbox.anchor(transaction, message)
    if anchor is not None:
        return Conversation(channel_id=anchor[0], ts=anchor[1])
    if message.attempts == 1:
        return None
    # Only a repeated post needs the channel's ID, to look for its predecessor; a first one goes by the name, which
    # may belong to another channel by now.
    channel_id = await outbox.channel(transaction, message)
    return None if channel_id is None else Conversation(channel_id=channel_id)


async def _sent(rooms: Rooms, message: Message, answer: Mapping[str, Any]) -> None:
    at = rooms.now()
    async with rooms.database.transaction() as transaction:
        following = await outbox.sent(transaction, message, at, answer)
        await timeline.add(transaction, _event(message, Kind.MESSAGE_SENT, "was told", rooms))
        await _follow(rooms, transaction, following)


async def _failed(rooms: Rooms, message: Message, error: SlackError | PagerDutyError) -> None:
    again_at = next_attempt(message.attempts, error, now=rooms.now(), first_at=message.created_at)
    async with rooms.database.transaction() as transaction:
        following = await outbox.failed(transaction, message, str(error), again_at)
        if again_at is None:
            await timeline.add(transaction, _event(message, Kind.MESSAGE_DEAD, f"could not be told: {error}", rooms))
        await _follow(rooms, transaction, following)


async def _follow(rooms: Rooms, transaction: Transaction, following: int | None) -> None:
    if following is not None:
        await rooms.queue.enqueue(transaction, Job.SEND, {"message_id": following})


def _event(message: Message, kind: Kind, what: str, rooms: Rooms) -> Event:
    draft = message.draft
    return Event(
        at=rooms.now(),
        kind=kind,
        text=f"{draft.place.value} {draft.address} {what}: {draft.cause}",
        incident_id=message.incident_id,
        detail={"message_id": message.id, "act": draft.act.value},
    )
