"""What evidence and conclusions do to an occurrence."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from receiver.model.alert import (
    Alert,
    AlertStatus,
    Asked,
    Change,
    Fingerprint,
    Standing,
    conclude,
    is_evidence,
    observe,
)

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FIRING = Alert(
    fingerprint=Fingerprint("c0ffee0000000000"), status=AlertStatus.FIRING, labels={}, annotations={}, starts_at=START,
    starts_at_text="2026-11-24T09:00:00Z", ends_at=None, generator_url="",
)  # fmt: skip
RESOLVED = replace(FIRING, status=AlertStatus.RESOLVED, ends_at=START + 5 * MINUTE)


def resolved() -> Standing:
    """Give an occurrence that fired and whose resolve was received six minutes after its start."""
    return observe(observe(None, FIRING, START)[0], RESOLVED, START + 6 * MINUTE)[0]


def asked(after: timedelta) -> Asked:
    return Asked(at=START + after, peer="http://alertmanager:9093")


def test_a_late_firing_stays_late_where_nobody_was_asked() -> None:
    standing, change = observe(resolved(), FIRING, START + 7 * MINUTE)

    assert change is Change.LATE
    assert standing.status is AlertStatus.RESOLVED


@pytest.mark.parametrize("at", [5 * MINUTE, 7 * MINUTE])
def test_what_was_asked_for_after_the_resolve_proves_it_wrong_whenever_it_counts_as_received(at: timedelta) -> None:
    standing, change = observe(resolved(), FIRING, START + at, asked(8 * MINUTE))

    assert change is Change.REFIRED
    assert (standing.status, standing.ends_at, standing.inferred) == (AlertStatus.FIRING, None, False)


def test_what_was_asked_for_before_the_resolve_came_proves_nothing() -> None:
    assert observe(resolved(), FIRING, START + 7 * MINUTE, asked(6 * MINUTE))[1] is Change.LATE


def test_evidence_is_an_answer_that_is_newer_than_the_resolve() -> None:
    assert is_evidence(asked(MINUTE), None)
    assert is_evidence(asked(7 * MINUTE), START + 6 * MINUTE)
    assert not is_evidence(asked(6 * MINUTE), START + 6 * MINUTE)
    assert not is_evidence(None, START)


def test_a_conclusion_resolves_what_fires_and_says_that_it_is_one() -> None:
    fired, _ = observe(None, FIRING, START)

    standing, change = conclude(fired, START + 3 * MINUTE)

    assert change is Change.INFERRED
    assert (standing.status, standing.inferred) == (AlertStatus.RESOLVED, True)
    assert (standing.ends_at, standing.resolved_seen_at) == (START + 3 * MINUTE, None)


def test_of_what_is_over_nothing_is_concluded() -> None:
    assert conclude(resolved(), START + 9 * MINUTE) == (resolved(), Change.REPEATED)


def test_a_firing_after_a_conclusion_is_believed_at_once_and_a_resolve_confirms_it() -> None:
    concluded, _ = conclude(observe(None, FIRING, START)[0], START + 3 * MINUTE)

    refired, first = observe(concluded, FIRING, START + 4 * MINUTE)
    confirmed, second = observe(concluded, RESOLVED, START + 4 * MINUTE)

    assert (first, refired.status, refired.inferred) == (Change.REFIRED, AlertStatus.FIRING, False)
    assert (second, confirmed.status, confirmed.inferred) == (Change.CONFIRMED, AlertStatus.RESOLVED, False)
    assert confirmed.ends_at == RESOLVED.ends_at
