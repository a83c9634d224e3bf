"""The machine of an occurrence, arrow by arrow, as docs/states.md draws it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from receiver.model.alert import REFIRE_AFTER, Alert, AlertStatus, Change, Fingerprint, Standing, observe

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
FIRING = Alert(
    fingerprint=Fingerprint("c0ffee0000000000"), status=AlertStatus.FIRING, labels={}, annotations={"summary": "a"},
    starts_at=START, starts_at_text="2026-11-24T09:00:00Z", ends_at=None, generator_url="",
)  # fmt: skip
REWORDED = replace(FIRING, annotations={"summary": "b"})
RESOLVED = replace(FIRING, status=AlertStatus.RESOLVED, ends_at=START + timedelta(minutes=1))

Said = tuple[float, Alert]
"""Minutes after the start at which it was received, and what was said."""


def tell(*said: Said) -> tuple[Standing | None, list[Change]]:
    standing, changes = None, []
    for minutes, alert in said:
        standing, change = observe(standing, alert, START + timedelta(minutes=minutes))
        changes.append(change)
    return standing, changes


@pytest.mark.parametrize(
    ("said", "last", "status"),
    [
        pytest.param([(0, FIRING)], Change.FIRED, "firing", id="a"),
        pytest.param([(0, RESOLVED)], Change.RESOLVED_FIRST, "resolved", id="b"),
        pytest.param([(0, FIRING), (1, FIRING)], Change.REPEATED, "firing", id="c"),
        pytest.param([(0, FIRING), (1, REWORDED)], Change.REWORDED, "firing", id="d"),
        pytest.param([(0, FIRING), (1, RESOLVED)], Change.RESOLVED, "resolved", id="e"),
        pytest.param([(0, FIRING), (1, RESOLVED), (16, RESOLVED)], Change.REPEATED, "resolved", id="f: for 15 minutes"),
        pytest.param([(0, RESOLVED), (10, FIRING)], Change.LATE, "resolved", id="g: up to ten minutes"),
        pytest.param([(0, RESOLVED), (10.1, FIRING)], Change.REFIRED, "firing", id="h: later"),
        pytest.param(
            [(0, RESOLVED), (5, RESOLVED), (12, FIRING)], Change.LATE, "resolved", id="g: the last one counts"
        ),
        pytest.param([(12, FIRING), (1, RESOLVED)], Change.OVERTAKEN, "firing", id="l: recorded late"),
        pytest.param([(11, FIRING), (1, RESOLVED)], Change.RESOLVED, "resolved", id="e: recorded late"),
        pytest.param([(1, RESOLVED), (12, FIRING), (1, RESOLVED)], Change.OVERTAKEN, "firing", id="l: repeated late"),
    ],
)
def test_each_arrow(said: Sequence[Said], last: Change, status: str) -> None:
    standing, changes = tell(*said)

    assert standing is not None
    assert (changes[-1], standing.status.value) == (last, status)
    assert standing.deliveries == len(said)
    assert (standing.ends_at is None) == (status == "firing")


def test_what_is_believed_is_received_later_than_the_limit_and_not_at_it() -> None:
    resolved, _ = observe(None, RESOLVED, START)

    assert observe(resolved, FIRING, START + REFIRE_AFTER)[1] is Change.LATE
    assert observe(resolved, FIRING, START + REFIRE_AFTER + INSTANT)[1] is Change.REFIRED


def test_the_newest_wording_counts_while_it_fires_and_a_late_firing_rewords_nothing() -> None:
    reworded, _ = tell((0, FIRING), (1, REWORDED))
    late, _ = tell((0, FIRING), (1, RESOLVED), (2, REWORDED))

    assert reworded is not None
    assert reworded.annotations == {"summary": "b"}
    assert late is not None
    assert late.annotations == {"summary": "a"}


HISTORIES: list[list[Said]] = [
    [(0, FIRING), (1, RESOLVED), (12, FIRING)],
    [(0, FIRING), (3, RESOLVED), (8, RESOLVED), (14, FIRING), (18, FIRING)],
    [(0, FIRING), (1, RESOLVED), (12, FIRING), (13, RESOLVED), (20, FIRING)],
    [(0, RESOLVED), (4, FIRING), (15, FIRING), (30, RESOLVED), (45, FIRING)],
    [(0, FIRING), (11, FIRING), (22, RESOLVED), (32, FIRING)],
    [(0, RESOLVED), (11, FIRING), (22, RESOLVED), (33, FIRING), (44, RESOLVED)],
]


@pytest.mark.parametrize("history", HISTORIES)
def test_what_is_true_in_the_end_does_not_depend_on_the_order_of_recording(history: list[Said]) -> None:
    told = [
        (minutes, replace(alert, ends_at=alert.ends_at and START + timedelta(minutes=minutes)))
        for minutes, alert in history
    ]

    ends = [replace(one, annotations={}) for order in permutations(told) if (one := tell(*order)[0]) is not None]

    assert all(one == ends[0] for one in ends)
    resolves = [minutes for minutes, alert in history if alert is RESOLVED]
    fires = any(minutes > max(resolves) + 10 for minutes, alert in history if alert is FIRING)
    assert (ends[0].status is AlertStatus.FIRING) == fires
