"""Where a message or a channel is not what it was, people are told all the same, and the story says how."""

from dataclasses import replace

from .conftest import House

CHANNEL = "#taskmaster-alerts"


async def told(house: House) -> list[str]:
    """What the stories say about each message that arrived, in order."""
    said = await house.rows("select text from timeline where kind = 'message.sent' order by id")
    return [text for (text,) in said]


async def test_a_new_incident_is_told_in_a_channel_that_was_renamed(house: House) -> None:
    await house.fire("one", alertname="QueueFull", severity="warning")
    await house.work()
    room = house.slack.room(CHANNEL)
    room.channel = replace(room.channel, name="alerts-of-taskmaster")

    await house.fire("two", alertname="QueueFull", severity="warning")
    await house.work()

    assert len(house.slack.messages("#alerts-of-taskmaster")) == 2
    assert (
        f"told, in C0ALERTS, as which it is known, since it is not called {CHANNEL} any more: "
        in (await told(house))[-1]
    )


async def test_what_is_gone_is_told_anew_where_it_should_stand_and_the_story_says_so(house: House) -> None:
    deleted = await house.fire("one", alertname="QueueFull", severity="warning")
    await house.work()
    room = house.slack.room(CHANNEL)
    room.delete(room.messages[-1].ts)
    await house.resolve(deleted)
    await house.work()
    moved = await house.fire("two", alertname="QueueFull", severity="warning")
    await house.work()
    room.channel = replace(room.channel, id="C0ANOTHER")
    await house.resolve(moved)
    await house.work()

    assert [message.text[0] for message in house.slack.messages(CHANNEL)] == ["⚪", "🔴", "⚪"]
    story = " ".join(await told(house))
    assert "was told, as a new message, since there was none to change: " in story
    assert f"in what is called {CHANNEL} by now, since C0ALERTS is gone: " in story


async def test_the_story_says_that_slack_refused_the_blocks_and_showed_the_text(house: House) -> None:
    house.slack.faults.answer(200, path="chat.postMessage", body={"ok": False, "error": "invalid_blocks"})

    await house.fire("one", alertname="QueueFull", severity="warning")
    await house.work()

    [text] = await told(house)
    assert "by its text alone, since Slack refused the blocks: " in text
    assert [message.blocks for message in house.slack.messages(CHANNEL)] == [()]
