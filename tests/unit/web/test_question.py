from datetime import UTC, datetime

import pytest

from receiver.model.errors import QueryRefused
from receiver.web.question import matchers, time


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("team=a", 'team="a"'),
        ('team="a"', 'team="a"'),
        ("team!=a b", 'team!="a b"'),
        ("path=~/srv/.{1}", 'path=~"/srv/.{1}"'),
        ("team!~a|b", 'team!~"a|b"'),
        ("team=", 'team=""'),
        ("expr=a=~b", 'expr="a=~b"'),
        ('team= "a"', 'team="a"'),
    ],
)
def test_a_condition_is_read_with_and_without_quotes(text: str, meaning: str) -> None:
    assert [str(one) for one in matchers([text])] == [meaning]


@pytest.mark.parametrize("text", ["", "team", "=a", 'team="a', "team=~(", "!=a"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        matchers([text])

    assert refusal.value.parameter == "label"


def test_a_plus_that_came_as_a_space_is_a_plus() -> None:
    expected = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

    assert time("2026-11-24T03:00:00 01:00", "since") == expected
    assert time("2026-11-24T02:00:00Z", "since") == expected
    assert time(None, "since") is None


def test_what_is_no_time_is_refused_by_name() -> None:
    with pytest.raises(QueryRefused) as refusal:
        time("yesterday", "until")

    assert refusal.value.parameter == "until"
