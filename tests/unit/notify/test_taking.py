"""Somebody takes an incident on: who hears it, and who is woken no more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from receiver.model.alert import Fingerprint
from receiver.model.message import Act, Place, Story
from receiver.model.timeline import Event, Kind
from tests.unit.notify.stories import (
    LOST,
    NOW,
    USELESS,
    acts,
    after,
    alert,
    ask,
    closed,
    only,
    replies,
    story,
)

UPDATE = (Place.SLACK, Act.UPDATE)
TRIGGER = (Place.PAGERDUTY, Act.TRIGGER)
ACKNOWLEDGE = (Place.PAGERDUTY, Act.ACKNOWLEDGE)
RESOLVE = (Place.PAGERDUTY, Act.RESOLVE)
LATER = NOW + timedelta(minutes=2)
OTHER = replace(alert(2), fingerprint=Fingerprint("b" * 16), first_seen_at=LATER, starts_at=LATER)


def taken(told: Story, *, at: datetime = NOW + timedelta(minutes=1), notes: Sequence[Event] = ()) -> Story:
    """The same once Ann has taken it on."""
    incident = replace(told.incident, acknowledged_by="ann", acknowledged_at=at)
    said = Event(at=at, kind=Kind.INCIDENT_ACKNOWLEDGED, text="ann has taken it on", incident_id=7)
    return replace(told, incident=incident, notes=[*notes, said])


def told_of(told: Story) -> Story:
    return after(told, ask(told))


def test_who_has_it_stands_in_the_message_in_its_thread_and_at_pagerduty() -> None:
    planned = ask(taken(told_of(story())))

    assert acts(planned) == [UPDATE, ACKNOWLEDGE]
    assert "Taken on by ann." in only(planned, Act.UPDATE)["blocks"][1]["text"]["text"]
    assert replies(planned) == ["2026-11-24 03:01 UTC ann has taken it on"]
    assert only(planned, Act.REPLY)["broadcast"] is False
    assert only(planned, Act.ACKNOWLEDGE) == {"action": "acknowledge", "dedup_key": "receiver-incident-7"}


def test_a_page_is_acknowledged_once_and_resolved_all_the_same() -> None:
    told = told_of(taken(told_of(story())))

    again = ask(told)
    over = ask(closed(told))

    assert again.drafts == ()
    assert acts(over) == [UPDATE, RESOLVE]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(taken(story()), [], id="all that fires was known"),
        pytest.param(taken(story(alerts=[alert(), replace(alert(), starts_at=LATER)])), [], id="it comes and goes"),
        pytest.param(taken(story(alerts=[alert(), OTHER])), [TRIGGER], id="something else has begun since"),
        pytest.param(taken(story(runs=[USELESS])), [TRIGGER], id="a run failed: a cause of its own"),
        pytest.param(taken(story(runs=[LOST])), [TRIGGER], id="not brought back: a cause of its own"),
    ],
)
def test_before_any_page_nobody_is_woken_for_what_somebody_has(told: Story, expected: list[object]) -> None:
    assert [one for one in acts(ask(told)) if one[0] is Place.PAGERDUTY] == expected


def test_a_restart_that_was_not_completed_wakes_anew_whoever_has_it() -> None:
    told = told_of(taken(told_of(story())))

    planned = ask(replace(told, runs=[LOST]), now=LATER)
    after_it = after(replace(told, runs=[LOST]), planned, at=LATER)

    pages = [one for one in planned.drafts if one.place is Place.PAGERDUTY]
    assert [one.act for one in pages] == [Act.RESOLVE, Act.TRIGGER]
    assert pages[1].payload["custom_details"]["taken on by"] == "ann"
    assert ask(after_it, now=LATER).drafts == ()
    taken_again = ask(taken(after_it, at=LATER + timedelta(minutes=1), notes=after_it.notes), now=LATER)
    assert [one.act for one in taken_again.drafts if one.place is Place.PAGERDUTY] == [Act.ACKNOWLEDGE]


def test_what_fires_after_the_end_is_a_new_incident_that_nobody_has() -> None:
    anew = story(id=8, previous_id=7)

    assert [one for one in acts(ask(anew)) if one[0] is Place.PAGERDUTY] == [TRIGGER]
