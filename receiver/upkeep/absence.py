"""Decide what it means that Alertmanager does, or does not, have an alert: pure, and slow to believe an absence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from receiver.clients.alertmanager import AlertState, HeldAlert, PeerStatus
from receiver.model.alert import api_start
from receiver.model.duration import format_duration
from receiver.model.peer import Candidate, Peer, Sighting

ROUNDS: Final = 3
"""In how many rounds in a row nobody may have had an alert before it is taken for over."""

WARMING_UP: Final = timedelta(minutes=10)
"""After a start an Alertmanager knows only what it was sent since; Prometheus sends again within a few minutes."""

SETTLED: Final = timedelta(minutes=5)
"""An alert that was told of more recently speaks for itself."""

Key = tuple[str, datetime]
"""An occurrence: fingerprint and start."""


class Verdict(Enum):
    """What one round says about one firing occurrence."""

    THERE = "there"
    """A peer has it, as before."""
    SUPPRESSED = "suppressed"
    """A peer has it, and people are not told any more, or for another reason than before."""
    UNSUPPRESSED = "unsuppressed"
    """A peer has it, and people are told again."""
    MISSING = "missing"
    """Nobody has it, which does not count yet."""
    GONE = "gone"
    """Nobody has had it for long enough."""
    TWIN = "twin"
    """It was learnt of by asking, with a rough start, and has been told since with its exact one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What all peers together have.

    Attributes:
        suppressed_by: For each occurrence, by its rough start, what keeps it from being told; empty where one peer
            tells it.
        series: Fingerprints of all of them.
    """

    suppressed_by: Mapping[Key, tuple[str, ...]]
    series: frozenset[str]


def peer_after(before: Peer | None, url: str, answer: PeerStatus | str, now: datetime) -> Peer:
    """Say what is known of a peer after it was asked once more.

    Its own clock tells only whether it was started anew; since when that start is known is measured by ours, so that
    clocks that disagree make nobody believe in an old start.

    Args:
        before: What was known; None when it was never asked.
        url: Its address.
        answer: Its status, or why there is none.
        now: When it was asked.
    """
    if isinstance(answer, str):
        return Peer(
            url=url,
            version=before.version if before else "",
            started_at=before.started_at if before else None,
            noticed_at=before.noticed_at if before else None,
            asked_at=now,
            answers=0,
            error=answer,
        )
    same = before is not None and before.started_at == answer.started_at
    return Peer(
        url=url,
        version=answer.version,
        started_at=answer.started_at,
        noticed_at=before.noticed_at if before and same else now,
        asked_at=now,
        answers=before.answers + 1 if before and same else 1,
        error="",
    )


def objection(peers: Sequence[Peer], now: datetime) -> str:
    """Say why this round proves no absence; empty when it counts."""
    for peer in peers:
        if peer.error:
            return f"{peer.url} did not answer: {peer.error}"
        if peer.noticed_at is None or now - peer.noticed_at < WARMING_UP:
            return f"{peer.url} may have started less than {format_duration(WARMING_UP)} ago"
    return "" if peers else "no Alertmanager is configured"


def presence_of(answers: Iterable[Sequence[HeldAlert]]) -> Presence:
    """Bring together what the peers have; an alert that one of them tells is told."""
    found: dict[Key, tuple[str, ...]] = {}
    for held in (one for answer in answers for one in answer):
        key = (held.alert.fingerprint, api_start(held.alert.starts_at))
        quiet = held.state is AlertState.SUPPRESSED
        reasons = tuple(sorted({*held.silenced_by, *held.inhibited_by})) or ("muted",) if quiet else ()
        found[key] = () if not quiet or found.get(key) == () else tuple(sorted({*found.get(key, ()), *reasons}))
    return Presence(suppressed_by=found, series=frozenset(name for name, _ in found))


def newest_starts(candidates: Iterable[Candidate]) -> dict[str, datetime]:
    """Say for each series when its newest firing occurrence began."""
    newest: dict[str, datetime] = {}
    for one in candidates:
        newest[one.fingerprint] = max(one.starts_at, newest.get(one.fingerprint, one.starts_at))
    return newest


def judge(
    candidate: Candidate,
    before: Sighting,
    presence: Presence,
    *,
    newest: datetime,
    counts: bool,
    now: datetime,
    group_interval: timedelta,
) -> tuple[Sighting, Verdict]:
    """Say what a round means for one occurrence.

    A series that fires anew, with another start, is there as long as we know of no newer occurrence: Alertmanager does
    not tell of a start that changed within one group interval.

    Args:
        candidate: The occurrence.
        before: What was remarkable about it before.
        presence: What the peers have.
        newest: When the newest firing occurrence of its series began.
        counts: Whether an absence in this round proves anything.
        now: When the round began.
        group_interval: How long the resolve itself may take; nothing is concluded before that has passed.
    """
    start = candidate.starts_at
    if newest != start and api_start(newest) == start:
        return Sighting(), Verdict.TWIN
    suppressed_by = presence.suppressed_by.get((candidate.fingerprint, api_start(start)))
    anew = candidate.fingerprint in presence.series and newest <= start
    if suppressed_by is None and not anew:
        return _missed(before, counts=counts, now=now, group_interval=group_interval)
    after = Sighting(suppressed_by=suppressed_by or ())
    if after.suppressed_by == before.suppressed_by:
        return after, Verdict.THERE
    return after, Verdict.SUPPRESSED if after.suppressed_by else Verdict.UNSUPPRESSED


def _missed(before: Sighting, *, counts: bool, now: datetime, group_interval: timedelta) -> tuple[Sighting, Verdict]:
    if not counts:
        return Sighting(suppressed_by=before.suppressed_by), Verdict.MISSING
    since = before.missing_since or now
    after = Sighting(missed=before.missed + 1, missing_since=since, suppressed_by=before.suppressed_by)
    gone = after.missed >= ROUNDS and now - since >= group_interval
    return after, Verdict.GONE if gone else Verdict.MISSING


def reason_of(candidate: Candidate, sighting: Sighting, peers: Sequence[Peer], now: datetime) -> str:
    """Say for people why an occurrence is taken for over."""
    since = format_duration(now - (sighting.missing_since or now))
    told = format_duration(now - candidate.last_seen_at)
    who = peers[0].url if len(peers) == 1 else f"each of the {len(peers)} Alertmanagers"
    silenced = f"; it had been silenced by {', '.join(sighting.suppressed_by)}" if sighting.suppressed_by else ""
    return f"{who} has been without it for {since}, no resolve came, and it was last told {told} ago{silenced}"
