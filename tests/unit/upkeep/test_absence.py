"""When an absence counts, and when it is believed."""

from datetime import UTC, datetime, timedelta

import pytest

from receiver.clients.alertmanager import AlertState, HeldAlert, PeerStatus
from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.peer import Candidate, Peer, Sighting
from receiver.upkeep.absence import (
    Presence,
    Verdict,
    judge,
    newest_starts,
    objection,
    peer_after,
    presence_of,
    reason_of,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
START = NOW - timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SERIES = Fingerprint("c0ffee0000000000")
URL = "http://alertmanager:9093"


def peer(**given: object) -> Peer:
    told = {
        "url": URL, "version": "0.25.0", "started_at": NOW - timedelta(days=3), "noticed_at": NOW - timedelta(days=3),
        "asked_at": NOW, "answers": 3, "error": "",
    }  # fmt: skip
    return Peer(**{**told, **given})  # type: ignore[arg-type]


def candidate(starts_at: datetime = START) -> Candidate:
    return Candidate(
        id="202611-1", number=1, fingerprint=SERIES, starts_at=starts_at, alertname="WorkflowSlow", labels={},
        namespace="", workflow="", last_seen_at=NOW - 20 * MINUTE, firings=1, incident_id=1,
    )  # fmt: skip


def held(state: AlertState = AlertState.ACTIVE, *silences: str, starts_at: datetime = START) -> HeldAlert:
    alert = Alert(
        fingerprint=SERIES, status=AlertStatus.FIRING, labels={}, annotations={}, starts_at=starts_at,
        starts_at_text="", ends_at=None, generator_url="",
    )  # fmt: skip
    return HeldAlert(alert=alert, state=state, silenced_by=silences, inhibited_by=(), receivers=())


def after(
    before: Sighting, *there: HeldAlert, counts: bool = True, newest: datetime = START
) -> tuple[Sighting, Verdict]:
    return judge(
        candidate(), before, presence_of([there]), newest=newest, counts=counts, now=NOW, group_interval=5 * MINUTE
    )


@pytest.mark.parametrize(
    ("before", "counts", "expected"),
    [
        (Sighting(), True, (Sighting(missed=1, missing_since=NOW), Verdict.MISSING)),
        (
            Sighting(missed=1, missing_since=NOW - 9 * MINUTE),
            True,
            (Sighting(missed=2, missing_since=NOW - 9 * MINUTE), Verdict.MISSING),
        ),
        (
            Sighting(missed=2, missing_since=NOW - 4 * MINUTE),
            True,
            (Sighting(missed=3, missing_since=NOW - 4 * MINUTE), Verdict.MISSING),
        ),
        (
            Sighting(missed=2, missing_since=NOW - 5 * MINUTE),
            True,
            (Sighting(missed=3, missing_since=NOW - 5 * MINUTE), Verdict.GONE),
        ),
        (Sighting(missed=9, missing_since=NOW - 9 * MINUTE), False, (Sighting(), Verdict.MISSING)),
        (
            Sighting(missed=9, missing_since=NOW - 9 * MINUTE, suppressed_by=("s",)),
            False,
            (Sighting(suppressed_by=("s",)), Verdict.MISSING),
        ),
    ],
)
def test_an_absence_is_believed_after_three_rounds_in_a_row_and_a_group_interval(
    before: Sighting, *, counts: bool, expected: tuple[Sighting, Verdict]
) -> None:
    assert after(before, counts=counts) == expected


@pytest.mark.parametrize(
    ("before", "there", "expected"),
    [
        (Sighting(missed=2, missing_since=NOW), [held()], (Sighting(), Verdict.THERE)),
        (
            Sighting(),
            [held(AlertState.SUPPRESSED, "s")],
            (Sighting(suppressed_by=("s",)), Verdict.SUPPRESSED),
        ),
        (
            Sighting(suppressed_by=("s",)),
            [held(AlertState.SUPPRESSED, "s")],
            (Sighting(suppressed_by=("s",)), Verdict.THERE),
        ),
        (Sighting(suppressed_by=("s",)), [held()], (Sighting(), Verdict.UNSUPPRESSED)),
        (Sighting(), [held(AlertState.UNPROCESSED)], (Sighting(), Verdict.THERE)),
        (Sighting(), [held(AlertState.SUPPRESSED)], (Sighting(suppressed_by=("muted",)), Verdict.SUPPRESSED)),
    ],
)
def test_a_suppressed_alert_is_there_and_its_change_is_noted_once(
    before: Sighting, there: list[HeldAlert], expected: tuple[Sighting, Verdict]
) -> None:
    assert after(before, *there) == expected


def test_a_series_that_fires_anew_is_there_until_we_know_of_the_new_occurrence() -> None:
    anew = held(starts_at=START + 10 * MINUTE)

    assert after(Sighting(), anew)[1] is Verdict.THERE
    assert after(Sighting(), anew, newest=START + 10 * MINUTE)[1] is Verdict.MISSING


def test_a_start_is_compared_as_roughly_as_the_api_tells_it() -> None:
    exact = START + timedelta(microseconds=123_999)

    seen = judge(
        candidate(exact), Sighting(), presence_of([[held(starts_at=START + timedelta(milliseconds=123))]]),
        newest=exact, counts=True, now=NOW, group_interval=5 * MINUTE,
    )  # fmt: skip

    assert seen == (Sighting(), Verdict.THERE)


def test_what_was_learnt_by_asking_gives_way_to_what_is_told_exactly() -> None:
    assert after(Sighting(), held(), newest=START + timedelta(microseconds=999)) == (Sighting(), Verdict.TWIN)
    assert after(Sighting(), held(), newest=START + timedelta(milliseconds=1))[1] is Verdict.THERE


def test_the_newest_start_is_told_for_each_series() -> None:
    assert newest_starts([candidate(), candidate(START + MINUTE), candidate(START - MINUTE)]) == {
        SERIES: START + MINUTE
    }


def test_an_alert_that_one_peer_tells_is_told() -> None:
    suppressed, active = held(AlertState.SUPPRESSED, "s"), held()

    expected = Presence(suppressed_by={(SERIES, START): ()}, series=frozenset({SERIES}))
    assert presence_of([[suppressed], [active]]) == expected
    assert presence_of([[active], [suppressed]]) == expected


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        ([peer()], ""),
        ([peer(), peer(url="http://b")], ""),
        ([], "no Alertmanager is configured"),
        ([peer(), peer(url="http://b", error="refused")], "http://b did not answer: refused"),
        ([peer(noticed_at=NOW - timedelta(minutes=9, seconds=59))], f"{URL} may have started less than 10m ago"),
        ([peer(noticed_at=NOW - timedelta(minutes=10))], ""),
        ([peer(started_at=NOW + timedelta(days=1))], ""),
    ],
)
def test_a_round_counts_when_each_peer_answered_and_none_has_just_started(peers: list[Peer], expected: str) -> None:
    assert objection(peers, NOW) == expected


