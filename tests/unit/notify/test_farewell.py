"""An incident that was merged into an older one says so where it has spoken, and nothing anywhere else."""

from dataclasses import replace

from receiver.model.incident import IncidentState
from receiver.model.message import Act, MessageState, Place, Story
from receiver.notify.slack import is_quiet
from tests.unit.notify.stories import HOLD, NOW, USELESS, acts, after, ask, message, only, story

END = [(Place.SLACK, Act.UPDATE), (Place.PAGERDUTY, Act.RESOLVE)]


def merged(told: Story) -> Story:
    incident = replace(told.incident, state=IncidentState.MERGED, merged_into=3, closed_at=NOW)
    return replace(told, incident=incident)


def test_what_was_said_is_ended_with_a_pointer_and_a_resolve() -> None:
    told = after(story(), ask(story()))

    planned = ask(merged(told))

    assert acts(planned) == END
    assert "incident 3" in str(only(planned, Act.UPDATE)["text"])
    assert not is_quiet(only(planned, Act.UPDATE))


def test_it_is_ended_once() -> None:
    told = merged(after(story(), ask(story())))

    again = ask(after(told, ask(told)))

    assert acts(again) == []


def test_who_said_nothing_needs_no_end() -> None:
    assert acts(ask(merged(story()))) == []


def test_what_was_taken_back_before_it_was_said_needs_no_end() -> None:
    told = after(story(), ask(story()), state=MessageState.SUPERSEDED)

    assert acts(ask(merged(told))) == []


def test_a_failure_of_a_merged_incident_calls_somebody_for_the_older_one() -> None:
    spoken = ask(story(runs=[USELESS]))
    others = [
        replace(message(draft, number=number), incident_id=9, state=MessageState.SENT)
        for number, draft in enumerate(spoken.drafts, start=1)
    ]

    planned = ask(story(runs=[USELESS], messages=others))

    assert (Place.PAGERDUTY, Act.TRIGGER) in acts(planned)
    assert (Place.SLACK, Act.POST) in acts(planned), "it has a message of its own"


def test_who_was_told_in_full_before_is_not_held_back_after() -> None:
    loud = replace(message(ask(story()).drafts[0]), incident_id=9, state=MessageState.SENT)

    planned = ask(story(messages=[loud]), hold_until=HOLD)

    assert acts(planned)[0] == (Place.SLACK, Act.POST)
