"""Presses of buttons over Slack's Socket Mode: the same decisions as at the public address, for whoever has none."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from receiver.cli.listening import background
from receiver.cli.waking import waking
from receiver.clients.outward import proxy_for
from receiver.clients.slack_socket import Envelope, SlackSocket, Take
from receiver.pipeline.labour import Labour
from receiver.pipeline.rooms import Rooms
from receiver.settings import Settings
from receiver.store.database import Database
from receiver.web.api.asking import Wake
from receiver.web.health import Check, Condition, State
from receiver.web.presses import MALFORMED, Buttons, refuse, take
from receiver.web.pressing import read_payload

PRESS = "interactive"
"""How Slack calls an envelope with a press."""


def make_socket(settings: Settings) -> SlackSocket | None:
    """Give the way to Slack's socket; None where no app-level token is configured.

    Raises:
        SettingsError: The token or the address cannot be used.
    """
    wanted = settings.slack
    if not wanted.socket.given:
        return None
    proxy = proxy_for(wanted.api_url, os.environ)
    return SlackSocket(token=wanted.socket.reveal, api_url=wanted.api_url, timeout=wanted.timeout, proxy=proxy)


@asynccontextmanager
async def socket_of(settings: Settings, rooms: Rooms, labour: Labour) -> AsyncIterator[Mapping[str, Check]]:
    """Take presses over the socket while the block lasts, where it is configured. Any replica may take any press.

    Gives what `/readyz` tells of it; none of it decides about readiness.
    """
    socket = make_socket(settings)
    if socket is None:
        yield {}
        return

    async def look() -> Condition:
        return Condition(state=State.DEGRADED if socket.trouble else State.OK, text=socket.trouble)

    buttons = Buttons(settings.slack.signing, settings.slack.users)
    taking = taking_by(rooms.database, waking(rooms.queue, rooms.now), buttons)
    async with background("slack socket", lambda: labour.keep_going("slack socket", lambda: socket.follow(taking))):
        yield {"slack_socket": look}


def taking_by(database: Database, wake: Wake, buttons: Buttons) -> Take:
    """Make what takes an envelope: it is written down before it is acknowledged."""

    async def taking(envelope: Envelope) -> None:
        if envelope.kind != PRESS:
            return
        now = datetime.now(UTC)
        try:
            press = read_payload(envelope.payload)
        except ValueError as error:
            await refuse(database, MALFORMED, str(error), now)
            return
        await take(database, wake, buttons, press, mark=f"envelope:{envelope.id}", now=now)

    return taking