def test_a_start_is_noticed_by_our_own_clock_whatever_the_peer_s_says() -> None:
    status = PeerStatus(version="0.25.0", started_at=NOW - timedelta(days=9), peers=())

    first = peer_after(None, URL, status, NOW)
    again = peer_after(first, URL, status, NOW + MINUTE)
    silent = peer_after(again, URL, "refused", NOW + 2 * MINUTE)
    back = peer_after(silent, URL, status, NOW + 3 * MINUTE)
    restarted = peer_after(
        back, URL, PeerStatus(version="0.25.0", started_at=NOW - timedelta(days=8), peers=()), NOW + 4 * MINUTE
    )

    assert (first.noticed_at, first.answers) == (NOW, 1)
    assert (again.noticed_at, again.answers) == (NOW, 2)
    assert (silent.noticed_at, silent.answers, silent.error) == (NOW, 0, "refused")
    assert (back.noticed_at, back.answers) == (NOW, 1)
    assert (restarted.noticed_at, restarted.answers) == (NOW + 4 * MINUTE, 1)


def test_the_reason_says_who_since_when_and_what_kept_it_from_being_told() -> None:
    sighting = Sighting(missed=3, missing_since=NOW - 6 * MINUTE, suppressed_by=("silence-1",))

    one = reason_of(candidate(), sighting, [peer()], NOW)
    two = reason_of(candidate(), sighting, [peer(), peer()], NOW)

    assert one.startswith(f"{URL} has been without it for 6m, no resolve came, and it was last told 20m ago")
    assert one.endswith("silenced by silence-1")
    assert two.startswith("each of the 2 Alertmanagers has been without it")
