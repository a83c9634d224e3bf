"""The outbox keeps the pace of each place, sends the most urgent first, and loses nothing while a place is away."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from receiver.model.errors import PagerDutyError, ReplayRefused, SlackError
from receiver.model.matcher import Matcher
from receiver.model.message import Act, Draft, Lane, Message, Place, Priority
from receiver.notify.pace import PACES
from receiver.pipeline import send as sending
from receiver.pipeline.send import Postman, send_next
from receiver.settings import Hidden, Owner
from receiver.store import outbox

from .conftest import NAMESPACE, House

OPS = Lane(Place.SLACK, "#ops")
PAGER = Lane(Place.PAGERDUTY, "")


class Places:
    """Stands for Slack and PagerDuty: notes what arrives and when, and fails as it is told."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.arrived: list[tuple[datetime, Message]] = []
        self.broken: dict[Lane, SlackError | PagerDutyError] = {}
        self.tries: Counter[Lane] = Counter()

    async def deliver(self, message: Message, **_: object) -> dict[str, Any]:
        lane = message.draft.lane
        self.tries[lane] += 1
        if lane in self.broken:
            raise self.broken[lane]
        self.arrived.append((self._house.clock(), message))
        return {"channel_id": "C0000001", "ts": str(len(self.arrived))}

    def keys(self, lane: Lane) -> list[str]:
        return [message.draft.key for _, message in self.arrived if message.draft.lane == lane]

    def at(self, lane: Lane) -> list[datetime]:
        return [at for at, message in self.arrived if message.draft.lane == lane]


@pytest.fixture
def places(house: House, monkeypatch: pytest.MonkeyPatch) -> Places:
    """The house at the real pace, with every place under the test's control."""
    house.rooms = replace(house.rooms, paces=PACES)
    stand_ins = Places(house)
    monkeypatch.setattr(sending, "deliver", stand_ins.deliver)
    return stand_ins


def draft(key: str, lane: Lane = OPS, act: Act = Act.POST, priority: Priority = Priority.FIRING) -> Draft:
    payload = {"text": key}
    return Draft(
        place=lane.place, address=lane.address, act=act, key=key, payload=payload, cause="test", priority=priority
    )


async def queue(house: House, incident: int, *drafts: Draft) -> list[int]:
    async with house.rooms.database.transaction() as tx:
        return [message.id for message in await outbox.queue(tx, incident, drafts, house.clock())]


async def drain(house: House, *lanes: Lane, most: timedelta = timedelta(days=2)) -> timedelta:
    """Go through lanes as the postman does, jumping from one time at which something may go to the next."""
    began = house.clock()
    while house.clock() - began < most:
        again = [at for lane in lanes if (at := await send_next(house.rooms, lane)) is not None]
        if not again:
            [(due_at,)] = await house.rows("select min(due_at) from outbox where state = 'pending'")
            if due_at is None:
                break
            # It may be due already, and wait for one before it that is not: time passes all the same.
            again = [max(due_at, house.clock() + timedelta(seconds=1))]
        house.clock.at = max(house.clock(), min(again))
    return house.clock() - began


async def test_a_channel_is_told_one_message_a_second_and_a_key_two(house: House, places: Places) -> None:
    for number in range(1, 21):
        await queue(house, number, draft(f"s{number}"), draft(f"p{number}", PAGER, Act.TRIGGER, Priority.PAGE))

    took = await drain(house, OPS, PAGER)

    assert len(places.arrived) == 40
    assert took <= timedelta(seconds=20)
    for lane in (OPS, PAGER):
        times = places.at(lane)
        assert min(later - earlier for earlier, later in pairwise(times)) >= PACES[lane.place]


async def test_the_most_urgent_goes_first_and_takes_what_is_before_it_in_its_incident_along(
    house: House, places: Places
) -> None:
    await queue(house, 1, draft("over", priority=Priority.OVER))
    await queue(house, 2, draft("fires"))
    await queue(house, 3, draft("begin", priority=Priority.OVER))
    await queue(house, 3, draft("urgent", act=Act.REPLY, priority=Priority.URGENT))

    await drain(house, OPS)

    assert places.keys(OPS) == ["begin", "urgent", "fires", "over"]


async def test_two_thousand_messages_to_a_broken_channel_hold_up_no_other(house: House, places: Places) -> None:
    places.broken[OPS] = SlackError("Slack answered 500", retryable=True)
    async with house.rooms.database.transaction() as tx:
        for number in range(1, 2001):
            await outbox.queue(tx, number, [draft(f"broken:{number}")], house.clock())
    others = [Lane(Place.SLACK, f"#team-{number}") for number in range(3)]
    for number, lane in enumerate((PAGER, *others)):
        await queue(house, 3000 + number, draft(f"well:{number}", lane))

    for _ in range(2):
        await house.sweep()

    assert {message.draft.lane for _, message in places.arrived} == {PAGER, *others}
    assert 1 <= places.tries[OPS] <= outbox.OUTAGE


async def test_retry_after_closes_the_channel_for_every_message_of_it(house: House, places: Places) -> None:
    places.broken[OPS] = SlackError("ratelimited", retryable=True, retry_after=timedelta(seconds=30))
    await queue(house, 1, draft("first"))
    await queue(house, 2, draft("second"))
    began = house.clock()
    await send_next(house.rooms, OPS)
    places.broken.clear()

    house.clock.pass_by(timedelta(seconds=29))
    early = await send_next(house.rooms, OPS)
    await drain(house, OPS)

    assert early is not None
    assert early >= began + timedelta(seconds=30)
    assert min(places.at(OPS)) >= began + timedelta(seconds=30)
    assert sorted(places.keys(OPS)) == ["first", "second"]


