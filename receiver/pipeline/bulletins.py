"""Tell of many incidents at once, when that is due: one channel after the other, each in one transaction."""

from receiver.model.message import Draft, Lane, Message, Place
from receiver.model.timeline import Event, Kind
from receiver.notify import digest
from receiver.notify.daily import draft, key_of, slot_of
from receiver.pipeline.rooms import Rooms, places_of
from receiver.store import daily, digests, outbox, timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job
from receiver.store.turns import Turn, claim


async def tell(rooms: Rooms) -> None:
    """Queue the digests and the summary that are due; any replica may, and one at a time does.

    Raises:
        StoreError: The database failed. What was not committed is done by the next round, of whichever replica.
    """
    while await _tell_digest(rooms):
        pass
    await _tell_summary(rooms)


async def _tell_digest(rooms: Rooms) -> bool:
    """Queue one digest that is due; false when there is none, or another replica is at it."""
    now = rooms.now()
    async with rooms.database.transaction() as transaction:
        if not await claim(transaction, Turn.DIGESTS):
            return False
        lane = next(iter(await digests.due(transaction, now, shadow=rooms.shadow)), None)
        if lane is None:
            return False
        taken = await digests.take(transaction, lane, now, shadow=rooms.shadow)
        if not taken.items:
            return True
        said = digest.draft(
            lane, taken.items, since=taken.since, now=now, public_url=rooms.public_url, shadow=rooms.shadow
        )
        for message in await _queue(rooms, transaction, said):
            await digests.name(transaction, taken, message)
            text = f"{lane.place.value}: told in the digest that is message {message.id}"
            events = [
                Event(at=now, kind=Kind.MESSAGE_QUEUED, text=text, incident_id=item.incident.id) for item in taken.items
            ]
            await timeline.add(transaction, *events)
    return True


async def _tell_summary(rooms: Rooms) -> None:
    """Queue the summary of the day that is over, unless that was done."""
    now = rooms.now()
    slot = slot_of(rooms.summary, now) if rooms.summary else None
    if rooms.summary is None or slot is None:
        return
    lane = places_of(rooms).through(Lane(Place.SLACK, rooms.summary.channel or ""))
    async with rooms.database.transaction() as transaction:
        if not await claim(transaction, Turn.SUMMARY):
            return
        if await daily.is_told(transaction, key_of(slot, shadow=rooms.shadow)):
            return
        day = await daily.day(transaction, slot.since, slot.until)
        await _queue(rooms, transaction, draft(lane, slot, day, public_url=rooms.public_url, shadow=rooms.shadow))


async def _queue(rooms: Rooms, transaction: Transaction, said: Draft) -> list[Message]:
    queued = await outbox.queue(transaction, None, [said], rooms.now(), shadow=rooms.shadow)
    to_send = () if rooms.shadow else queued
    await rooms.queue.enqueue(transaction, Job.SEND, *({"message_id": message.id} for message in to_send))
    return queued
