"""When a silence is one, and which alarms begin and end."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.incident import Occurrence, Subject
from receiver.store.heard import Heard
from receiver.upkeep.watchdog import Silence, review, silences

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=1)
A, B = Fingerprint("a" * 16), Fingerprint("b" * 16)


def series(fingerprint: Fingerprint, ago: timedelta) -> Heard:
    return Heard(fingerprint=fingerprint, labels={"alertname": "Watchdog", "cluster": "c"}, at=NOW - ago)


def alarm(of: str) -> Occurrence:
    return Occurrence(
        id="202611-1", fingerprint=Fingerprint("c" * 16), status=AlertStatus.FIRING, inferred=False, subject=Subject(),
        alertname="WatchdogSilent", severity="critical", labels={"series": of}, annotations={}, starts_at=NOW - MINUTE,
        starts_at_text="2026-11-24T08:59:00Z", ends_at=None, first_seen_at=NOW, last_seen_at=NOW, deliveries=1,
        firings=1, group_key="receiver/watchdog", receiver="receiver", generator_url="", incident_id=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([], ["none"]),
        ([series(A, 5 * MINUTE)], []),
        ([series(A, 6 * MINUTE)], [A]),
        ([series(A, MINUTE), series(B, 6 * MINUTE)], [B]),
        ([series(A, MINUTE), series(B, timedelta(days=8))], []),
        ([series(A, 6 * MINUTE), series(B, timedelta(days=8))], [A, B]),
    ],
)
def test_each_series_that_was_ever_heard_is_missed_for_itself(heard: list[Heard], expected: list[str]) -> None:
    silent = silences(heard, interval=5 * MINUTE, listening_since=LONG_AGO, now=NOW)

    assert [one.series for one in silent] == expected


def test_nothing_is_silent_before_we_have_listened_for_as_long() -> None:
    for heard in ([], [series(A, timedelta(hours=3))]):
        assert silences(heard, interval=5 * MINUTE, listening_since=NOW - 5 * MINUTE, now=NOW) == []


def test_an_alarm_begins_when_the_watchdog_was_due_and_keeps_its_labels() -> None:
    silent = silences([series(A, 6 * MINUTE)], interval=5 * MINUTE, listening_since=LONG_AGO, now=NOW)

    [told] = review([], silent, {A: NOW - 6 * MINUTE}, NOW)

    assert told.status is AlertStatus.FIRING
    assert told.labels == {"alertname": "WatchdogSilent", "severity": "critical", "series": A, "cluster": "c"}
    assert told.starts_at == NOW - MINUTE
    assert "2026-11-24 08:54:00" in told.annotations["summary"]


def test_an_alarm_that_sounds_is_not_told_again() -> None:
    silent = [Silence(series=A, labels={}, since=NOW - MINUTE, heard_at=NOW - 6 * MINUTE)]

    assert review([alarm(A)], silent, {A: NOW - 6 * MINUTE}, NOW) == []


@pytest.mark.parametrize(
    ("heard_at", "ends_at"), [({A: NOW - timedelta(seconds=20)}, NOW - timedelta(seconds=20)), ({}, NOW)]
)
def test_an_alarm_ends_when_its_series_was_heard_or_does_not_count_any_more(
    heard_at: Mapping[str, datetime], ends_at: datetime
) -> None:
    [told] = review([alarm(A)], [], heard_at, NOW)

    assert (told.status, told.ends_at, told.starts_at) == (AlertStatus.RESOLVED, ends_at, NOW - MINUTE)
