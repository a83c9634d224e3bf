"""A storm of whole incidents to strict places by a virtual clock; `RECEIVER_LONG_TESTS=1` plays it with 2,000 of them.

Each comes as a delivery, is looked at, told to the stand-ins, and one in five is over soon and closes. Whatever is
counted about the places is counted by the stand-ins.
"""

import gc
import os
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.model.matcher import Matcher
from receiver.model.message import Place
from receiver.notify.pace import PACES
from receiver.sandbox.alertmanager import Firing
from receiver.sandbox.pagerduty import EXAMPLE_KEY, AlertStatus, PagerDutyStandIn
from receiver.sandbox.slack import EXAMPLE_TOKEN, SlackStandIn
from receiver.sandbox.slack_room import SlackChannel
from receiver.settings import Owner

from .conftest import House

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}
STORM = 2_000 if LONG else 150
MINUTE = timedelta(minutes=1)
BEAT = timedelta(seconds=0.5)
SHORT_LIFE = timedelta(seconds=20)
"""After which one in five is over."""
OURS, THEIRS, PAGER = "#taskmaster-alerts", "#team-a", ""
PACE = {OURS: PACES[Place.SLACK], THEIRS: PACES[Place.SLACK], PAGER: PACES[Place.PAGERDUTY]}
NUMBER = re.compile(r"/flow-(\d+)")
OVERTAKEN = """
select late.id, early.id from outbox early join outbox late on early.place = late.place and early.address = late.address
where late.priority < early.priority and late.priority <= 2
    and late.created_at < early.sent_at and early.sent_at < late.sent_at
"""
"""What was said while something more urgent, about what fires, waited."""
ROOMS = ("clients", "enrich", "model", "notify", "pipeline", "remediate", "settings", "store", "webhook")


@pytest.fixture
async def strict(house: House) -> AsyncIterator[House]:
    """The house at the real paces, with places that refuse whoever is faster by the house's own clock."""

    def clock() -> float:
        return house.clock().timestamp()

    channels = (SlackChannel(id="C0ALERTS", name=OURS[1:]), SlackChannel(id="C0THEIRS", name=THEIRS[1:]))
    async with (
        SlackStandIn(channels=channels, post_every=PACES[Place.SLACK], clock=clock) as slack,
        PagerDutyStandIn(per_minute=120, clock=clock) as pagerduty,
        SlackClient(token=EXAMPLE_TOKEN, api_url=slack.url) as chat,
        PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url) as pager,
    ):
        house.slack, house.pagerduty = slack, pagerduty
        owners = (Owner(matchers=(Matcher.parse('namespace="team-a"'),), slack=THEIRS),)
        house.rooms = replace(house.rooms, paces=PACES, slack=chat, pagerduty=pager, owners=owners)
        yield house


