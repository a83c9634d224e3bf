"""What a person wants who pressed a button in Slack, and whether he may have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from receiver.model.incident import IncidentState
from receiver.model.remediation import RunState
from receiver.model.request import Kind
from receiver.model.silencing import length_of
from receiver.settings import SlackUser
from receiver.store.database import Transaction
from receiver.store.history import incidents, remediations
from receiver.web.explanation import explained
from receiver.webhook.access import HELD, Role

_DOUBLE: Final = timedelta(minutes=1)
"""Within this, a second press is the same; later it may be about a page that was sent anew."""

WHY: Final = "why"
_VERBS: Final = {
    **{kind.value: kind for kind in (Kind.ACKNOWLEDGE, Kind.SILENCE, Kind.APPROVE, Kind.REJECT)},
    WHY: Kind.EXPLAIN,
}
_NUMBERS: Final = 2**31
"""Beyond this there is no incident, run or step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One press, read.

    Attributes:
        user: Slack's ID of whoever pressed.
        channel: ID of the channel in which the message stands.
        ts: Slack's identity of the message.
        action: How the button calls itself.
        kind: What is asked for.
        incident: The incident that the button is about.
        length: For how long it is to be silenced; empty where it is not.
        run: The run that is approved or rejected; 0 where none is.
        cursor: The step of the run that asks.
        response_url: Where Slack takes what only this person is to see.
    """

    user: str
    channel: str
    ts: str
    action: str
    kind: Kind
    incident: int
    length: str
    run: int
    cursor: int
    response_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the pipeline is asked for, because of a press.

    Attributes:
        run_id: The run that it is about; None where it is about none.
        said: What the person is told at once.
    """

    kind: Kind
    run_id: int | None
    detail: Mapping[str, Any]
    said: str


class _Named(msgspec.Struct):
    id: str


class _Place(msgspec.Struct):
    channel_id: str = ""
    message_ts: str = ""


class _Option(msgspec.Struct):
    value: str


class _Action(msgspec.Struct):
    action_id: str
    value: str = ""
    selected_option: _Option | None = None


class _Payload(msgspec.Struct):
    type: str
    user: _Named
    actions: list[_Action] = []
    container: _Place = msgspec.field(default_factory=_Place)
    response_url: str = ""


def read_press(body: bytes) -> Press:
    """Read a press out of the form that Slack posts.

    Raises:
        ValueError: It is none of a button of ours; the message says what is wrong.
    """
    return read_payload(parse_qs(body.decode(), max_num_fields=4).get("payload", [""])[0])


def read_payload(payload: str | bytes) -> Press:
    """Read a press out of what Slack says of it, as JSON.

    Raises:
        ValueError: It is none of a button of ours; the message says what is wrong.
    """
    try:
        said = msgspec.json.decode(payload, type=_Payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the payload is none of a press: {error}") from error
    action = said.actions[0] if said.actions else None
    if said.type != "block_actions" or action is None or action.action_id not in _VERBS:
        raise ValueError("it is no press of a button that Receiver makes")
    value = action.selected_option.value if action.selected_option else action.value
    kind = _VERBS[action.action_id]
    incident, *rest = value.split(":")
    length, run, cursor = "", 0, 0
    if kind is Kind.SILENCE:
        (length,) = rest
        length_of(length)
    elif kind in {Kind.APPROVE, Kind.REJECT}:
        run, cursor = map(int, rest)
    if max(int(incident), run, cursor) >= _NUMBERS:
        raise ValueError(f"{value} is none of what the buttons of Receiver say")
    return Press(
        user=said.user.id,
        channel=said.container.channel_id,
        ts=said.container.message_ts,
        action=action.action_id,
        kind=kind,
        incident=int(incident),
        length=length,
        run=run,
        cursor=cursor,
        response_url=said.response_url,
    )


async def weigh(tx: Transaction, press: Press, user: SlackUser | None, now: datetime) -> Wanted | str:
    """Decide what follows from a press: a wish, or what the person is told instead.

    Args:
        tx: In which the incident and the run are read.
        press: Signed, and about a message of ours.
        user: Who pressed, as the settings know him; None for anybody else.
        now: The present time.
    """
    if user is None:
        return f"You may not do this: {press.user} is not in slack.users. Ask whoever runs Receiver to add you."
    if press.kind is Kind.EXPLAIN:
        return await _why(tx, press)
    if Role.OPERATOR not in HELD[Role(user.role)]:
        return f"You may not do this, {user.name}: it needs the role operator, and yours is {user.role}."
    if press.kind in {Kind.APPROVE, Kind.REJECT}:
        return await _about_run(tx, press)
    return await _about_incident(tx, press, user, now)


async def _about_incident(tx: Transaction, press: Press, user: SlackUser, now: datetime) -> Wanted | str:
    incident = await incidents.get(tx, press.incident)
    if incident is None:
        return f"This button is stale: there is no incident {press.incident} any more."
    if incident.state is IncidentState.CLOSED:
        return f"This button is stale: incident {incident.id} is over. What fires later is a new one."
    detail = {"incident": incident.id, "response_url": press.response_url}
    if press.kind is Kind.ACKNOWLEDGE:
        taken_at = incident.acknowledged_at
        if incident.acknowledged_by == user.name and taken_at is not None and now - taken_at < _DOUBLE:
            return f"You have incident {incident.id} already."
        said = f"You take incident {incident.id} on."
        return Wanted(kind=press.kind, run_id=None, detail=detail, said=said)
    more = {"for": press.length, "reason": "by a button in Slack"}
    said = f"Incident {incident.id} is to be silenced for {press.length}; you are told what comes of it."
    return Wanted(kind=press.kind, run_id=None, detail={**detail, **more}, said=said)


async def _why(tx: Transaction, press: Press) -> Wanted | str:
    if await incidents.get(tx, press.incident) is None:
        return f"This button is stale: there is no incident {press.incident} any more."
    told = await explained(tx, press.incident)
    return Wanted(kind=Kind.EXPLAIN, run_id=None, detail={}, said=told)


async def _about_run(tx: Transaction, press: Press) -> Wanted | str:
    number = press.run
    run = await remediations.get(tx, number)
    if run is None or run.state is RunState.FINISHED:
        outcome = run.outcome.value if run and run.outcome else "gone"
        return f"This button is stale: run {number} has already ended ({outcome})."
    if run.cursor != press.cursor:
        return f"This button is stale: run {number} has gone on to step {run.cursor + 1}."
    detail = {"cursor": press.cursor, "note": "by a button in Slack"}
    word = "approve" if press.kind is Kind.APPROVE else "reject"
    said = f"You {word} run {number}; the message shows what follows."
    return Wanted(kind=press.kind, run_id=number, detail=detail, said=said)
