"""What PagerDuty is told of remediations: once for each run that acted, where it belongs, and never as a page."""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from receiver.clients.pagerduty import PagerDutyClient, encoded_change
from receiver.model.message import Draft, Place, Priority, Story
from receiver.model.remediation import Mode, Run
from receiver.notify.deliver import change_of
from receiver.notify.plan import Plan, plan
from receiver.sandbox.pagerduty import EXAMPLE_KEY
from receiver.sandbox.pagerduty_rules import change_faults
from receiver.settings import Hidden, Owner, Route
from tests.unit.notify.stories import (
    BOTH,
    HEALED,
    LOST,
    NEITHER,
    NOW,
    ROUTES,
    USELESS,
    after,
    alert,
    closed,
    run,
    story,
)

HOSTILE = "<!channel>\u202e\x00 " + "я" * 3000


def planned(told: Story, *, taking: Collection[str] = ("",), **more: Any) -> Plan:
    asked: dict[str, Any] = {"places": BOTH, "routes": ROUTES, **more}
    return plan(told, hold_until=None, now=NOW, public_url="https://r.example", changes=taking, **asked)


def changes(told: Story, **more: Any) -> list[Draft]:
    return [draft for draft in planned(told, **more).drafts if draft.place is Place.CHANGES]


def test_a_run_that_acted_is_told_once_however_often_somebody_looks() -> None:
    told = story(runs=[HEALED])

    [draft] = changes(told)

    assert (draft.address, draft.priority) == ("", Priority.OVER)
    assert draft.payload["summary"].startswith("Receiver healed it: restart-stuck-workflow restarted argo/etl-nightly")
    assert draft.payload["custom_details"]["id"] == draft.key == "changes:run:12"
    assert draft.payload["links"] == [{"href": "https://r.example/api/v1/incidents/7/timeline", "text": "Incident 7"}]
    assert changes(closed(after(told, planned(told)))) == []


@pytest.mark.parametrize("acted", [HEALED, LOST, USELESS])
def test_a_run_is_told_whatever_came_of_it(acted: Run) -> None:
    assert [draft.payload["custom_details"]["run"] for draft in changes(story(runs=[acted]))] == [12]


@pytest.mark.parametrize("idle", [run(at=1), replace(HEALED, mode=Mode.DRY_RUN), replace(HEALED, journal=())])
def test_a_run_that_is_under_way_or_changed_nothing_is_not_told(idle: Run) -> None:
    assert changes(story(runs=[idle])) == []


def test_it_goes_where_it_belongs_though_the_routes_wake_nobody() -> None:
    owner = Owner(matchers=ROUTES[0].matchers, name="team-a", pagerduty_key=Hidden(EXAMPLE_KEY))
    quiet = [Route(matchers=(), to=("slack",))]
    places = replace(BOTH, owners=frozenset({"team-a"}))

    own = changes(story(runs=[HEALED]), routes=quiet, owners=[owner], places=places, taking=("", "team-a"))
    default = changes(story(alerts=[alert(severity="warning")], runs=[HEALED]), routes=quiet)

    assert [draft.address for draft in own] == ["team-a"]
    assert [draft.address for draft in default] == [""]


def test_nothing_is_told_where_no_key_takes_it_or_pagerduty_is_not_configured() -> None:
    assert changes(story(runs=[HEALED]), taking=()) == []
    assert changes(story(runs=[HEALED]), places=NEITHER) == []


def test_a_shadow_takes_no_key_from_what_is_sent_later() -> None:
    [draft] = changes(story(runs=[HEALED]), places=replace(BOTH, shadow=True))

    assert draft.key == "shadow:changes:run:12"


def test_whatever_others_wrote_it_is_an_event_that_pagerduty_takes() -> None:
    hostile = replace(HEALED, playbook=HOSTILE, reason=HOSTILE, vars={"workflow": {"name": HOSTILE, "uid": "u9"}})
    [draft] = changes(story(runs=[hostile], title=HOSTILE))

    body = encoded_change(change_of(json.loads(json.dumps(draft.payload))), routing_key=EXAMPLE_KEY)

    assert change_faults(json.loads(body)) == []
    assert "\u202e" not in body.decode()


def test_a_key_of_a_ruleset_takes_none() -> None:
    assert PagerDutyClient(routing_key=EXAMPLE_KEY).takes_changes
    assert not PagerDutyClient(routing_key=f"R{EXAMPLE_KEY[1:]}").takes_changes
