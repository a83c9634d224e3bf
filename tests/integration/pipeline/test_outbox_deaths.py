"""Whatever happens to the sender or to the places, everything arrives, in order, and nothing is said over and over."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.model.message import Message
from receiver.notify.deliver import LONGEST_PAUSE
from receiver.pipeline import send as sending
from receiver.sandbox.faults import Faults
from receiver.store import outbox, timeline

from .conftest import House

CHANNEL = "#taskmaster-alerts"


@pytest.fixture
def house(house: House) -> House:
    """A service that heals nothing, long ago: Slack's stand-in has the clock of this machine, and is searched by it."""
    house.rooms = replace(house.rooms, playbooks=())
    house.clock.at = datetime(2020, 1, 1, tzinfo=UTC)
    return house


async def incident(house: House) -> None:
    """An incident that fires, fires again after a pause, and is over, while whoever sends may die at any time."""
    alert = await house.fire()
    await live(house, timedelta(minutes=6))
    await house.resolve(alert)
    await live(house, timedelta(minutes=2))
    anew = await house.fire()
    await live(house, timedelta(minutes=6))
    await house.resolve(anew)
    await live(house, timedelta(minutes=16))


async def live(house: House, length: timedelta) -> None:
    end = house.clock() + length
    while house.clock() < end:
        house.clock.pass_by(timedelta(seconds=20))
        # What a dead process had begun is left behind, and found by the sweep of the next.
        with suppress(asyncio.CancelledError):
            await house.sweep()


def assert_told(house: House, *, posts: int) -> None:
    """Everything stands at its place: as many posts as may be, each reply once, one page that is over."""
    said = house.slack.room(CHANNEL).messages
    cards = [message for message in said if message.thread_ts is None]
    replies = [message for message in said if message.thread_ts is not None]
    assert 1 <= len(cards) <= posts
    assert cards[-1].text.startswith("🟢")
    assert Counter(message.text for message in replies).most_common(1)[0][1] == 1
    assert ["Firing again" in message.text for message in replies].index(True) < len(replies) - 1, "in order"
    assert len(house.pagerduty.alerts) == 1, "one key, one alert"
    assert house.pagerduty.alerts[0].status.value == "resolved"


def _of_message(message: Message, *_: object) -> int:
    return message.id


def _of_second(_: object, message: Message, *__: object) -> int:
    return message.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a sender dies: at a call, before it or after it."""

    room: Any
    name: str
    number: Callable[..., int]
    effect: bool

    @property
    def loses_an_answer(self) -> bool:
        """Whether the place has it by then, and nobody knows."""
        return self.name == "sent" or (self.name == "deliver" and self.effect)

    def __str__(self) -> str:
        return f"{'after' if self.effect else 'before'} {self.name.strip('_')}"


POINTS = [
    Point(room=room, name=name, number=number, effect=effect)
    for room, name, number in (
        (sending, "_conversation", _of_second),
        (sending, "deliver", _of_message),
        (outbox, "sent", _of_second),
    )
    for effect in (False, True)
]


class Deaths:
    """Kills whoever sends: once for each message, at one point on its way."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.died: set[int] = set()

    def at(self, point: Point) -> None:
        whole = getattr(point.room, point.name)

        async def deadly(*args: Any, **more: Any) -> Any:
            message_id = point.number(*args)
            if message_id in self.died:
                return await whole(*args, **more)
            self.died.add(message_id)
            if point.effect:
                await whole(*args, **more)
            raise asyncio.CancelledError

        self._patch.setattr(point.room, point.name, deadly)


@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_whoever_sends_may_be_killed_at_every_point(
    house: House, monkeypatch: pytest.MonkeyPatch, point: Point
) -> None:
    deaths = Deaths(monkeypatch)
    deaths.at(point)

    await incident(house)

    states = await house.rows("select distinct state from outbox where state <> 'superseded'")
    assert states == [("sent",)]
    assert deaths.died
    # The first message ever to a channel that is known by name cannot be searched for: it alone may stand there twice.
    assert_told(house, posts=2 if point.loses_an_answer else 1)


async def test_a_death_between_what_was_written_down_and_its_line_in_the_timeline_takes_back_both(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.fire()
    whole = timeline.add
    deaths: list[object] = []

    async def deadly(transaction: Any, *events: Any) -> None:
        if any(event.kind.value == "message.sent" for event in events) and not deaths:
            deaths.append(events)
            raise asyncio.CancelledError
        await whole(transaction, *events)

    monkeypatch.setattr(timeline, "add", deadly)
    await live(house, timedelta(minutes=3))

    told = await house.rows("select count(*) from timeline where kind = 'message.sent'")
    assert told == await house.rows("select count(*) from outbox where state = 'sent'")
    assert deaths


def _down(faults: Faults) -> None:
    faults.answer(503, times=5)


def _crowded(faults: Faults) -> None:
    faults.answer(429, times=6, headers={"Retry-After": "20"})


def _deaf(faults: Faults) -> None:
    faults.reset_before_effect(times=3)


def _mute(faults: Faults) -> None:
    faults.reset_after_effect(times=1)


@pytest.mark.parametrize(
    ("fault", "posts"),
    [(_down, 1), (_crowded, 1), (_deaf, 1), (_mute, 2)],
    ids=["500s", "429s", "reset before", "reset after"],
)
async def test_whatever_the_places_answer_everything_arrives(
    house: House, fault: Callable[[Faults], None], posts: int
) -> None:
    fault(house.slack.faults)
    fault(house.pagerduty.faults)

    await incident(house)

    assert await house.rows("select distinct state from outbox where state <> 'superseded'") == [("sent",)]
    assert_told(house, posts=posts)


async def test_after_an_hour_without_any_place_all_is_told_and_no_page_is_left_open(house: House) -> None:
    house.slack.faults.answer(500, times=None)
    house.pagerduty.faults.reset_before_effect(times=None)
    await incident(house)
    await live(house, timedelta(minutes=30))
    asked = len(house.slack.faults.seen())
    house.slack.faults.clear()
    house.pagerduty.faults.clear()

    await live(house, LONGEST_PAUSE + timedelta(minutes=2))

    assert await house.rows("select distinct state from outbox where state <> 'superseded'") == [("sent",)]
    assert_told(house, posts=1)
    assert asked < 100, "a place that is down is asked about once a minute"
