"""The summary of a day: told at its hour by the clocks of its time zone, and within limits whatever others wrote."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from receiver.model.bulletin import Day, Noise
from receiver.model.hours import Zone
from receiver.notify.daily import key_of, render, slot_of
from receiver.settings import Summary
from tests.unit.notify.test_rendering import HOSTILE, assert_slack_takes

BERLIN = Summary(hour=8, timezone=Zone("Europe/Berlin"))
SINCE = datetime(2026, 11, 23, 7, tzinfo=UTC)
DAY = Day(
    since=SINCE,
    until=SINCE + timedelta(days=1),
    opened={"critical": 2, "warning": 1},
    open_still=1,
    closed=3,
    healed=2,
    paged=1,
    cures={"restart-stuck-workflow": 2},
    alerts=[
        Noise(alertname="Stuck", fired=4, incidents=2, acted_on=True),
        Noise(alertname="Slow", fired=1, incidents=1, acted_on=False),
    ],
)


def test_a_day_is_told_at_its_hour_and_not_before() -> None:
    before, at = datetime(2026, 11, 24, 6, 59, tzinfo=UTC), datetime(2026, 11, 24, 7, tzinfo=UTC)

    early, due = slot_of(BERLIN, before), slot_of(BERLIN, at)

    assert early is None, "that of the day before is too late by now"
    assert due is not None
    assert (due.day, due.since, due.until) == (date(2026, 11, 24), SINCE, at)


def test_a_day_that_was_missed_is_told_for_half_a_day() -> None:
    late = slot_of(BERLIN, datetime(2026, 11, 24, 18, 59, tzinfo=UTC))

    assert late is not None
    assert slot_of(BERLIN, datetime(2026, 11, 24, 19, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize("hour", [0, 2, 8, 23])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
def test_through_a_year_with_its_changes_of_clocks_each_date_is_told_once_and_no_moment_is_left_out(
    hour: int, zone: str
) -> None:
    summary = Summary(hour=hour, timezone=Zone(zone))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    found = [slot_of(summary, begin + timedelta(hours=number)) for number in range(24 * 365)]

    slots = list({key_of(slot, shadow=False): slot for slot in found if slot}.values())

    assert len({slot for slot in found if slot}) == len(slots) >= 365
    assert all(earlier.until == later.since for earlier, later in pairwise(slots))


def test_a_summary_says_what_fired_was_healed_is_noisy_and_was_never_acted_upon() -> None:
    said = render(date(2026, 11, 24), DAY, public_url=None)

    shown = [block["text"]["text"] for block in said["blocks"][1:-1]]
    assert said["text"] == (
        "📋 The day until Tuesday, 24 November: 3 incidents from 5 alerts, 2 healed without anybody"
    )
    assert shown[0].splitlines() == [
        "*Fired* 5 alerts, 3 incidents (2 critical, 1 warning)",
        "*Healed* 2 of 3 that ended, without anybody (2 restart-stuck-workflow)",
        "*Woken* 1 page",
        "*Still open* 1 incident",
    ]
    assert shown[1:] == [
        "*Noisy*\n• Stuck: 4 times in 2 incidents",
        "*Never acted upon*\n• Slow: once in 1 incident",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_summary_is_taken_whatever_others_wrote(text: str) -> None:
    alerts = [Noise(alertname=f"{text}{n}", fired=10**9, incidents=10**9, acted_on=False) for n in range(99)]
    counts = {f"{text}{number}": 10**9 for number in range(99)}
    day = Day(
        since=DAY.since,
        until=DAY.until,
        opened=counts,
        open_still=10**9,
        closed=10**9,
        healed=10**9,
        paged=10**9,
        cures=counts,
        alerts=alerts,
    )

    assert_slack_takes(render(date(2026, 11, 24), day, public_url="https://r.example"))
