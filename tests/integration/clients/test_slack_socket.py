"""Presses over Slack's Socket Mode: from an envelope to the request, through refreshes, breaks and repeats."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from receiver.cli.slack_socket import taking_by
from receiver.clients import slack_socket
from receiver.clients.slack_socket import Envelope, SlackSocket
from receiver.model.errors import SettingsError, SlackError, StoreUnavailable
from receiver.sandbox.slack import EXAMPLE_APP_TOKEN, SlackStandIn
from receiver.sandbox.slack_room import SlackMessage
from receiver.settings import Secret, SlackUser
from receiver.store.database import Database, Transaction
from receiver.web.presses import Buttons

PATIENCE = 60.0
BUTTONS = Buttons(Secret(None, None, name="slack.signing_secret"), [SlackUser(id="U0ANN", name="ann", role="operator")])


async def nobody_is_woken(_: Transaction, __: int | None) -> None:
    """Nobody acts on anything here."""


def socket_to(slack: SlackStandIn, token: str = EXAMPLE_APP_TOKEN) -> SlackSocket:
    return SlackSocket(token=lambda: token, api_url=slack.url, timeout=timedelta(seconds=PATIENCE))


@asynccontextmanager
async def following(slack: SlackStandIn, take: Any, *, number: int = 1) -> AsyncIterator[SlackSocket]:
    """One replica that follows Slack, with its connection open."""
    socket = socket_to(slack)
    task = asyncio.create_task(socket.follow(take))
    try:
        async with asyncio.timeout(PATIENCE):
            await slack.sockets.until_open(number)
        yield socket
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Told:
    """A card in Slack, and what people asked for by its buttons."""

    database: Database
    slack: SlackStandIn
    card: SlackMessage

    def press(self, action: str, value: str = "") -> dict[str, Any]:
        return self.slack.pressed(self.card, action, "U0ANN", value=value)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.database.transaction() as tx:
            return [tuple(row) for row in await tx.execute(text(query))]


@pytest.fixture
async def told(database: Database, slack: SlackStandIn, records: Any) -> Told:
    incident = await records.incident()
    elements = [
        {"type": "button", "action_id": name, "value": str(incident), "text": {"type": "plain_text", "text": name}}
        for name in ("acknowledge", "why")
    ]
    card = slack.room("C0ALERTS").add(user="U0RECEIVER", text="x", blocks=({"type": "actions", "elements": elements},))
    await records.message(incident_id=incident, state="sent", answer={"channel_id": card.channel_id, "ts": card.ts})
    return Told(database=database, slack=slack, card=card)


async def test_a_press_is_taken_once_whichever_replica_and_however_often_it_comes(told: Told) -> None:
    take = taking_by(told.database, nobody_is_woken, BUTTONS)
    sockets = told.slack.sockets

    async with following(told.slack, take), following(told.slack, take, number=2):
        press = told.press("acknowledge")
        acknowledged = [await sockets.hand_over(press, PATIENCE, envelope_id="e1") for _ in range(2)]
        why = await sockets.hand_over(told.press("why"), PATIENCE)

    assert (acknowledged, why) == ([True, True], True)
    assert await told.rows("select kind, asked_by from requests order by id") == [
        ("acknowledge", "ann"),
        ("explain", "ann"),
    ]
    assert await told.rows("select verdict, signature from presses order by id limit 2") == [
        ("taken", "envelope:e1"),
        ("replayed", None),
    ]


async def test_a_new_connection_is_open_before_the_old_one_ends_and_after_it_broke(told: Told) -> None:
    take, sockets = taking_by(told.database, nobody_is_woken, BUTTONS), told.slack.sockets

    async with following(told.slack, take) as socket, asyncio.timeout(PATIENCE):
        await sockets.refresh(at_once=False)
        await sockets.until_open(1)
        after_refresh = await sockets.hand_over(told.press("why"), PATIENCE)
        await sockets.refresh(at_once=True)
        await sockets.until_open(0)
        await sockets.until_open(1)
        after_break = await sockets.hand_over(told.press("acknowledge"), PATIENCE)
        trouble = socket.trouble

    assert (after_refresh, after_break, trouble) == (True, True, "")
    assert len(told.slack.faults.seen(path="apps.connections.open")) == 3
    assert [one[0] for one in await told.rows("select kind from requests order by id")] == ["explain", "acknowledge"]


async def test_what_is_no_press_of_ours_is_acknowledged_and_recorded_and_changes_nothing(told: Told) -> None:
    take, sockets = taking_by(told.database, nobody_is_woken, BUTTONS), told.slack.sockets

    async with following(told.slack, take):
        foreign = told.press("acknowledge") | {"container": {"channel_id": "C0ALERTS", "message_ts": "9.9"}}
        acknowledged = [await sockets.hand_over(one, PATIENCE) for one in (foreign, {"type": "view_submission"})]

    assert acknowledged == [True, True]
    assert await told.rows("select verdict from presses order by id") == [("foreign",), ("malformed",)]
    assert await told.rows("select 1 from requests") == []


async def test_what_could_not_be_written_down_is_not_acknowledged(slack: SlackStandIn) -> None:
    taken: list[Envelope] = []
    failed = asyncio.Event()

    async def take(envelope: Envelope) -> None:
        taken.append(envelope)
        if envelope.id == "lost":
            failed.set()
            raise StoreUnavailable("the database is away")

    async with following(slack, take), asyncio.timeout(PATIENCE):
        waiting = asyncio.create_task(slack.sockets.hand_over({}, PATIENCE, envelope_id="lost"))
        await failed.wait()
        kept = await slack.sockets.hand_over({"type": "x"}, PATIENCE, envelope_id="kept")
        waits = waiting.cancel()

    assert (kept, waits) == (True, True)
    assert slack.sockets.acknowledged == ["kept"]
    assert [(one.id, one.kind, one.payload) for one in taken] == [
        ("lost", "interactive", b"{}"),
        ("kept", "interactive", b'{"type":"x"}'),
    ]


async def test_a_slack_that_refuses_is_asked_again_and_says_so_meanwhile(
    slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_socket, "FIRST_PAUSE", timedelta())
    slack.faults.answer(503, path="apps.connections.open")
    slack.faults.answer(200, body='{"ok": true, "url": "ws://elsewhere.example/"}', path="apps.connections.open")
    slack.faults.answer(200, body='{"ok": false, "error": "internal_error"}', path="apps.connections.open")

    async def take(_: Envelope) -> None:
        """Nothing that comes is kept."""

    async with following(slack, take) as socket, asyncio.timeout(PATIENCE):
        await slack.sockets.hand_over({}, PATIENCE)
        trouble = socket.trouble
        asked = len(slack.faults.seen(path="apps.connections.open"))

    assert (trouble, asked) == ("", 4)


async def test_a_wrong_token_is_named_without_being_shown(slack: SlackStandIn) -> None:
    with pytest.raises(SlackError) as refused:
        await socket_to(slack, "xapp-wrong").address()
    with pytest.raises(SettingsError, match="begins with xapp-"):
        socket_to(slack, "xoxb-bot")

    assert "invalid_auth" in str(refused.value)
    assert "xapp-wrong" not in str(refused.value)
