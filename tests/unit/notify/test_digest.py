"""What is of low severity waits for a digest, which says what still fires and what is over, and stays within limits."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.model.bulletin import Item
from receiver.model.incident import IncidentState
from receiver.model.message import Act, Lane, Place
from receiver.notify.digest import render
from tests.unit.notify.stories import (
    BOTH,
    HEALED,
    HOLD,
    LOST,
    NOW,
    after,
    ago,
    alert,
    ask,
    asking,
    closed,
    quiet,
    run,
    story,
)
from tests.unit.notify.test_rendering import HOSTILE, assert_slack_takes

LOW = replace(BOTH, low=frozenset({"info", "none"}))
HERE = (Lane(Place.SLACK, "#taskmaster-alerts"),)
INFO = (alert(severity="info"),)


def item(number: int = 7, *, firing: int = 1, healed_by: str = "", **more: Any) -> Item:
    incident = replace(story(alerts=INFO, **more).incident, id=number)
    return Item(incident=incident, firing=firing, healed_by=healed_by)


def over(number: int = 8, **more: Any) -> Item:
    return item(number, firing=0, state=IncidentState.CLOSED, quiet_since=NOW, closed_at=NOW, **more)


@pytest.mark.parametrize(
    "told",
    [
        story(alerts=INFO),
        quiet(story(alerts=INFO)),
        closed(story(alerts=INFO)),
        closed(story(alerts=INFO, runs=[HEALED])),
        story(alerts=[alert(severity="None")]),
    ],
)
def test_what_is_of_low_severity_says_nothing_of_its_own_and_waits_for_the_digest(told: Any) -> None:
    planned = ask(told, places=LOW)

    assert planned.drafts == ()
    assert planned.digests == HERE


@pytest.mark.parametrize(
    "told",
    [
        story(),
        story(alerts=[alert(severity="warning"), *INFO]),
        story(alerts=[alert(severity="")]),
        story(alerts=INFO, runs=[LOST]),
        story(alerts=INFO, runs=[asking()]),
    ],
)
def test_what_somebody_must_see_waits_for_no_digest(told: Any) -> None:
    planned = ask(told, places=LOW)

    assert Act.POST in {draft.act for draft in planned.drafts}
    assert planned.digests == ()


def test_what_grew_worse_after_its_digest_is_told_at_once_and_goes_on_being_told() -> None:
    worse = story(alerts=[alert(severity="warning")])
    told = after(worse, ask(worse, places=LOW))

    better = ask(closed(replace(told, alerts=INFO)), places=LOW)

    assert Act.UPDATE in {draft.act for draft in better.drafts}
    assert better.digests == ()


def test_what_may_be_healed_waits_for_that_before_it_waits_for_the_digest() -> None:
    held = ask(story(alerts=INFO, runs=[run()]), places=LOW, hold_until=HOLD)

    assert (held.drafts, held.digests, held.speak_at) == ((), (), HOLD)


def test_what_another_incident_tells_of_stands_in_no_digest() -> None:
    assert ask(story(alerts=INFO, part_of=3), places=LOW).digests == ()


def test_a_digest_says_what_fires_what_is_over_what_flaps_and_what_was_healed() -> None:
    items = [item(7, title="A"), over(8, title="B"), over(9, title="B", flaps=4, healed_by="tidy-up")]

    said = render(items, since=ago(hours=1), now=NOW, public_url="https://r.example")

    shown = json.dumps(said, ensure_ascii=False)
    assert said["text"] == "🗒 3 incidents of low severity in 1h: 1 still firing, 2 over. A; B"
    assert "*Still firing (1)*\\n• A: firing since 2026-11-24 02:55 UTC (incident 7)" in shown
    assert "*Over (2)*\\n• B: 2 times, over at 2026-11-24 03:00 UTC after 5m" in shown
    assert "flapping, fired again 4 times, tidy-up acted on it (incidents 8, 9)" in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_a_digest_of_two_thousand_incidents_is_taken_whatever_others_wrote(text: str) -> None:
    items = [
        one(number, title=f"{text[:900]}{number % 50}", flaps=12_345, healed_by=text)
        for number, one in enumerate([item, over] * 1_000)
    ]

    said = render(items, since=NOW - timedelta(days=400), now=NOW, public_url="https://r.example")

    assert_slack_takes(said)
    assert " more" in json.dumps(said)
