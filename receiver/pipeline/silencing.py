"""Silence an incident in Alertmanager because a person asks for it; whatever comes of it is told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from receiver.clients.alertmanager import Silence
from receiver.model.alert import AlertStatus
from receiver.model.errors import AlertmanagerError
from receiver.model.incident import Incident, IncidentState, Occurrence
from receiver.model.matcher import Matcher
from receiver.model.request import Request
from receiver.model.silencing import length_of, matchers_of
from receiver.model.timeline import Event, Kind
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.taking import held, why_not
from receiver.store import looks, requests, timeline
from receiver.store.history import incidents
from receiver.store.jobs import Job
from receiver.store.stories import LOOK_LEASE

NOT_SILENCED: Final = "it is not silenced"
"""How the answer begins where nothing came of the wish, or not all of it."""


async def silence(rooms: Rooms, wish: Request) -> None:
    """Make the silences of an incident, tell what came of it in its timeline, and answer.

    Where this was done before and the answer was lost, the silences are there already and are not made again.
    """
    async with held(rooms, wish) as (transaction, incident):
        if incident is None or incident.state is not IncidentState.OPEN:
            await requests.answer(transaction, wish.id, f"{NOT_SILENCED}: {why_not(wish, incident)}")
            return
        alerts = await incidents.alerts_of(transaction, incident.id)
    made: list[Silence] = []
    trouble = await _make(rooms, wish, incident, alerts, made)
    named = ", ".join(f"{one.id} ({' '.join(map(str, one.matchers))})" for one in made)
    if trouble:
        text = f"{NOT_SILENCED}: {trouble}" + (f"; but silence {named} holds" if named else "")
    else:
        text = f"incident {incident.id} is silenced until {made[0].ends_at:%Y-%m-%d %H:%M:%S} UTC by silence {named}"
    at = rooms.now()
    told = f"{wish.asked_by} asked to silence it: {wish.detail.get('reason', '')}. {text[0].upper()}{text[1:]}"
    kind = Kind.INCIDENT_NOT_SILENCED if trouble else Kind.INCIDENT_SILENCED
    detail = {"by": wish.asked_by, "silences": [one.id for one in made]}
    async with rooms.database.transaction() as transaction:
        if await requests.answer(transaction, wish.id, text):
            event = Event(at=at, kind=kind, text=told, incident_id=incident.id, detail=detail)
            await timeline.add(transaction, event)
            await looks.demand(transaction, incident.id, at + LOOK_LEASE)
            await rooms.queue.enqueue(transaction, Job.LOOK, {"incident_id": incident.id})


async def _make(
    rooms: Rooms, wish: Request, incident: Incident, alerts: Sequence[Occurrence], made: list[Silence]
) -> str:
    """Make what is asked for and add it to *made*; says why there is not more, empty when all is made."""
    if not rooms.alertmanagers:
        return "no Alertmanager is configured; set alertmanager.url"
    try:
        ends_at = _end(wish, rooms.now())
        wanted = matchers_of([one for one in alerts if one.status is AlertStatus.FIRING] or alerts)
    except ValueError as error:
        return str(error)
    comment = f"{wish.detail.get('reason', '')} (incident {incident.id})"
    for number, matchers in enumerate(wanted, start=1):
        # Another installation that shares this Alertmanager has requests of the same numbers, made at other times.
        operation = f"request {wish.id}.{number} of {wish.at:%Y-%m-%dT%H:%M:%SZ}"
        try:
            found = await _one(
                rooms, matchers, comment=comment, creator=wish.asked_by, ends_at=ends_at, operation=operation
            )
        except AlertmanagerError as error:
            return str(error)
        made.append(found)
    return ""


def _end(wish: Request, now: datetime) -> datetime:
    """Say when the silence is over, counted from when it was asked for: asking again makes it no longer.

    Raises:
        ValueError: It would be over already.
    """
    ends_at = wish.at + length_of(str(wish.detail.get("for", "")))
    if ends_at <= now:
        raise ValueError("its time was over before anybody could act on it")
    return ends_at


async def _one(
    rooms: Rooms, matchers: Sequence[Matcher], *, comment: str, creator: str, ends_at: datetime, operation: str
) -> Silence:
    """Make one at the first peer that takes it, which tells the others.

    Raises:
        AlertmanagerError: None took it.
    """
    refused: list[str] = []
    for peer in rooms.alertmanagers:
        try:
            return await peer.silence(matchers, comment=comment, creator=creator, ends_at=ends_at, operation=operation)
        except AlertmanagerError as error:
            refused.append(str(error))
    raise AlertmanagerError(f"no Alertmanager took the silence: {'; '.join(refused)}")
