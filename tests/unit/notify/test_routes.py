import pytest

from receiver.model.matcher import Matcher
from receiver.model.message import Place
from receiver.notify.routes import choose
from receiver.settings import Route, Settings
from tests.unit.notify.stories import ROUTES


@pytest.mark.parametrize(
    ("labels", "places", "reason"),
    [
        (
            {"severity": "critical"},
            (Place.PAGERDUTY, Place.SLACK),
            'Route 1 (severity="critical") sends to pagerduty and slack.',
        ),
        ({"severity": "warning"}, (Place.SLACK,), "Route 2 (for everything) sends to slack."),
        ({}, (Place.SLACK,), "Route 2 (for everything) sends to slack."),
    ],
)
def test_the_first_route_that_matches_counts(labels: dict[str, str], places: tuple[Place, ...], reason: str) -> None:
    choice = choose(ROUTES, labels)

    assert (choice.places, choice.reason) == (places, reason)


def test_all_matchers_of_a_route_must_match() -> None:
    route = Route(matchers=(Matcher.parse("a=1"), Matcher.parse("b=2")), to=("slack", "slack"))

    assert choose([route], {"a": "1"}).reason == "Nobody is told, since none of the 1 routes matches."
    assert choose([route], {"a": "1", "b": "2"}).places == (Place.SLACK,)


def test_without_routes_nobody_is_told() -> None:
    choice = choose([], {"severity": "critical"})

    assert (choice.places, choice.number) == ((), None)
    assert choice.reason == "Nobody is told, since there are no routes."


def test_a_route_to_nobody_tells_nobody() -> None:
    choice = choose([Route(matchers=(), to=())], {})

    assert (choice.places, choice.number, choice.reason) == ((), 1, "Route 1 (for everything) sends to nobody.")


def test_the_routes_that_come_ready_page_for_critical_alone() -> None:
    chosen = {label: choose(Settings().routes, {"severity": label}).places for label in ("critical", "warning")}

    assert chosen == {"critical": (Place.PAGERDUTY, Place.SLACK), "warning": (Place.SLACK,)}
