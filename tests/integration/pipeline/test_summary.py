"""The summary of a day is told once, whoever tells it, and says what the rows say."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.pipeline import bulletins
from receiver.pipeline.bulletins import tell
from receiver.sandbox.scenario import stuck_workflow
from receiver.sandbox.slack_room import SlackMessage
from receiver.settings import Summary

from .conftest import NAMESPACE, WORKFLOW, House

CHANNEL = "#taskmaster-alerts"


@pytest.fixture
def house(house: House) -> House:
    """A service at nine o'clock whose day ends at twelve."""
    house.rooms = replace(house.rooms, summary=Summary(hour=12))
    return house


def bulletins_of(house: House) -> list[SlackMessage]:
    return [message for message in house.slack.messages(CHANNEL) if message.text.startswith("📋")]


async def test_a_day_is_summed_up_once_by_all_replicas_and_after_a_crash(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    healed = await house.fire()
    await house.work()
    await house.live(timedelta(minutes=12))
    await house.resolve(healed)
    await house.live(timedelta(minutes=6), timedelta(minutes=1))
    for _ in range(3):
        untouched = await house.fire("other", alertname="Slow", severity="warning")
        await house.work()
        await house.resolve(untouched)
        house.clock.pass_by(timedelta(minutes=1))
    await tell(house.rooms)
    early = bulletins_of(house)
    house.clock.at = house.clock.at.replace(hour=12, minute=0)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(bulletins, "_queue", die)
        with pytest.raises(asyncio.CancelledError):
            await tell(house.rooms)
    await asyncio.gather(*(tell(house.rooms) for _ in range(3)))
    house.clock.pass_by(timedelta(hours=3))
    await tell(house.rooms)
    await house.work()

    assert early == []
    [said] = bulletins_of(house)
    assert said.text.startswith("📋 The day until Tuesday, 24 November: 2 incidents from 4 alerts")
    shown = [block["text"]["text"] for block in said.blocks[1:-1]]
    assert "*Fired* 4 alerts, 2 incidents (1 critical, 1 warning)" in shown[0]
    assert "*Healed* 1 of 1 that ended, without anybody (1 restart-stuck-workflow)" in shown[0]
    assert shown[1:] == [
        "*Noisy*\n• Slow: 3 times in 1 incident",
        "*Never acted upon*\n• Slow: 3 times in 1 incident",
    ]


async def test_the_next_day_has_a_summary_of_its_own_that_counts_nothing_twice(house: House) -> None:
    await house.fire()
    house.clock.at = house.clock.at.replace(hour=12)
    await tell(house.rooms)
    house.clock.pass_by(timedelta(days=1))

    await tell(house.rooms)
    await house.work()

    texts = [message.text for message in bulletins_of(house)]
    assert [text.partition(": ")[2].partition(",")[0] for text in texts] == [
        "1 incident from 1 alert",
        "0 incidents from 0 alerts",
    ]
