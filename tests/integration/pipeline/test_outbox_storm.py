"""A storm of messages to strict stand-ins by a virtual clock; `RECEIVER_LONG_TESTS=1` plays it with 2,000 incidents."""

import os
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.model.message import Act, Draft, Lane, Place, Priority
from receiver.notify.pace import PACES
from receiver.pipeline.send import send_next
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import EXAMPLE_TOKEN, SlackStandIn
from receiver.store import outbox

from .conftest import House

STORM = 2_000 if os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"} else 200
CHANNEL = Lane(Place.SLACK, "#taskmaster-alerts")
PAGER = Lane(Place.PAGERDUTY, "")
LETTER = "x" * 2_000


@pytest.fixture
async def strict(house: House) -> AsyncIterator[House]:
    """The house at the real paces, with places that refuse whoever is faster by the house's own clock."""

    def clock() -> float:
        return house.clock().timestamp()

    async with (
        SlackStandIn(post_every=PACES[Place.SLACK], clock=clock) as slack,
        PagerDutyStandIn(per_minute=120, clock=clock) as pagerduty,
        SlackClient(token=EXAMPLE_TOKEN, api_url=slack.url) as chat,
        PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url) as pager,
    ):
        house.slack, house.pagerduty = slack, pagerduty
        house.rooms = replace(house.rooms, paces=PACES, slack=chat, pagerduty=pager)
        yield house


def card(number: int, priority: Priority) -> Draft:
    return Draft(
        place=Place.SLACK,
        address=CHANNEL.address,
        act=Act.POST,
        key=f"s{number}",
        payload={"text": f"{number} {LETTER}", "blocks": []},
        cause="storm",
        priority=priority,
    )


def page(number: int) -> Draft:
    event = {"action": "trigger", "dedup_key": f"p{number}", "summary": LETTER[:500], "source": "storm"}
    return Draft(
        place=Place.PAGERDUTY,
        address="",
        act=Act.TRIGGER,
        key=f"p{number}",
        payload=event,
        cause="storm",
        priority=Priority.PAGE,
    )


async def test_a_storm_goes_out_pages_first_at_the_rates_of_the_places_and_without_piling_up(strict: House) -> None:
    house, began = strict, strict.clock()
    async with house.rooms.database.transaction() as tx:
        for number in range(1, STORM + 1):
            pages = number % 10 == 0
            told = [card(number, Priority.URGENT if pages else Priority.FIRING)] + ([page(number)] if pages else [])
            await outbox.queue(tx, number, told, began + timedelta(minutes=1) * number / STORM)
    house.clock.pass_by(timedelta(minutes=1))
    storm_over = house.clock()

    paged_after, held = await drain(house)

    took = house.clock() - storm_over
    spoken = [int(message.text.split()[0]) for message in house.slack.messages(CHANNEL.address)]
    refused = [seen for seen in house.slack.faults.seen() if seen.status == 429]
    figures = f"pages out after {paged_after}, all after {took}; {held:,} bytes more are held at the end"
    print(f"{STORM} incidents: {figures}")  # noqa: T201 - pytest shows it with -rP
    assert sorted(spoken) == list(range(1, STORM + 1))
    assert spoken[: STORM // 10] == list(range(10, STORM + 1, 10)), "what pages is told first"
    assert len(house.pagerduty.alerts) == STORM // 10
    assert refused == []
    assert paged_after <= PACES[Place.PAGERDUTY] * STORM / 10 * 1.1
    assert took <= PACES[Place.SLACK] * STORM * 1.1
    assert held < STORM * len(LETTER) / 4, "what was sent is not kept"


async def drain(house: House) -> tuple[timedelta, int]:
    """Send all that waits, leaping from one time at which something may go to the next.

    Returns:
        After how long the last page was out; how many bytes more our own code holds than at the begin.
    """
    began, paged_at = house.clock(), house.clock()
    await send_next(house.rooms, CHANNEL)
    tracemalloc.start()
    before = held_by_us()
    while True:
        again = [at for lane in (PAGER, CHANNEL) if (at := await send_next(house.rooms, lane)) is not None]
        if not again:
            break
        waiting = await house.rows("select count(*) from outbox where place = 'pagerduty' and state = 'pending'")
        paged_at = house.clock() if waiting != [(0,)] else paged_at
        house.clock.at = max(house.clock(), min(again))
    held = held_by_us() - before
    tracemalloc.stop()
    return paged_at - began, held


def held_by_us() -> int:
    ours = tracemalloc.take_snapshot().filter_traces(
        [
            tracemalloc.Filter(True, "*/receiver/store/*"),
            tracemalloc.Filter(True, "*/receiver/pipeline/*"),
            tracemalloc.Filter(True, "*/receiver/notify/*"),
            tracemalloc.Filter(True, "*/psycopg/*"),
        ]
    )
    return sum(trace.size for trace in ours.traces)
