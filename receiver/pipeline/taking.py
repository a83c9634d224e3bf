"""Act on what a person says of an incident: find it where it goes on, and write down who has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from receiver.model.incident import Incident, IncidentState
from receiver.model.request import Request
from receiver.pipeline.rooms import Rooms
from receiver.store import looks, requests, taking
from receiver.store.database import Transaction
from receiver.store.history import incidents
from receiver.store.jobs import Job
from receiver.store.stories import LOOK_LEASE

NOT_TAKEN: Final = "nobody has taken it on"
"""How the answer begins where nothing came of the wish to take an incident on."""


async def take_on(rooms: Rooms, wish: Request) -> None:
    """Write down who has an incident, and answer; people are told by the look that follows."""
    async with held(rooms, wish) as (transaction, incident):
        if incident is None or incident.state is not IncidentState.OPEN:
            await requests.answer(transaction, wish.id, f"{NOT_TAKEN}: {why_not(wish, incident)}")
            return
        at, note = rooms.now(), str(wish.detail.get("note", ""))
        await taking.take_on(transaction, incident, by=wish.asked_by, note=note, at=at)
        await looks.demand(transaction, incident.id, at + LOOK_LEASE)
        await rooms.queue.enqueue(transaction, Job.LOOK, {"incident_id": incident.id})
        await requests.answer(transaction, wish.id, f"incident {incident.id} is taken on by {wish.asked_by}")


def why_not(wish: Request, incident: Incident | None) -> str:
    """Say why nothing can be done about the incident that a wish is about."""
    if incident is None:
        return f"there is no incident {wish.detail.get('incident')} any more"
    since = f" since {incident.closed_at:%Y-%m-%d %H:%M:%S} UTC" if incident.closed_at else ""
    return f"incident {incident.id} is over{since}; what fires later is a new one"


@asynccontextmanager
async def held(rooms: Rooms, wish: Request) -> AsyncIterator[tuple[Transaction, Incident | None]]:
    """Hold the incident that a wish is about, or the one in which it goes on; None where there is none."""
    asked = wish.detail.get("incident")
    number = asked if isinstance(asked, int) else 0
    while True:
        async with rooms.database.transaction() as transaction:
            found = await incidents.get(transaction, number)
            if found is not None and found.merged_into is None:
                found = await looks.lock(transaction, number)
            if found is None or found.merged_into is None:
                yield transaction, found
                return
            # In a transaction of its own: incidents are held lowest number first, and this one is the younger.
            number = found.merged_into
