"""One incident instead of hundreds: where a playbook is held back from many workflows for one common reason.

A storm is told as one from the first refusal on. For every other common reason, such as a budget that is spent, the
first few incidents speak for themselves, since each is worth a look of its own; the rest are told of by the gathering.
"""

from datetime import datetime, timedelta
from typing import Final

from receiver.model.incident import Incident
from receiver.model.remediation import Check, Decision
from receiver.model.timeline import Event, Kind
from receiver.pipeline.rooms import Rooms
from receiver.remediate.guards import shared_cause
from receiver.store import gatherings, looks, timeline
from receiver.store.database import Transaction
from receiver.store.jobs import Job

_OWN_VOICES: Final = 3
"""So many refusals for one common reason within an hour are told one by one."""
_HOUR: Final = timedelta(hours=1)
_RECOUNT_EVERY: Final = timedelta(minutes=1)
"""How often a gathering looks for how many it speaks; its one message changes no more often than that."""


async def join(rooms: Rooms, transaction: Transaction, incident: Incident, decision: Decision, now: datetime) -> None:
    """Let an incident be told of together with the others from which the playbook was held back, if there are many."""
    playbook, guard = decision.playbook, shared_cause(decision)
    refusal = next(check for check in decision.checks if check.guard == guard)
    gathering_id = await gatherings.find(transaction, playbook)
    if gathering_id is None:
        alike = await gatherings.refusals(transaction, playbook, guard, now - _HOUR)
        if guard != "storm" and alike <= _OWN_VOICES:
            return
        title = _title(rooms, playbook, refusal, 1)
        gathering_id = await gatherings.begin(transaction, playbook, title=title, severity=incident.severity, at=now)
        opened = Event(at=now, kind=Kind.INCIDENT_OPENED, text=title, incident_id=gathering_id)
        await timeline.add(transaction, opened)
        await rooms.queue.enqueue(transaction, Job.LOOK, {"incident_id": gathering_id})
    else:
        await looks.demand(transaction, gathering_id, now + _RECOUNT_EVERY)
    if await gatherings.join(transaction, incident.id, gathering_id):
        target = decision.target
        where = f"{target.namespace}/{target.name}" if target else incident.title
        why = f"guard {refusal.guard} refused: {refusal.reason} (measured {refusal.measured}; limit {refusal.limit})"
        detail = {"into": gathering_id, "from": incident.id}
        for number, text in (
            (incident.id, f"told of by incident {gathering_id}, with all from which {playbook} is held back"),
            (gathering_id, f"{playbook} does not act on {where} (incident {incident.id}): {why}"),
        ):
            event = Event(at=now, kind=Kind.INCIDENT_GATHERED, text=text, incident_id=number, detail=detail)
            await timeline.add(transaction, event)


async def recount(rooms: Rooms, incident: Incident) -> datetime | None:
    """Bring a gathering up to date; returns when to do so again, None for any other incident and for one that rests."""
    if not gatherings.is_gathering(incident):
        return None
    now = rooms.now()
    async with rooms.database.transaction() as transaction:
        members = await gatherings.members(transaction, incident.id)
        if not members.open:
            await gatherings.rest(transaction, incident.id, now)
            return None
        playbook = gatherings.playbook_of(incident)
        title = _title(rooms, playbook, members.refusal, members.open) if members.refusal else incident.title
        await gatherings.say(transaction, incident.id, title=title, severity=members.severity)
    return now + _RECOUNT_EVERY


def _title(rooms: Rooms, playbook: str, refusal: Check, number: int) -> str:
    aims = {str(one.name): one.target for one in rooms.playbooks}
    what = "workflow" if aims.get(playbook) is None else "deployment"
    held = f"1 {what} is" if number == 1 else f"{number} {what}s are"
    return f"{held} not acted on: {playbook} is held back by guard {refusal.guard} ({refusal.reason})"
