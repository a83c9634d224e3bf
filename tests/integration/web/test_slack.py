"""Buttons in Slack: pressed by people, by others, twice, too late, and by nobody at all."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from receiver.model.errors import SettingsError
from receiver.sandbox.slack_press import sign
from receiver.settings import Hidden, Secret, SlackUser
from receiver.store.database import Database
from receiver.web.presses import Buttons

SECRET = "signing-secret"
URL = "/api/v1/slack/interactions"
USERS = (SlackUser(id="U0ANN", name="ann", role="operator"), SlackUser(id="U0VIC", name="vic", role="viewer"))


@pytest.fixture
async def pressed(database: Database, serving: Any) -> AsyncIterator[Any]:
    """The service with a signing secret and two people."""
    buttons = Buttons(Secret(Hidden(SECRET), None, name="slack.signing_secret"), USERS)
    async with serving(database, buttons=buttons) as site:
        yield site


def payload(action: str, value: str, *, user: str = "U0ANN", ts: str = "1.1", **more: Any) -> dict[str, Any]:
    """What Slack says of a press in the message of an incident."""
    pressed = {"selected_option": {"value": value}} if action == "silence" else {"value": value}
    return {
        "type": "block_actions",
        "user": {"id": user},
        "container": {"channel_id": "C0ALERTS", "message_ts": ts},
        "response_url": "https://hooks.slack.com/actions/1",
        "actions": [{"action_id": action, **pressed}],
        **more,
    }


async def send(
    site: Any, said: Any, *, secret: str = SECRET, age: int = 0, stamp: str | None = None
) -> tuple[int, str]:
    """Post a press signed with a secret; gives status and what is told."""
    body = urlencode({"payload": json.dumps(said)}).encode()
    at = stamp or str(int(time.time()) - age)
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": at,
        "x-slack-signature": sign(secret, at, body),
    }
    answer = await site.client.post(URL, content=body, headers=headers)
    return answer.status_code, answer.json().get("text", "")


async def card_of(records: Any, incident: int) -> None:
    """Let the card of an incident stand in Slack."""
    await records.message(incident_id=incident, state="sent", answer={"channel_id": "C0ALERTS", "ts": "1.1"})


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_a_press_becomes_a_request_in_the_name_that_the_settings_give(
    pressed: Any, records: Any, database: Database
) -> None:
    incident = await records.incident()
    run = await records.run(incident_id=incident, state="waiting", cursor=0)
    await card_of(records, incident)

    taken = await send(pressed, payload("acknowledge", str(incident)))
    silenced = await send(pressed, payload("silence", f"{incident}:4h"))
    approved = await send(pressed, payload("approve", f"{incident}:{run}:0"))

    assert taken == (200, f"You take incident {incident} on.")
    assert (silenced[0], "silenced for 4h" in silenced[1]) == (200, True)
    assert approved == (200, f"You approve run {run}; the message shows what follows.")
    asked = await rows(database, "select kind, run_id, asked_by, detail from requests order by id")
    assert [one[:3] for one in asked] == [
        ("acknowledge", None, "ann"),
        ("silence", None, "ann"),
        ("approve", run, "ann"),
        ("explain", None, "ann"),
    ]
    assert (asked[1][3]["for"], asked[1][3]["incident"], asked[2][3]["cursor"]) == ("4h", incident, 0)
    assert asked[3][3] == {"text": approved[1], "response_url": "https://hooks.slack.com/actions/1"}
    assert run in pressed.woken


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (payload("acknowledge", "1", user="U0BOB"), "U0BOB is not in slack.users"),
        (payload("approve", "1:1:0", user="U0VIC"), "it needs the role operator, and yours is viewer"),
        (payload("approve", "1:1:1"), "stale: run 1 has gone on to step 1"),
        (payload("reject", "1:2:0"), "stale: run 2 has already ended (succeeded)"),
        (payload("silence", "2:1h", ts="1.2"), "stale: incident 2 is over"),
        (payload("acknowledge", "1"), "You have incident 1 already"),
    ],
)
async def test_who_may_not_and_what_is_stale_is_told_to_whoever_pressed_and_changes_nothing(
    pressed: Any, records: Any, database: Database, said: dict[str, Any], told: str
) -> None:
    await records.incident(acknowledged_by="ann", acknowledged_at=datetime.now(UTC))
    await records.incident(key="other", state="closed")
    await records.run(incident_id=1, state="waiting", cursor=0)
    await records.run(incident_id=1, state="finished", outcome="succeeded")
    await card_of(records, 1)
    await records.message(key="2", incident_id=2, state="sent", answer={"channel_id": "C0ALERTS", "ts": "1.2"})

    status, text_told = await send(pressed, said)

    assert (status, told in text_told) == (200, True)
    assert [one[0] for one in await rows(database, "select kind from requests")] == ["explain"]
    assert await rows(database, "select verdict from presses") == [("declined",)]
    [(kept,)] = await rows(database, "select text from timeline where kind = 'press.declined'")
    assert kept.endswith(f"nothing follows from it: {text_told}")


async def test_whoever_is_named_may_ask_why_and_is_told_each_reason_once(
    pressed: Any, records: Any, database: Database
) -> None:
    incident = await records.incident()
    await card_of(records, incident)
    nothing = await send(pressed, payload("why", str(incident), user="U0VIC"))
    check = {"guard": "cooldown", "passed": False, "measured": "12m", "limit": "1h", "reason": "it ran 12m ago"}
    reason = "Guard cooldown\nrefused."
    for number in (1, 2):
        alert = f"202611-{number}"
        await records.decision(incident_id=incident, alert_id=alert, outcome="blocked", reason=reason, checks=[check])
    await records.run(incident_id=incident, state="finished", outcome="failed", reason="x" * 999)

    told = await send(pressed, payload("why", str(incident), user="U0VIC", response_url="https://hooks.slack.com/2"))
    stranger = await send(pressed, payload("why", str(incident), user="U0BOB"))

    lines = told[1].splitlines()
    assert nothing[1].startswith(f"No playbook has decided anything about incident {incident}")
    assert lines[0] == f"Why, of incident {incident}:"
    assert "blocked 2 times. Guard cooldown refused. (measured 12m, limit 1h)" in lines[1]
    assert ("failed. xxx" in lines[2], len(lines[2])) == (True, 220)
    assert lines[3] == f"All of it: receiver why {incident}"
    assert "not in slack.users" in stranger[1]
    explained = await rows(database, "select detail ->> 'text' from requests where kind = 'explain' order by id")
    assert [one[0] for one in explained] == [nothing[1], told[1], stranger[1]]


async def test_what_slack_did_not_sign_for_us_now_and_once_is_refused_and_recorded(
    pressed: Any, records: Any, database: Database
) -> None:
    incident = await records.incident()
    await card_of(records, incident)
    press, now = payload("acknowledge", str(incident)), str(int(time.time()))

    forged = await send(pressed, press, secret="another secret")
    bare = await pressed.client.post(URL, content=b"payload={}")
    expired = await send(pressed, press, age=301)
    foreign = await send(pressed, payload("acknowledge", str(incident), ts="9.9"))
    first = await send(pressed, press, stamp=now)
    replayed = await send(pressed, press, stamp=now)
    malformed = [
        await send(pressed, said)
        for said in (
            "x",
            {**press, "type": "view_submission"},
            payload("delete", "1"),
            payload("acknowledge", "all"),
            payload("silence", f"{incident}:1000d"),
            payload("approve", f"{incident}:1"),
            payload("acknowledge", str(2**63)),
        )
    ]

    assert [one[0] for one in (forged, expired, foreign, first, replayed)] == [401, 401, 401, 200, 401]
    assert bare.status_code == 401
    assert {one[0] for one in malformed} == {400}
    verdicts = [one[0] for one in await rows(database, "select verdict from presses order by id")]
    assert verdicts == ["forged", "forged", "expired", "foreign", "taken", "replayed", *["malformed"] * 7]
    assert await rows(database, "select kind, asked_by from requests") == [("acknowledge", "ann")]


async def test_who_has_it_may_take_it_on_again_later_for_a_page_that_was_sent_anew(
    pressed: Any, records: Any, database: Database
) -> None:
    incident = await records.incident(acknowledged_by="ann", acknowledged_at=datetime.now(UTC) - timedelta(minutes=2))
    await card_of(records, incident)

    assert await send(pressed, payload("acknowledge", str(incident))) == (200, f"You take incident {incident} on.")
    assert await rows(database, "select kind from requests") == [("acknowledge",)]


def test_a_secret_is_read_again_and_stays_where_its_file_has_gone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one", encoding="utf-8")
    buttons = Buttons(Secret(None, str(file), name="slack.signing_secret"), USERS)

    file.write_text("another", encoding="utf-8")
    changed = buttons.secret()
    file.unlink()

    assert (changed, buttons.secret()) == ("another", "another")
    with pytest.raises(SettingsError, match="cannot be read"):
        Buttons(Secret(None, str(file), name="slack.signing_secret"), USERS)
    with pytest.raises(SettingsError, match="U0ANN is there twice"):
        Buttons(Secret(None, None, name="slack.signing_secret"), (USERS[0], USERS[0]))


async def test_without_a_signing_secret_there_is_nothing_to_press(site: Any) -> None:
    assert (await site.client.post(URL, content=b"")).status_code == 404
