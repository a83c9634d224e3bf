"""What is said when, to whom, and never twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.model.alert import AlertStatus
from receiver.model.message import Act, MessageState, Place, Story
from receiver.model.remediation import EntryState, Mode, Outcome, RunId
from receiver.model.timeline import Event, Kind
from receiver.notify.places import Configured
from receiver.notify.plan import Plan
from receiver.notify.situation import SETTLE
from receiver.notify.slack import is_quiet
from receiver.settings import Route
from tests.unit.notify.stories import (
    BLOCKED,
    BOTH,
    ECHO,
    HEALED,
    HOLD,
    LOST,
    NEITHER,
    NOW,
    SIMULATED,
    UNCHECKED,
    USELESS,
    acts,
    after,
    ago,
    alert,
    ask,
    asking,
    closed,
    decision,
    entry,
    only,
    quiet,
    replies,
    run,
    story,
)

POST = (Place.SLACK, Act.POST)
UPDATE = (Place.SLACK, Act.UPDATE)
TRIGGER = (Place.PAGERDUTY, Act.TRIGGER)
RESOLVE = (Place.PAGERDUTY, Act.RESOLVE)
WARNING = (alert(severity="warning"),)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(story(), [POST, TRIGGER], id="critical without a playbook: everybody"),
        pytest.param(story(alerts=WARNING), [POST], id="a warning: Slack alone"),
        pytest.param(story(decisions=[BLOCKED]), [POST, TRIGGER], id="blocked: by the route, at once"),
        pytest.param(story(decisions=[SIMULATED]), [POST, TRIGGER], id="dry run: by the route, at once"),
        pytest.param(story(runs=[HEALED]), [POST], id="healed: one line"),
        pytest.param(closed(story(runs=[HEALED])), [POST], id="healed and closed: one line"),
        pytest.param(closed(story()), [POST], id="over before it was told: one line"),
        pytest.param(quiet(story()), [], id="resolved and lingering, nothing said yet: wait for its end"),
        pytest.param(story(runs=[USELESS], alerts=WARNING), [POST, TRIGGER], id="failed: a page whatever the route"),
        pytest.param(
            story(runs=[replace(USELESS, escalate=False)], alerts=WARNING), [POST], id="failed without escalation"
        ),
        pytest.param(story(runs=[LOST], alerts=WARNING), [POST, TRIGGER], id="not brought back: a page in any case"),
        pytest.param(quiet(story(runs=[LOST])), [POST, TRIGGER], id="not brought back, alert gone with the workflow"),
        pytest.param(story(runs=[asking()]), [POST, TRIGGER], id="a person must decide: by the route, at once"),
        pytest.param(story(runs=[asking()], alerts=WARNING), [POST], id="a person must decide about a warning"),
        pytest.param(
            story(runs=[run(Outcome.REJECTED)]), [POST, TRIGGER], id="rejected and still firing: by the route"
        ),
        pytest.param(story(runs=[run(Outcome.TIMED_OUT)], alerts=WARNING), [POST, TRIGGER], id="nobody answered"),
        pytest.param(
            story(runs=[UNCHECKED]), [POST, TRIGGER], id="acted, and nothing shows that it helped: by the route"
        ),
        pytest.param(story(alerts=()), [POST, TRIGGER], id="an incident whose alerts are not known"),
    ],
)
def test_without_a_hold_it_is_said_at_once(told: Story, expected: list[tuple[Place, Act]]) -> None:
    assert acts(ask(told)) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(story(runs=[run()]), [], id="a run is under way"),
        pytest.param(story(), [], id="a playbook has yet to decide"),
        pytest.param(quiet(story(runs=[run(at=3)])), [], id="resolved by the restart, not yet verified"),
        pytest.param(story(runs=[HEALED]), [POST], id="healed"),
        pytest.param(story(runs=[USELESS]), [POST, TRIGGER], id="failed"),
        pytest.param(story(runs=[asking(Mode.LIVE)]), [POST, TRIGGER], id="a person must decide"),
        pytest.param(story(runs=[run(Outcome.SKIPPED)]), [POST, TRIGGER], id="the run came to nothing"),
        pytest.param(story(runs=[UNCHECKED]), [POST, TRIGGER], id="acted without a check"),
        pytest.param(quiet(story(runs=[UNCHECKED])), [], id="acted without a check, resolved and lingering"),
        pytest.param(closed(story()), [POST], id="over by itself"),
    ],
)
def test_while_it_is_held_only_what_cannot_wait_is_said(told: Story, expected: list[tuple[Place, Act]]) -> None:
    assert acts(ask(told, hold_until=HOLD)) == expected


def test_a_held_incident_says_when_to_ask_again() -> None:
    assert ask(story(runs=[run()]), hold_until=HOLD) == Plan(drafts=(), speak_at=HOLD)


def test_after_the_hold_it_is_said_though_the_run_goes_on() -> None:
    assert acts(ask(story(runs=[run()]), hold_until=HOLD, now=HOLD)) == [POST, TRIGGER]


def test_a_hold_counts_once_for_an_incident() -> None:
    told = after(story(alerts=WARNING), ask(story(alerts=WARNING)))

    again = replace(told, runs=[run()])

    assert acts(ask(again, hold_until=HOLD)) == [UPDATE]


@pytest.mark.parametrize("told", [story(runs=[HEALED]), closed(story())])
def test_the_quiet_line_has_no_blocks_and_no_thread(told: Story) -> None:
    planned = ask(told)

    assert is_quiet(only(planned, Act.POST))
    assert replies(planned) == []


def test_what_nothing_checked_is_not_called_healed() -> None:
    firing, over = ask(story(runs=[UNCHECKED])), ask(closed(story(runs=[UNCHECKED])))

    assert "Receiver acted: restart-stuck-workflow restarted" in only(firing, Act.POST)["text"]
    assert only(over, Act.POST)["text"].startswith("🟢 Over: ")
    assert "no step that checks whether this helped" in only(over, Act.POST)["text"]


def test_an_unchecked_run_makes_no_failure_good() -> None:
    assert acts(ask(story(runs=[USELESS, replace(UNCHECKED, id=RunId(13))], alerts=WARNING))) == [POST, TRIGGER]


def test_a_healed_incident_that_closes_says_nothing_more() -> None:
    told = after(story(runs=[HEALED]), ask(story(runs=[HEALED])))

    assert ask(quiet(told)).drafts == ()
    assert ask(closed(told)).drafts == ()


def test_a_healed_incident_that_goes_on_firing_is_looked_at_again_and_then_told() -> None:
    told = story(runs=[HEALED])
    first = ask(told)
    until = ago(minutes=1) + SETTLE

    later = ask(after(told, first), now=until)

    assert first.speak_at == until
    assert acts(later) == [UPDATE, TRIGGER]
    assert "firing since" in only(later, Act.UPDATE)["text"]


def test_a_healed_incident_that_fires_anew_is_told_at_once() -> None:
    told = after(story(runs=[HEALED]), ask(story(runs=[HEALED])))

    anew = replace(told, alerts=[alert(2, starts_at=NOW)], incident=replace(told.incident, flaps=1))

    planned = ask(anew)
    assert acts(planned) == [UPDATE, TRIGGER]
    assert any("Firing again" in text for text in replies(planned))


def test_a_run_that_helps_after_people_were_told_is_told_to_them() -> None:
    before = story(runs=[run()])
    told = replace(after(before, ask(before)), runs=[HEALED])

    planned = ask(told)

    assert acts(planned) == [UPDATE]
    assert "healed it" in only(planned, Act.UPDATE)["text"]
    assert any("healed it" in text for text in replies(planned))


@pytest.mark.parametrize(
    "told",
    [
        story(),
        story(decisions=[BLOCKED, SIMULATED]),
        story(runs=[HEALED]),
        story(runs=[LOST]),
        story(runs=[USELESS]),
        story(runs=[asking()]),
        story(runs=[run(at=2)], flaps=3),
        quiet(story(flaps=1)),
        closed(story()),
        closed(story(runs=[LOST])),
        closed(story(runs=[USELESS])),
    ],
)
@pytest.mark.parametrize("places", [BOTH, NEITHER])
@pytest.mark.parametrize("state", [state for state in MessageState if state is not MessageState.SHADOWED])
def test_nothing_is_said_twice(told: Story, places: Configured, state: MessageState) -> None:
    planned = ask(told, places=places)

    keys = [draft.key for draft in planned.drafts]

    assert len(set(keys)) == len(keys)
    assert ask(after(told, planned, at=NOW + timedelta(hours=1), state=state), places=places).drafts == ()


def test_two_planners_at_once_give_their_drafts_the_same_keys() -> None:
    told = after(story(alerts=WARNING), ask(story(alerts=WARNING)))
    changed = replace(told, runs=[run(at=1)])

    assert ask(changed) == ask(changed)


def test_words_that_come_back_are_said_again() -> None:
    first = story(alerts=WARNING)
    told = after(first, ask(first))
    taken = replace(told, incident=replace(told.incident, acknowledged_by="ada"))
    told = after(taken, ask(taken))

    back = replace(told, incident=replace(told.incident, acknowledged_by=""))
    planned = ask(back)

    assert acts(planned) == [UPDATE]
    assert only(planned, Act.UPDATE)["text"] == told.messages[0].draft.payload["text"]
    assert planned.drafts[0].key not in {one.draft.key for one in told.messages}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (story(decisions=[BLOCKED]), "was blocked. Guard cooldown refused: it ran 12m ago."),
        (story(decisions=[SIMULATED]), "is in dry run. Live, it would terminate workflow argo/etl-nightly"),
        (story(decisions=[decision(Outcome.SKIPPED)]), "did not apply. phase is Succeeded."),
        (story(runs=[run(at=1)], alerts=WARNING), "restart-stuck-workflow begins on argo/etl-nightly (run 12, live)."),
        (story(runs=[run(at=1)], alerts=WARNING), "Receiver ended the workflow."),
        (story(runs=[run(at=3)], alerts=WARNING), "Receiver started it anew: argo/etl-nightly-r12."),
        (story(runs=[USELESS]), "it failed. The new run makes no progress either."),
        (story(runs=[asking()]), "waits for a person to approve restart-stuck-workflow"),
        (
            story(runs=[run(journal=(entry(0, EntryState.FAILED, "the API server said no"),))]),
            "workflow.terminate failed (attempt 1): the API server said no",
        ),
        (story(flaps=2), "Firing again; it has come back 2 times."),
    ],
)
def test_the_thread_tells_each_thing_that_happened(told: Story, expected: str) -> None:
    assert any(expected in text for text in replies(ask(told)))


def test_the_thread_tells_that_it_is_quiet_and_that_it_is_over() -> None:
    told = after(story(), ask(story()))
    resting = ask(quiet(told))

    ended = ask(closed(after(quiet(told), resting)))

    assert "All alerts are resolved" in replies(resting)[0]
    assert "Over: critical, resolved at 2026-11-24 03:00 UTC after 5m" in replies(ended)[0]


def test_a_failure_that_pages_is_shown_in_the_channel_as_well() -> None:
    planned = ask(story(runs=[LOST]))

    broadcast = [draft for draft in planned.drafts if draft.payload.get("broadcast")]

    assert [draft.key for draft in broadcast] == ["incident:7:slack:#taskmaster-alerts:reply:run:12:finished"]
    assert "start it by hand" in broadcast[0].payload["text"]


def test_a_page_about_a_failure_says_what_was_tried_what_happened_and_what_to_do() -> None:
    event = only(ask(story(runs=[LOST], alerts=WARNING)), Act.TRIGGER)

    assert event["severity"] == "critical"
    assert "RESTART NOT COMPLETED: Receiver ended argo/etl-nightly and could not start it again" in event["summary"]
    assert "tried 5 times in vain" in event["summary"]
    assert event["custom_details"]["tried"] == ["2026-11-24 02:57 UTC ended the workflow"]
    assert "start it by hand" in event["custom_details"]["what to do"]


def test_a_page_by_the_route_has_the_severity_of_its_label() -> None:
    everybody = (Route(matchers=(), to=("pagerduty", "slack")),)

    said = {
        label: only(ask(story(alerts=[alert(severity=label)]), routes=everybody), Act.TRIGGER)["severity"]
        for label in ("critical", "error", "warning", "info", "page", "")
    }

    known = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}
    assert said == {**known, "page": "error", "": "error"}


def test_pagerduty_hears_of_the_end_only_if_it_heard_of_the_beginning() -> None:
    paged = after(story(), ask(story()))
    unpaged = after(story(alerts=WARNING), ask(story(alerts=WARNING)))

    assert acts(ask(closed(paged))) == [UPDATE, RESOLVE]
    assert acts(ask(closed(unpaged))) == [UPDATE]


def test_a_resolve_is_planned_though_its_trigger_is_still_pending() -> None:
    paged = after(story(), ask(story()), state=MessageState.PENDING)

    assert RESOLVE in acts(ask(closed(paged)))


def test_trigger_and_resolve_carry_the_same_key() -> None:
    begun = ask(story())
    ended = ask(closed(after(story(), begun)))

    key = only(begun, Act.TRIGGER)["dedup_key"]

    assert key == "receiver-incident-7"
    assert only(ended, Act.RESOLVE) == {"action": "resolve", "dedup_key": key}


def test_an_incident_whose_restart_was_not_completed_is_left_for_a_person_to_close() -> None:
    paged = after(story(runs=[LOST]), ask(story(runs=[LOST])))

    assert RESOLVE not in acts(ask(closed(paged)))


def test_a_failure_that_was_seen_after_the_end_is_left_for_a_person_to_close() -> None:
    ended = closed(story(runs=[USELESS]))
    planned = ask(ended, now=NOW + timedelta(hours=1))

    assert acts(planned) == [POST, TRIGGER]
    assert ask(after(ended, planned, at=NOW + timedelta(hours=1))).drafts == ()


def test_an_incident_that_reopens_wakes_somebody_anew() -> None:
    paged = after(story(), ask(story()))
    over = after(closed(paged), ask(closed(paged)), at=NOW + timedelta(minutes=6))

    reopened = replace(story(flaps=1), messages=over.messages)
    planned = ask(reopened)

    assert acts(planned) == [UPDATE, TRIGGER]
    assert acts(ask(closed(after(reopened, planned)))) == [UPDATE, RESOLVE]


def test_a_restart_that_is_lost_after_a_page_pages_again_since_somebody_may_have_closed_it() -> None:
    paged = after(story(runs=[run(at=1)]), ask(story(runs=[run(at=1)])))

    assert acts(ask(replace(paged, runs=[LOST]))) == [UPDATE, TRIGGER]
    assert acts(ask(replace(paged, runs=[USELESS]))) == [UPDATE]


def test_a_failure_that_a_later_run_made_good_wakes_nobody() -> None:
    told = story(runs=[USELESS, replace(HEALED, id=run(number=13).id)], alerts=WARNING)

    assert acts(ask(told)) == [POST]
    assert is_quiet(only(ask(told), Act.POST))


def test_an_alert_that_only_echoes_what_we_did_tells_nobody_of_its_own() -> None:
    stuck = replace(alert(severity="warning"), status=AlertStatus.RESOLVED)
    echo = alert(2, alertname="WorkflowFailed")
    told = story(alerts=[stuck, echo], decisions=[ECHO], runs=[HEALED])

    late = ask(after(told, ask(told)), now=NOW + SETTLE)

    assert acts(ask(told)) == [POST]
    assert late.drafts == ()


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SIMULATED])
def test_a_run_that_only_simulates_neither_heals_nor_fails(outcome: Outcome) -> None:
    told = story(runs=[run(outcome, mode=Mode.DRY_RUN)])

    assert acts(ask(told)) == [POST, TRIGGER]
    assert not is_quiet(only(ask(told), Act.POST))


def test_a_place_that_is_not_configured_is_told_on_the_console() -> None:
    planned = ask(story(decisions=[BLOCKED]), places=NEITHER)

    assert {draft.place for draft in planned.drafts} == {Place.CONSOLE}
    assert [draft.address for draft in planned.drafts if draft.act is not Act.REPLY] == ["slack", "pagerduty"]


def test_the_console_hears_the_very_words_of_the_place_it_stands_for() -> None:
    real, console = ask(story()), ask(story(), places=NEITHER)

    assert [draft.payload for draft in real.drafts] == [draft.payload for draft in console.drafts]


def test_a_place_that_becomes_configured_is_told_from_the_beginning() -> None:
    told = after(story(), ask(story(), places=NEITHER))

    assert acts(ask(told)) == [POST, TRIGGER]


def test_one_place_may_be_configured_without_the_other() -> None:
    planned = ask(story(), places=replace(BOTH, pagerduty=False))

    assert acts(planned) == [POST, (Place.CONSOLE, Act.TRIGGER)]


def test_a_conversation_stays_in_the_channel_in_which_it_began() -> None:
    told = after(story(), ask(story()))

    planned = ask(quiet(told), places=replace(BOTH, channel="#elsewhere"))

    assert {draft.address for draft in planned.drafts} == {"#taskmaster-alerts"}


def test_where_no_route_matches_only_what_must_be_told_is_told() -> None:
    assert ask(story(), routes=()).drafts == ()
    assert acts(ask(story(runs=[LOST]), routes=())) == [POST, TRIGGER]
    assert acts(ask(story(runs=[asking()]), routes=())) == [POST]


def test_a_thousand_alerts_that_are_declined_alike_make_one_reply() -> None:
    alerts = [alert(number) for number in range(1000)]
    declined = [replace(BLOCKED, alert_id=one.id) for one in alerts]

    planned = ask(story(alerts=alerts, decisions=declined))

    assert len(replies(planned)) == 1
    assert "1000 of 1000 alerts firing" in only(planned, Act.POST)["text"]


def test_a_thing_that_flaps_for_days_says_so_once_and_is_counted_in_its_message() -> None:
    told = story()
    for flaps in range(200):
        for one in (story(flaps=flaps), quiet(story(flaps=flaps))):
            now = replace(one, messages=told.messages)
            told = after(now, ask(now))

    said = [one.draft.payload["text"] for one in told.messages if one.draft.act is Act.REPLY]
    card = [one.draft.payload["text"] for one in told.messages if one.draft.act is Act.UPDATE][-1]

    assert len(said) == 6
    assert said[-1].startswith("It flaps: it has come back 3 times in 5m.")
    assert "flapping: fired again 199 times" in card
    assert len([one for one in told.messages if one.draft.act is Act.TRIGGER]) == 1


def test_an_incident_that_another_tells_of_says_nothing_of_its_own_from_beginning_to_end() -> None:
    told = story(decisions=[BLOCKED], part_of=3)

    assert [ask(each).drafts for each in (told, quiet(told), closed(told))] == [(), (), ()]


def test_an_incident_that_another_tells_of_still_says_that_a_run_failed() -> None:
    planned = ask(story(runs=[LOST], part_of=3))

    assert (Place.PAGERDUTY, Act.TRIGGER) in acts(planned)


def test_what_had_been_said_in_full_before_another_incident_spoke_for_it_goes_on_being_said() -> None:
    told = story(decisions=[BLOCKED])
    told = after(told, ask(told))

    ended = closed(replace(told, incident=replace(told.incident, part_of=3)))

    assert (Place.PAGERDUTY, Act.RESOLVE) in acts(ask(ended))


def test_the_channel_hears_once_that_a_playbook_lost_its_mode() -> None:
    note = Event(at=NOW, kind=Kind.DEMOTED, text="restart-stuck-workflow asks before it acts from now on")
    told = replace(story(decisions=[BLOCKED]), notes=[note])
    planned = ask(told)

    [line] = [draft for draft in planned.drafts if draft.payload.get("broadcast")]

    assert "asks before it acts" in line.payload["text"]
    assert ask(after(told, planned)).drafts == ()
