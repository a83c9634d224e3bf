"""Deliver what waits in one lane of the outbox, message by message, and write down what became of each."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from structlog.contextvars import bound_contextvars

from receiver.model.errors import PagerDutyError, SlackChannelUnknown, SlackError, StoreError
from receiver.model.message import Act, Lane, Message
from receiver.model.timeline import Event, Kind
from receiver.notify.deliver import Conversation, deliver, next_attempt, remarks
from receiver.notify.pace import hold_of
from receiver.pipeline.rooms import Rooms
from receiver.store import outbox, timeline
from receiver.store.database import Transaction

log = structlog.get_logger()

_SOON: Final = timedelta(seconds=5)
"""So long a lane is waited for in this process; one that is closed for longer is seen by the sweep."""
_GRACE: Final = timedelta(seconds=10)
"""How long deliveries under way are given to end."""


async def send(rooms: Rooms, message_id: int) -> None:
    """Send what waits in the lane of a message, as far as it may go now."""
    lane = await lane_of(rooms, message_id)
    while lane is not None:
        again_at = await send_next(rooms, lane)
        if again_at is None or again_at > rooms.now():
            return


async def lane_of(rooms: Rooms, message_id: int) -> Lane | None:
    """Say where a message queues; None where it is not to be sent any more."""
    async with rooms.database.transaction() as transaction:
        return await outbox.lane_of(transaction, message_id)


async def send_next(rooms: Rooms, lane: Lane) -> datetime | None:
    """Send the one message of a lane that goes next.

    Returns:
        When the lane may be asked again; None when nothing may go there now.
    """
    async with rooms.database.transaction() as transaction:
        message = await outbox.claim(transaction, lane, rooms.now(), rooms.paces.get(lane.place, timedelta()))
        if not isinstance(message, Message):
            return message
        conversation = await _conversation(transaction, message)
    with bound_contextvars(incident_id=message.incident_id, message_id=message.id):
        await _deliver(rooms, lane, message, conversation)
    return rooms.now()


async def _deliver(rooms: Rooms, lane: Lane, message: Message, conversation: Conversation | None) -> None:
    """Send one message, and write down what became of it."""
    try:
        answer = await _bring(rooms, lane, message, conversation)
    except (SlackError, PagerDutyError) as error:
        await _failed(rooms, message, error)
    else:
        await _sent(rooms, message, answer)


async def _bring(rooms: Rooms, lane: Lane, message: Message, conversation: Conversation | None) -> Mapping[str, Any]:
    """Bring a message to its place; where Slack knows no such channel any more, to what else it is known as."""
    bring = partial(
        deliver,
        message,
        slack=rooms.slack or rooms.slack_webhook,
        pagerduty=rooms.pagers.get(lane.address) if lane.address else rooms.pagerduty,
        console=rooms.say,
    )
    try:
        return await bring(conversation=conversation)
    except SlackChannelUnknown:
        draft = message.draft
        if draft.act is Act.REPLY:
            raise
        if conversation is not None and conversation.channel_id != draft.address:
            moved = f"in what is called {draft.address} by now, since {conversation.channel_id} is gone"
            return {**await bring(conversation=None), "moved": moved}
        async with rooms.database.transaction() as transaction:
            known = await outbox.channel(transaction, message)
        if known is None or known == draft.address:
            raise
        moved = f"in {known}, as which it is known, since it is not called {draft.address} any more"
        return {**await bring(conversation=Conversation(channel_id=known)), "moved": moved}


class Postman:
    """Goes through the lanes of this process, each apart from all others: one that is slow or broken delays nobody."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._rounds: dict[Lane, asyncio.Task[None]] = {}
        self._ending = False

    async def call(self, message_id: int) -> None:
        """Have the lane of a message gone through, and return at once."""
        lane = await lane_of(self._rooms, message_id)
        if lane is None or lane in self._rounds or self._ending:
            return
        going = asyncio.create_task(self._go_round(lane), name=f"post {lane.place.value} {lane.address}")
        self._rounds[lane] = going
        going.add_done_callback(lambda done: self._left(lane, done))

    async def end(self) -> None:
        """Begin nothing any more; what is under way is given ten seconds."""
        self._ending = True
        rounds = set(self._rounds.values())
        if rounds:
            _, late = await asyncio.wait(rounds, timeout=_GRACE.total_seconds())
            for task in late:
                task.cancel()

    async def _go_round(self, lane: Lane) -> None:
        """Send at the pace of the lane until nothing waits in it."""
        try:
            while not self._ending:
                again_at = await send_next(self._rooms, lane)
                pause = timedelta() if again_at is None else again_at - self._rooms.now()
                if again_at is None or pause > _SOON:
                    return
                await asyncio.sleep(max(pause, timedelta()).total_seconds())
        except StoreError as error:
            log.warning("post", action="lane_left", place=lane.place.value, address=lane.address, error=str(error))

    def _left(self, lane: Lane, done: asyncio.Task[None]) -> None:
        """Forget a round; the sweep begins another one while something waits."""
        del self._rounds[lane]
        broken = None if done.cancelled() else done.exception()
        if broken is not None:
            log.error("post", action="lane_broke", place=lane.place.value, address=lane.address, exc_info=broken)


async def _conversation(transaction: Transaction, message: Message) -> Conversation | None:
    anchor = None if message.incident_id is None else await outbox.anchor(transaction, message)
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
        await outbox.sent(transaction, message, at, answer)
        what = ", ".join(["was told", *remarks(answer)])
        await timeline.add(transaction, _event(message, Kind.MESSAGE_SENT, what, rooms))


async def _failed(rooms: Rooms, message: Message, error: SlackError | PagerDutyError) -> None:
    now, lane = rooms.now(), message.draft.lane
    again_at = next_attempt(message.attempts, error, now=now, first_at=message.begun_at)
    async with rooms.database.transaction() as transaction:
        failures = await outbox.strike(transaction, lane) if error.retryable and error.retry_after is None else 0
        hold = hold_of(error, failures, outage=outbox.OUTAGE)
        if hold is not None:
            await outbox.hold(transaction, lane, now + hold)
        await outbox.failed(transaction, message, str(error), again_at)
        if again_at is None:
            await timeline.add(transaction, _event(message, Kind.MESSAGE_DEAD, f"could not be told: {error}", rooms))


def _event(message: Message, kind: Kind, what: str, rooms: Rooms) -> Event:
    draft = message.draft
    whom = f"{draft.place.value} {draft.address}".rstrip()
    return Event(
        at=rooms.now(),
        kind=kind,
        text=f"{whom} {what}: {draft.cause}",
        incident_id=message.incident_id,
        detail={"message_id": message.id, "act": draft.act.value},
    )