@dataclass
class Storm:
    """A minute of incidents, and what the places and the memory show of them.

    Attributes:
        heard: When each request came, by the channel or the key that it was for.
        alive: How many objects of our own classes there were, every half minute.
    """

    house: House
    heard: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    alive: list[int] = field(default_factory=list)
    _beats: int = 0
    _read: dict[str, int] = field(default_factory=lambda: {OURS: 0, PAGER: 0})

    async def rage(self) -> None:
        """Let all incidents begin within a minute, and one in five end."""
        fired: list[Firing] = []
        over, beats = 0, MINUTE // BEAT
        for beat in range(beats + SHORT_LIFE // BEAT):
            while len(fired) < min(STORM, STORM * (beat + 1) // beats):
                fired.append(_alert(len(fired) + 1, self.house.clock()))
                await self.house.deliver(fired[-1])
            while over < len(fired) and fired[over].starts_at + SHORT_LIFE <= self.house.clock():
                if over % 5 == 4:
                    await self.house.resolve(fired[over])
                over += 1
            await self.beat()

    async def beat(self) -> None:
        """Do what is due now, see what came of it, and let half a second pass."""
        await self.house.sweep()
        self._listen()
        if self._beats % (MINUTE // BEAT // 2) == 0:
            gc.collect()
            self.alive.append(sum(_is_ours(str(type(one).__module__)) for one in gc.get_objects()))
        self._beats += 1
        self.house.clock.pass_by(BEAT)

    async def until_told(self) -> None:
        while await self.house.rows("select 1 from outbox where state = 'pending' limit 1"):
            await self.beat()

    def _listen(self) -> None:
        slack, pagerduty = self.house.slack.faults.requests, self.house.pagerduty.faults.requests
        for seen in slack[self._read[OURS] :]:
            self.heard[f"#{self.house.slack.room(seen.json['channel']).channel.name}"].append(self.house.clock())
        self.heard[PAGER] += [self.house.clock()] * (len(pagerduty) - self._read[PAGER])
        self._read = {OURS: len(slack), PAGER: len(pagerduty)}


@pytest.mark.timeout(6 * 3_600 if LONG else 600)
async def test_a_storm_is_told_pages_first_as_fast_as_the_places_allow_and_no_faster(strict: House) -> None:
    house, storm, began = strict, Storm(strict), strict.clock()

    await storm.rage()
    await storm.until_told()
    in_storm = await _times(house)
    house.clock.pass_by(house.rooms.linger)
    for _ in range(STORM // 500 + 2):  # a sweep closes a hundred, the next one has them looked at
        await storm.beat()
    await storm.until_told()

    cards = [str(card.blocks) for card in (*house.slack.messages(OURS), *house.slack.messages(THEIRS))]
    closed = await house.rows("select count(*) from incidents where state = 'closed'")
    assert sorted(int(found[1]) for card in cards if (found := NUMBER.search(card))) == list(range(1, STORM + 1))
    assert closed == [(sum("🟢" in card for card in cards),)] == [(STORM // 5,)]
    assert [alert.status for alert in house.pagerduty.alerts] == [AlertStatus.RESOLVED] * (STORM // 10)
    assert await house.rows(OVERTAKEN) == []
    for lane, pace in PACE.items():
        soonest, last_at = _soonest([at for at, _ in in_storm[lane]], pace), max(at for _, at in in_storm[lane])
        figures = f"{len(in_storm[lane])} messages, the last after {last_at - began}, {soonest - began} at the soonest"
        print(f"{STORM} incidents, {lane or 'PagerDuty'}: {figures}")  # noqa: T201 - pytest shows it with -rP
        assert last_at - began <= (soonest - began) * 1.1
        assert all(later - sooner >= pace for sooner, later in pairwise(storm.heard[lane])), "counted by the place"
    statuses = [seen.status for place in (house.slack, house.pagerduty) for seen in place.faults.seen()]
    assert Counter(statuses).keys() == {200, 202}, "nobody was told to slow down"
    assert len(statuses) == sum(map(len, (await _times(house)).values())), "each is said once"
    print(f"objects of our own, every half minute: {storm.alive}")  # noqa: T201 - the same
    assert max(storm.alive) < storm.alive[0] + STORM / 3, "what was told is not kept"


async def _times(house: House) -> defaultdict[str, list[tuple[datetime, datetime]]]:
    """Read when each message that arrived was queued and sent, by channel and key, in the order of the queue."""
    times: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    sent = "select address, created_at, sent_at from outbox where state = 'sent' order by created_at, id"
    for lane, queued_at, sent_at in await house.rows(sent):
        times[lane].append((queued_at, sent_at))
    return times


def _soonest(queued_at: Sequence[datetime], pace: timedelta) -> datetime:
    """Say when the last of some messages can go, where nobody waits while he need not."""
    free_at = queued_at[0]
    for at in queued_at:
        free_at = max(free_at, at) + pace
    return free_at - pace


def _alert(number: int, at: datetime) -> Firing:
    """Make one of an incident of its own; every tenth pages, every third belongs to another team."""
    labels = {
        "alertname": "QueueFull",
        "severity": "critical" if number % 10 == 0 else "warning",
        "namespace": THEIRS[1:] if number % 3 == 0 else "taskmaster",
        "workflow_name": f"flow-{number}",
    }
    return Firing(labels=labels, annotations={"summary": "x" * 2_000}, starts_at=at)


def _is_ours(module: str) -> bool:
    kind, _, room = module.partition(".")
    return kind == "receiver" and room.partition(".")[0] in ROOMS