async def test_after_an_hour_of_outage_everything_arrives_within_minutes_in_order(house: House, places: Places) -> None:
    places.broken[OPS] = SlackError("Slack cannot be reached", retryable=True)
    for number in range(1, 31):
        await queue(house, number, draft(f"{number}:begin"), draft(f"{number}:then", act=Act.REPLY))
    began = house.clock()
    while house.clock() - began < timedelta(hours=1):
        await send_next(house.rooms, OPS)
        house.clock.pass_by(timedelta(seconds=5))
    asked = places.tries[OPS]
    places.broken.clear()

    took = await drain(house, OPS)

    keys = places.keys(OPS)
    assert sorted(keys) == sorted(f"{number}:{what}" for number in range(1, 31) for what in ("begin", "then"))
    assert all(keys.index(f"{number}:begin") < keys.index(f"{number}:then") for number in range(1, 31))
    assert took < timedelta(minutes=4)
    assert asked < 150, "a place that is down is asked about once a minute"


async def test_an_update_that_a_newer_one_overtook_is_never_sent_not_even_when_replayed(
    house: House, places: Places
) -> None:
    await queue(house, 1, draft("post"))
    old, _ = await queue(house, 1, draft("old", act=Act.UPDATE), draft("new", act=Act.UPDATE))

    await drain(house, OPS)

    assert places.keys(OPS) == ["post", "new"]
    assert await house.rows("select state from outbox order by id") == [("sent",), ("superseded",), ("sent",)]
    async with house.rooms.database.transaction() as tx:
        with pytest.raises(ReplayRefused, match="contradict"):
            await outbox.replay(tx, old, house.clock())


async def test_a_dead_message_is_tried_for_another_day_once_it_is_replayed(house: House, places: Places) -> None:
    places.broken[OPS] = SlackError("channel_not_found")
    [number] = await queue(house, 1, draft("post"))
    await drain(house, OPS)
    dead = await house.rows("select state, error from outbox")
    places.broken[OPS] = SlackError("Slack answered 500", retryable=True)
    house.clock.pass_by(timedelta(days=3))

    async with house.rooms.database.transaction() as tx:
        await outbox.replay(tx, number, house.clock())
    await send_next(house.rooms, OPS)
    pending = await house.rows("select state from outbox")
    places.broken.clear()
    await drain(house, OPS)

    assert dead == [("dead", "channel_not_found")]
    assert pending == [("pending",)], "its patience begins anew"
    assert places.keys(OPS) == ["post"]


async def test_what_arrived_is_said_a_second_time_under_a_name_of_its_own(house: House, places: Places) -> None:
    [number] = await queue(house, 1, draft("post"))
    await drain(house, OPS)

    async with house.rooms.database.transaction() as tx:
        await outbox.replay(tx, number, house.clock())
    await drain(house, OPS)

    assert [message.replays for _, message in places.arrived] == [0, 1]


async def test_two_replicas_share_the_pace_of_a_channel(house: House, places: Places) -> None:
    for number in range(1, 5):
        await queue(house, number, draft(str(number)))

    answers = await asyncio.gather(*(send_next(house.rooms, OPS) for _ in range(4)))

    assert len(places.arrived) == 1
    assert max(at for at in answers if at is not None) == house.clock() + PACES[Place.SLACK]


async def test_the_postman_goes_on_in_a_lane_while_another_one_hangs(
    house: House, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.rooms = replace(house.rooms, paces={})
    hanging, told = asyncio.Event(), asyncio.Event()

    async def deliver(message: Message, **more: object) -> dict[str, Any]:
        if message.draft.lane == OPS:
            hanging.set()
            await asyncio.Event().wait()
        answer = await places.deliver(message, **more)
        if len(places.arrived) == 3:
            told.set()
        return answer

    monkeypatch.setattr(sending, "deliver", deliver)
    postman = Postman(house.rooms)
    [stuck] = await queue(house, 1, draft("stuck"))
    await postman.call(stuck)
    await hanging.wait()
    numbers = [(await queue(house, number, draft(f"p{number}", PAGER)))[0] for number in range(2, 5)]
    await postman.call(numbers[0])
    await told.wait()
    monkeypatch.setattr(sending, "_GRACE", timedelta())
    await postman.end()

    assert places.keys(PAGER) == ["p2", "p3", "p4"]


async def test_in_shadow_everything_is_decided_and_recorded_and_nothing_is_sent(house: House) -> None:
    house.rooms = replace(house.rooms, shadow=True, playbooks=())

    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=1))

    states = await house.rows("select distinct state, due_at from outbox")
    acts = {act for (act,) in await house.rows("select act from outbox")}
    async with house.rooms.database.transaction() as tx:
        with pytest.raises(ReplayRefused, match="shadow"):
            await outbox.replay(tx, 1, house.clock())
    assert states == [("shadowed", None)]
    assert acts >= {"post", "trigger"}
    assert house.slack.messages("#taskmaster-alerts") == []
    assert house.pagerduty.events == []
    assert house.said == []


async def test_an_owner_is_woken_by_the_own_key(house: House) -> None:
    assert house.rooms.pagerduty is not None
    owner = Owner(matchers=(Matcher.parse(f"namespace={NAMESPACE}"),), name="team", pagerduty_key=Hidden("k" * 32))
    pagers = {"team": house.rooms.pagerduty}
    house.rooms = replace(house.rooms, playbooks=(), owners=(owner,), pagers=pagers, pagerduty=None)

    await house.fire()
    await house.work()

    assert await house.rows("select address, state from outbox where place = 'pagerduty'") == [("team", "sent")]
    assert len(house.pagerduty.alerts) == 1
