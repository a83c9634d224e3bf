"""The digest: nothing of low severity is told one by one, nothing of it is lost, and nothing is told twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.pipeline import bulletins
from receiver.pipeline.bulletins import tell
from receiver.settings import Digest

from .conftest import House

CHANNEL = "#taskmaster-alerts"
EVERY = Digest().every


@pytest.fixture
def house(house: House) -> House:
    house.rooms = replace(house.rooms, playbooks=(), digest=Digest())
    return house


async def fire(house: House, *names: str) -> None:
    for name in names:
        await house.fire(name, severity="info", alertname="Slow")
    await house.work()


async def test_an_hour_of_info_is_one_message_and_what_is_over_by_then_is_said_to_be(house: House) -> None:
    alert = await house.fire("first", severity="info", alertname="Slow")
    await house.work()
    await house.live(timedelta(minutes=10), timedelta(minutes=5))
    await fire(house, "second")
    await house.resolve(alert)
    await house.work()
    await house.live(timedelta(minutes=49), timedelta(minutes=7))
    await tell(house.rooms)
    before = house.slack.messages(CHANNEL)

    house.clock.pass_by(timedelta(minutes=5))
    await tell(house.rooms)
    await house.work()

    [said] = house.slack.messages(CHANNEL)
    assert before == []
    assert "2 incidents of low severity" in said.text
    assert "1 still firing, 1 over" in said.text
    assert "Slow: taskmaster/first" in said.text
    assert house.pagerduty.events == []
    stories = "select incident_id from timeline where text = 'slack: told in the digest that is message 1' order by id"
    assert await house.rows(stories) == [(1,), (2,)]


async def test_replicas_together_tell_one_digest_of_a_channel_and_the_next_window_has_its_own(house: House) -> None:
    await fire(house, "one", "two")
    house.clock.pass_by(EVERY)

    await asyncio.gather(*(tell(house.rooms) for _ in range(4)))
    await tell(house.rooms)
    await fire(house, "three")
    house.clock.pass_by(EVERY)
    await tell(house.rooms)
    await house.work()

    said = [message.text for message in house.slack.messages(CHANNEL)]
    assert [text.split(" of ")[0] for text in said] == ["🗒 2 incidents", "🗒 1 incident"]


async def test_a_process_that_dies_while_it_writes_a_digest_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fire(house, "one")
    house.clock.pass_by(EVERY)

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(bulletins, "_queue", die)
        with pytest.raises(asyncio.CancelledError):
            await tell(house.rooms)
    await tell(house.rooms)
    await house.work()

    assert len(house.slack.messages(CHANNEL)) == 1


async def test_a_digest_whose_send_failed_is_sent_later_and_once(house: House) -> None:
    await fire(house, "one")
    house.clock.pass_by(EVERY)
    house.slack.faults.answer(500, path="chat.postMessage")
    await tell(house.rooms)
    await house.work()

    await house.live(timedelta(minutes=1))

    assert len(house.slack.messages(CHANNEL)) == 1
    assert await house.rows("select state, incident_id from outbox") == [("sent", None)]


async def test_what_was_told_by_a_message_of_its_own_meanwhile_stands_in_no_digest(house: House) -> None:
    await fire(house, "one")
    await house.fire("one", severity="warning", alertname="Slower")
    await house.work()
    house.clock.pass_by(EVERY)

    await tell(house.rooms)
    await house.work()

    [card] = house.slack.messages(CHANNEL)
    assert card.text.startswith("🔴")
    assert await house.rows("select message_id from digest_entries where settled_at is not null") == [(None,)]


async def test_what_waited_is_told_though_digests_were_switched_off_since(house: House) -> None:
    await fire(house, "one")
    house.rooms = replace(house.rooms, digest=None)
    house.clock.pass_by(EVERY)

    await tell(house.rooms)

    assert await house.rows("select count(*) from outbox") != [(0,)]


async def test_in_shadow_a_digest_is_recorded_and_once_live_it_is_told(house: House) -> None:
    house.rooms = replace(house.rooms, shadow=True)
    await fire(house, "one")
    house.clock.pass_by(EVERY)
    await tell(house.rooms)
    house.rooms = replace(house.rooms, shadow=False)

    await fire(house, "one")
    house.clock.pass_by(EVERY)
    await tell(house.rooms)
    await house.work()

    assert await house.rows("select state from outbox order by id") == [("shadowed",), ("sent",)]
    assert len(house.slack.messages(CHANNEL)) == 1
