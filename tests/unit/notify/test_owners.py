"""Who is told of what: owners, routes that lead on, hours, severities, and a shadow in which nothing is sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.document import Document
from receiver.model.errors import DocumentError
from receiver.model.hours import Span, Zone
from receiver.model.matcher import Matcher
from receiver.model.message import Act, Lane, MessageState, Place
from receiver.notify.plan import plan
from receiver.notify.routes import choose
from receiver.settings import Hidden, Owner, Route, Settings

from .stories import BOTH, LOST, NEITHER, NOW, ROUTES, after, alert, ask, closed, found, only, story

TEAM = Owner(matchers=(Matcher.parse("namespace=argo"),), slack="#team", pagerduty_key=Hidden("k" * 32), name="team")
PLACES = replace(BOTH, owners=frozenset({"team"}), named=frozenset({"#team"}))
LOUD = Route(matchers=(), to=("pagerduty", "slack"))
NIGHT = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
DAY = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def lanes(owners: tuple[Owner, ...] = (), **asked: object) -> set[Lane]:
    planned = plan(
        story(**asked.pop("story", {})),  # type: ignore[arg-type]
        places=PLACES,
        routes=(LOUD,),
        owners=owners,
        hold_until=None,
        now=NOW,
    )
    return {draft.lane for draft in planned.drafts}


def test_an_owner_is_told_in_the_own_channel_and_by_the_own_key() -> None:
    assert lanes((TEAM,)) == {Lane(Place.SLACK, "#team"), Lane(Place.PAGERDUTY, "team")}
    assert lanes() == {Lane(Place.SLACK, "#taskmaster-alerts"), Lane(Place.PAGERDUTY, "")}


def test_the_message_and_the_page_say_to_whom_it_belongs() -> None:
    planned = plan(story(), places=PLACES, routes=(LOUD,), owners=(TEAM,), hold_until=None, now=NOW)

    card, page = (draft.payload for draft in planned.drafts if draft.act in {Act.POST, Act.TRIGGER})
    assert "Belongs to team." in card["blocks"][1]["text"]["text"]
    assert page["custom_details"]["belongs to"] == "team"


def test_an_annotation_of_the_workflow_names_its_owner() -> None:
    owner = Owner(annotations=(Matcher.parse("owner=team-b"),), slack="#team-b")
    findings = (found("workflow", "Running", annotations={"owner": "team-b"}),)

    assert Lane(Place.SLACK, "#team-b") in lanes((owner,), story={"findings": findings})
    assert Lane(Place.SLACK, "#team-b") not in lanes((owner,))


def test_a_failed_run_calls_its_owner_though_no_route_leads_anywhere() -> None:
    told = story(runs=[LOST])

    planned = plan(told, places=PLACES, routes=(), owners=(TEAM,), hold_until=None, now=NOW)

    assert {draft.lane for draft in planned.drafts} == {Lane(Place.SLACK, "#team"), Lane(Place.PAGERDUTY, "team")}


def test_a_route_that_leads_on_tells_several_channels_each_once_and_each_hears_the_end() -> None:
    routes = (Route(matchers=(), to=("slack",), channel="#one", goes_on=True), Route(matchers=(), to=("slack",)))
    told = story()

    planned = ask(told, routes=routes)
    over = ask(closed(after(told, planned)), routes=routes)

    posts = [draft.address for draft in planned.drafts if draft.act is Act.POST]
    assert posts == ["#one", "#taskmaster-alerts"]
    assert {draft.address for draft in over.drafts if draft.act is Act.UPDATE} == set(posts)
    assert ask(after(told, planned), routes=routes).drafts == ()


def test_outside_its_hours_a_route_leaves_an_alert_to_the_next_one() -> None:
    hours = (Span("Mon-Fri 09:00-17:00"),)
    routes = (
        Route(matchers=(), to=("slack",), active=hours, timezone=Zone("Europe/Berlin")),
        Route(matchers=(), to=("pagerduty",)),
    )

    assert choose(routes, {}, at=DAY).places == (Place.SLACK,)
    assert choose(routes, {}, at=NIGHT).places == (Place.PAGERDUTY,)


def test_what_fires_while_a_route_is_muted_is_told_when_that_is_over() -> None:
    route = Route(matchers=(), to=("pagerduty", "slack"), mute=(Span("22:00-06:00"), Span("06:00-06:30")))
    told = story()

    muted = plan(told, places=BOTH, routes=(route,), hold_until=None, now=NIGHT)
    morning = NIGHT.replace(hour=6, minute=30)
    spoken = plan(told, places=BOTH, routes=(route,), hold_until=None, now=morning)

    assert (muted.drafts, muted.speak_at) == ((), morning)
    assert {draft.act for draft in spoken.drafts} >= {Act.POST, Act.TRIGGER}


def test_a_lost_workflow_calls_somebody_though_its_route_is_muted() -> None:
    route = Route(matchers=(), to=("pagerduty",), mute=(Span("00:00-24:00"),))

    planned = plan(story(runs=[LOST]), places=BOTH, routes=(route,), hold_until=None, now=NIGHT)

    assert Act.TRIGGER in {draft.act for draft in planned.drafts}


def test_a_route_translates_severities_for_pagerduty() -> None:
    route = Route(matchers=(), to=("pagerduty",), severities={"page": "warning"})

    assert only(ask(story(alerts=[alert(severity="page")]), routes=(route,)), Act.TRIGGER)["severity"] == "warning"


def test_what_was_only_recorded_in_shadow_is_said_once_it_is_live() -> None:
    told = story()
    shadow = replace(BOTH, shadow=True)

    recorded = after(told, ask(told, places=shadow), state=MessageState.SHADOWED)
    live = ask(recorded)

    assert ask(recorded, places=shadow).drafts == ()
    assert {draft.key for draft in live.drafts}.isdisjoint(one.draft.key for one in recorded.messages)
    assert live.drafts == ask(told).drafts


def test_the_console_names_the_channel_that_would_have_been_told() -> None:
    routes = (Route(matchers=(), to=("slack",), channel="#one"),)

    assert {draft.lane for draft in ask(story(), places=NEITHER, routes=routes).drafts} == {
        Lane(Place.CONSOLE, "slack #one")
    }


@pytest.mark.parametrize(
    ("labels", "steps"),
    [
        (
            {"severity": "critical", "namespace": "argo"},
            ("It belongs to team.", 'Route 1 (severity="critical") sends to pagerduty team and slack #team.'),
        ),
        (
            {"severity": "info"},
            (
                "It belongs to no owner.",
                "Route 1 (severity=\"critical\") does not match: severity is 'info'.",
                "Route 2 (for everything) sends to slack.",
            ),
        ),
    ],
)
def test_each_step_of_the_choice_is_explained(labels: dict[str, str], steps: tuple[str, ...]) -> None:
    assert choose(ROUTES, labels, owners=(TEAM,)).steps == steps


def test_a_mute_without_end_never_speaks() -> None:
    route = Route(matchers=(), to=("slack",), mute=(Span("00:00-24:00"),))

    assert route.muted_until(NOW) is None
    assert choose((route,), {}, at=NOW).speak_at is None


def test_a_mute_ends_by_the_clocks_of_its_zone_also_when_they_are_changed() -> None:
    route = Route(matchers=(), to=("slack",), mute=(Span("Sat-Sun 00:00-24:00"),), timezone=Zone("Europe/Berlin"))
    saturday = datetime(2026, 10, 24, 12, tzinfo=UTC)

    assert route.muted_until(saturday) == datetime(2026, 10, 25, 23, tzinfo=UTC), "the night in which an hour is added"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes:\n- {matchers: [], to: [slack], chanel: '#x'}\n", "did you mean 'channel'?"),
        ("routes:\n- {matchers: [], to: [slack], mute: ['Fry 10:00-12:00']}\n", "is no day"),
        ("routes:\n- {matchers: [], to: [slack], timezone: Europe/Berln}\n", "is not a time zone"),
        ("owners:\n- {slack: '#x'}\n", "an owner needs matchers"),
        ("notifications: {mode: shadows}\n", "shadows"),
    ],
)
def test_what_is_written_wrong_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(DocumentError, match=r"receiver\.yaml:[12]") as refused:
        Document(text, file="receiver.yaml").decode(Settings)

    assert said in str(refused.value)


def test_the_end_of_a_mute_is_within_a_day_for_hours_of_every_day() -> None:
    route = Route(matchers=(), to=("slack",), mute=(Span("22:00-06:00"),))

    until = route.muted_until(NIGHT)

    assert until is not None
    assert NIGHT < until < NIGHT + timedelta(days=1)
