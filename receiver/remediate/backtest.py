"""Play a playbook against the past: the guards that really decide, on stored history, with a virtual clock. Pure.

What history does not hold is not guessed: such an alert is counted as undecidable, with what is missing. What has to be
assumed all the same stands in the notes of the result.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from receiver.model.alert import AlertStatus
from receiver.model.backtest import Answer, Backtest, Instance, Instead, Past, PastAlert
from receiver.model.duration import format_duration
from receiver.model.remediation import Check, Decision, Mode, Outcome
from receiver.remediate.decision import NotYet, decide
from receiver.remediate.language import Playbook
from receiver.remediate.ledger import Ledger, World
from receiver.remediate.recollection import FRESH, Remembered, recall, values_at

MOST_INSTANCES: Final = 100
"""Alerts that are told one by one; the counts are over all."""

_LONE: Final = frozenset({"storm", "paused", "not_configured", "breaker", "windows", "namespace"})
"""Guards that need to know nothing of the workflow."""
_UNEVALUABLE: Final = "Guard confirm refused"


def replay(
    playbook: Playbook,
    past: Past,
    world: World,
    *,
    since: datetime,
    until: datetime,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> Backtest:
    """Say what a live playbook would have done about the past.

    Args:
        playbook: Its mode does not matter.
        past: What is known.
        world: The settings that guards ask for.
        since: Begin of the range.
        until: Its end; the virtual clock does not pass it.
        told: Called before each alert with how many were played, and of how many.
    """
    live = msgspec.structs.replace(playbook, mode=Mode.LIVE)
    ledger = Ledger(live, past, world)
    # All alerts wait equally long, so that they come to their decisions in the order in which they were heard of, but
    # for those that were heard of late.
    ordered = sorted(past.alerts, key=lambda one: _due(live, one))
    due = [one for one in ordered if _due(live, one) <= until]
    instances = []
    for done, one in enumerate(due):
        told(done, len(due))
        instances.append(_answer(live, one, ledger, _due(live, one)))
    runs = [one for one in instances if one.answer is Answer.RUN]
    busiest_hour, busiest_count = _busiest(runs)
    refused = (one.guard for one in instances if one.answer is Answer.REFUSED)
    undecidable = (one.reason for one in instances if one.answer is Answer.UNDECIDABLE)
    counts = Counter(one.answer for one in instances)
    return Backtest(
        playbook=playbook.name,
        version=playbook.version,
        since=since,
        until=until,
        alerts=len(instances),
        answers={answer: counts[answer] for answer in Answer},
        refused_by=dict(Counter(refused).most_common()),
        undecidable=dict(Counter(undecidable).most_common()),
        busiest_hour=busiest_hour,
        busiest_count=busiest_count,
        days=_days(instances),
        instead=_instead(runs),
        instances=instances[: -MOST_INSTANCES - 1 : -1],
        notes=tuple(_notes(playbook, past, ledger)),
    )


def _due(playbook: Playbook, past: PastAlert) -> datetime:
    alert = past.alert
    return max(alert.first_seen_at, min(alert.starts_at, alert.first_seen_at) + playbook.on.for_)


def _answer(playbook: Playbook, past: PastAlert, ledger: Ledger, at: datetime) -> Instance:
    if past.over_at is not None and past.over_at <= at:
        return _instance(past, at, Answer.OVER, "", "It was over before its time had come.")
    # What is stored is how the alert ended; at the virtual time it still fired.
    past = replace(past, alert=replace(past.alert, status=AlertStatus.FIRING, ends_at=None))
    found = recall(past, at)
    remembered = found if isinstance(found, Remembered) else Remembered(workflow=None)
    decided = decide(
        playbook,
        past.alert,
        incident=None,
        workflow=remembered.workflow,
        pods=None,
        facts=ledger.facts(past, remembered.workflow, remembered.unread, at),
        remembered=values_at(remembered, past, at),
    )
    if isinstance(decided, NotYet):
        return _instance(past, at, Answer.UNDECIDABLE, "", "its start is not known well enough")
    lost = found if isinstance(found, str) else ""
    if not lost and playbook.target is not None:
        lost = "how a deployment was at the time is not stored"
    if not lost and remembered.workflow is not None and not past.lineage:
        lost = "which workflow it descends from is not stored"
    answer, guard, reason = _read(playbook, past, decided, lost, at)
    if answer is Answer.RUN and remembered.workflow is not None:
        ledger.take(remembered.workflow, past.lineage, at)
    return _instance(past, at, answer, guard, reason)


def _read(playbook: Playbook, past: PastAlert, decided: Decision, lost: str, at: datetime) -> tuple[Answer, str, str]:
    """Read a decision: what it comes to, the guard, and why. *lost* says what of the workflow is not known."""
    refused = next((check for check in decided.checks if not check.passed), None)
    if refused is not None and refused.guard != "confirm":
        unknown = _unknown(refused, lost)
        answer = Answer.UNDECIDABLE if unknown else Answer.REFUSED
        return answer, refused.guard, unknown or refused.reason
    measured = _measured(playbook, past, at)
    if measured is not None:
        return _of_measured(measured)
    if refused is None:
        return Answer.RUN, "", decided.reason
    if decided.outcome is Outcome.BLOCKED:
        return Answer.UNDECIDABLE, "confirm", refused.reason.removeprefix(f"{_UNEVALUABLE}: ")
    return Answer.NOT_CONFIRMED, "confirm", refused.reason


def _unknown(refused: Check, lost: str) -> str:
    """Say why a refusal only shows what is not stored; empty when it is one that would have been."""
    if refused.guard in _LONE:
        return ""
    if lost:
        return lost
    if refused.guard == "blast_radius":
        return "how many workflows were unfinished is not stored"
    return ""


def _measured(playbook: Playbook, past: PastAlert, at: datetime) -> Check | None:
    """Find what was measured live of the very same condition, about this alert, at this time."""
    same = [
        (abs(when - at), check)
        for when, check in past.confirmed
        if check.limit == playbook.confirm.shown and abs(when - at) <= FRESH
    ]
    return min(same, key=lambda one: one[0])[1] if same else None


def _of_measured(measured: Check) -> tuple[Answer, str, str]:
    if measured.passed:
        return Answer.RUN, "", f"It was confirmed at the time: {measured.measured}."
    answer = Answer.REFUSED if measured.reason.startswith(_UNEVALUABLE) else Answer.NOT_CONFIRMED
    return answer, "confirm", measured.reason


def _instance(past: PastAlert, at: datetime, answer: Answer, guard: str, reason: str) -> Instance:
    subject, over_at = past.alert.subject, past.over_at
    return Instance(
        alert_id=past.alert.id,
        at=at,
        workflow=f"{subject.namespace}/{subject.workflow}" if subject.workflow else "",
        answer=answer,
        guard=guard,
        reason=reason,
        instead=_what_happened(past),
        lasted=None if over_at is None else max(timedelta(), over_at - past.alert.starts_at),
    )


def _what_happened(past: PastAlert) -> str:
    if past.healed_by:
        return f"healed by {past.healed_by}"
    if past.over_at is None:
        return "still fires"
    return "acknowledged" if past.acknowledged_by else "ended by itself"


def _busiest(runs: Sequence[Instance]) -> tuple[datetime | None, int]:
    hours = Counter(one.at.replace(minute=0, second=0, microsecond=0) for one in runs)
    return min(hours.items(), key=lambda one: (-one[1], one[0])) if hours else (None, 0)


def _days(instances: Sequence[Instance]) -> dict[date, Mapping[Answer, int]]:
    days: dict[date, Counter[Answer]] = {}
    for one in instances:
        days.setdefault(one.at.astimezone(UTC).date(), Counter())[one.answer] += 1
    return dict(sorted(days.items()))


def _instead(runs: Sequence[Instance]) -> tuple[Instead, ...]:
    lasted: Mapping[str, list[timedelta]] = {one.instead: [] for one in runs}
    for one in runs:
        if one.lasted is not None:
            lasted[one.instead].append(one.lasted)
    return tuple(
        Instead(
            what=what,
            count=count,
            median=sorted(lasted[what])[len(lasted[what]) // 2] if lasted[what] else None,
            longest=max(lasted[what], default=None),
        )
        for what, count in Counter(one.instead for one in runs).most_common()
    )


def _notes(playbook: Playbook, past: Past, ledger: Ledger) -> Iterator[str]:
    yield (
        f"Each run is taken to hold its slot for {format_duration(ledger.longest)}, the longest that its steps allow, "
        "and to help: how it would have ended is not known, so the breaker never opens."
    )
    yield "Namespaces, opt-in and what is configured are taken to have been as they are now."
    yield "History goes on as it did: what a run would have spared or caused afterwards is not in it."
    if playbook.confirm.names:
        yield (
            f"The condition is read from what was measured or found within {format_duration(FRESH)} of each decision; "
            "durations in findings are cut to two units, such as 7h2m."
        )
    if past.cut_short:
        yield f"There were more alerts than are read at once; only the newest {len(past.alerts)} are in it."
    if past.missing_months:
        yield f"Alerts of {', '.join(past.missing_months)} are not in Postgres any more and were not read."
