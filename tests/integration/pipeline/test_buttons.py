"""A button in Slack, from the press to the card that says what came of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.clients.slack import SlackClient
from receiver.model.errors import SlackError
from receiver.model.remediation import Mode
from receiver.pipeline.asked import act_on
from receiver.sandbox.scenario import stuck_workflow
from receiver.sandbox.slack_room import SlackMessage
from receiver.settings import Hidden, Secret, SlackUser
from receiver.web.presses import Buttons
from tests.integration.web.conftest import running

from .conftest import NAMESPACE, WORKFLOW, House, playbook

CHANNEL = "#taskmaster-alerts"
USERS = (SlackUser(id="U0ANN", name="ann", role="operator"),)


def card(house: House) -> SlackMessage:
    [own] = [one for one in house.slack.messages(CHANNEL) if one.thread_ts is None]
    return own


async def answer(house: House) -> list[str]:
    """Act on what was asked; gives what people were told about their presses since the begin."""
    about_no_run = "select id from requests where answered_at is null and run_id is null order by id"
    for (number,) in await house.rows(about_no_run):
        await act_on(house.rooms, number)
    await house.work()
    assert all(
        (said["response_type"], said["replace_original"]) == ("ephemeral", False) for _, said in house.slack.responses
    )
    return [said["text"] for _, said in house.slack.responses]


async def test_an_incident_is_taken_on_by_a_button_and_a_press_from_before_its_end_is_stale(house: House) -> None:
    house.rooms = replace(house.rooms, slack_buttons=True)
    secret = Secret(Hidden(house.slack.signing_secret), None, name="slack.signing_secret")
    alert = await house.fire("no-such-workflow", alertname="QueueFull")
    await house.work()
    drawn = card(house)

    async with running(house.rooms.database, buttons=Buttons(secret, USERS)) as site:
        url = f"{site.client.base_url}/api/v1/slack/interactions"
        pressed = await house.slack.press(url, drawn, "acknowledge", "U0ANN")
        stranger = await house.slack.press(url, drawn, "silence", "U0BOB", value="1:4h")
        told = await answer(house)
        taken = card(house)
        await house.resolve(alert)
        await house.live(timedelta(minutes=7), timedelta(minutes=1))
        late = await house.slack.press(url, drawn, "acknowledge", "U0ANN")
        told_late = (await answer(house))[-1]

    assert [one.status for one in (pressed, stranger, late)] == [200, 200, 200]
    assert told == [
        "Incident 1 is taken on by ann",
        "You may not do this: U0BOB is not in slack.users. Ask whoever runs Receiver to add you.",
    ]
    assert "Taken on by ann." in str(taken.blocks)
    assert "Take it over" in str(taken.blocks)
    assert told_late == "This button is stale: incident 1 is over. What fires later is a new one."
    assert "action_id" not in str(card(house).blocks)
    assert [one.action for one in house.pagerduty.events] == ["trigger", "acknowledge", "resolve"]


@pytest.mark.parametrize("url", ["https://hooks.slack.com.evil.example/x", "http://hooks.slack.com/x", "", "file:///x"])
async def test_nobody_is_told_anything_at_an_address_that_is_not_slacks(url: str) -> None:
    async with SlackClient(token="xoxb-1") as client:
        with pytest.raises(SlackError, match="nothing was sent there"):
            await client.respond(url, {"text": "text"})


async def test_a_run_is_approved_by_its_button_and_only_while_it_asks(house: House) -> None:
    house.clock.at = datetime.now(UTC)  # Postgres says when it was approved
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    house.rooms = replace(house.rooms, slack_buttons=True, playbooks=(playbook(Mode.PROPOSE),))
    secret = Secret(Hidden(house.slack.signing_secret), None, name="slack.signing_secret")
    await house.fire()
    await house.work()
    drawn = card(house)

    async with running(house.rooms.database, buttons=Buttons(secret, USERS)) as site:
        url = f"{site.client.base_url}/api/v1/slack/interactions"
        await house.slack.press(url, drawn, "approve", "U0ANN")
        told = await answer(house)
        await house.live(timedelta(minutes=20))
        await house.slack.press(url, drawn, "reject", "U0ANN")
        told_late = (await answer(house))[-1]

    assert told == ["You approve run 1; the message shows what follows."]
    assert told_late == "This button is stale: run 1 has already ended (succeeded)."
    assert await house.rows("select outcome from runs") == [("succeeded",)]
    assert [text for (text,) in await house.rows("select text from timeline where text like '%ann%'")] != []


async def test_whoever_asks_why_is_told_at_the_second_try_where_the_first_failed(house: House) -> None:
    house.rooms = replace(house.rooms, slack_buttons=True)
    secret = Secret(Hidden(house.slack.signing_secret), None, name="slack.signing_secret")
    await house.fire("no-such-workflow", alertname="QueueFull")
    await house.work()

    async with running(house.rooms.database, buttons=Buttons(secret, USERS)) as site:
        house.slack.faults.answer(500, path="/actions/1")
        await house.slack.press(f"{site.client.base_url}/api/v1/slack/interactions", card(house), "why", "U0ANN")
        told = await answer(house)

    assert [one.splitlines()[0] for one in told] == [
        "No playbook has decided anything about incident 1: none is for such an alert, or it was not looked at yet."
    ]
    assert len(house.slack.faults.seen(path="/actions/1")) == 2
