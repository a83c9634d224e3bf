from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from receiver.model.errors import DocumentError
from receiver.model.hours import Span
from receiver.model.incident import Subject
from receiver.model.remediation import Check, Decision, Mode, Outcome, RunId
from receiver.model.standing import Pause, Standing
from receiver.remediate.guards import check, shared_cause
from receiver.remediate.language import Playbook
from tests.unit.remediate.scenes import NOW, PLAYBOOK, alert, guard_facts, playbook, workflow

HOUR = timedelta(hours=1)
PAUSE = Pause(id=1, reason="upgrade of Argo", paused_by="kim", paused_at=NOW - HOUR, expires_at=NOW + HOUR)
OPEN = Standing(playbook=PLAYBOOK.name, opened_at=NOW - HOUR, opened_because="3 runs in a row failed")

ALL = [
    "storm",
    "paused",
    "not_configured",
    "breaker",
    "windows",
    "namespace",
    "label",
    "target",
    "superseded",
    "exclusion",
    "cooldown",
    "attempts",
    "concurrency",
    "budget",
    "blast_radius",
]


def limited(guards: str) -> Playbook:
    """The shipped playbook with other limits."""
    text = PLAYBOOK.text
    return playbook(text[: text.index("guards:")] + f"guards: {guards}\n" + text[text.index("approval:") :])


STRICT = limited(
    "{cooldown: 1h, attempts: {max: 2, per: 24h}, budget: {max: 5, per: 10m}, blast_radius: 20%, concurrency: 3, "
    'windows: [{deny: "Fri 18:00-23:59"}, {allow: "Mon-Fri 08:00-20:00", timezone: Europe/Berlin}]}'
)
NONE = limited("{storm: false, breaker: false}")


def verdict(guard: str, of: Playbook = STRICT, **changes: Any) -> Check:
    subject = changes.pop("subject", alert().subject)
    found = changes.pop("workflow", workflow())
    verdicts = check(of, alert(subject=subject), found, guard_facts(**changes))
    return next(one for one in verdicts if one.guard == guard)


def test_every_guard_is_asked_in_order_and_agrees_to_a_first_restart() -> None:
    for each in (PLAYBOOK, STRICT):
        verdicts = check(each, alert(), workflow(), guard_facts())

        assert [one.guard for one in verdicts] == ALL
        assert all(one.passed and one.measured and one.limit and one.reason for one in verdicts), verdicts


def test_all_guards_are_asked_even_when_the_first_refuses() -> None:
    verdicts = check(PLAYBOOK, alert(), None, guard_facts(namespace_allowed=False, unfinished_runs=(RunId(1),)))

    assert [one.guard for one in verdicts if not one.passed] == ["namespace", "target", "exclusion"]


@pytest.mark.parametrize(
    ("guard", "changes", "reason"),
    [
        ("storm", {"targets": 21}, "21 workflows match within 5m"),
        ("paused", {"pauses": (PAUSE,)}, "paused by kim at 2026-11-24 11:00 UTC, until 2026-11-24 13:00 UTC: upgrade"),
        ("not_configured", {"missing": "no cluster is configured"}, "no cluster is configured"),
        ("breaker", {"standing": OPEN}, "`receiver playbooks close restart-stuck-workflow` closes it"),
        ("breaker", {"failures": 3}, "failed 3 times in a row"),
        ("windows", {"now": datetime(2026, 11, 27, 18, 0, tzinfo=UTC)}, "Fri 18:00-23:59 (UTC) is denied"),
        ("windows", {"now": datetime(2026, 11, 24, 19, 0, tzinfo=UTC)}, "outside all hours"),
        ("namespace", {"namespace_allowed": False}, "may not act in namespace argo"),
        ("namespace", {"namespace_allowed": False, "workflow": None, "subject": Subject()}, "names no namespace"),
        ("label", {"workflow": workflow(labels={"receiver/remediate": "false"})}, "receiver/remediate=false"),
        ("label", {"workflow": workflow(labels={"receiver/remediate": "no"})}, "receiver/remediate=no"),
        ("label", {"opt_in": True}, "does not agree: no such label"),
        ("target", {"workflow": None}, "no such workflow"),
        ("target", {"workflow": None, "workflow_error": "no answer came"}, "no answer came"),
        ("target", {"workflow": None, "subject": Subject(namespace="argo")}, "names no workflow"),
        ("target", {"workflow": None, "subject": Subject(namespace="argo", workflow="a;rm -rf /")}, "not a name"),
        ("target", {"workflow": None, "subject": Subject(namespace="../argo", workflow="etl")}, "not a name"),
        ("target", {"workflow": None, "subject": Subject(namespace="argo", workflow="a" * 254)}, "not a name"),
        ("target", {"workflow": workflow(deleting=True)}, "being deleted"),
        ("target", {"workflow": workflow(namespace="kube-system")}, "the alert is about argo"),
        ("target", {"lineage": None}, "lineage could not be read"),
        ("superseded", {"superseded_by": "run 7"}, "ended or replaced by run 7"),
        ("superseded", {"workflow": workflow(terminated_by="7:0:uid-etl")}, "ended or replaced by run 7"),
        ("exclusion", {"unfinished_runs": (RunId(7),)}, "run 7 on this workflow is not finished"),
        ("cooldown", {"acts": (NOW - timedelta(minutes=59),)}, "last acted on this workflow 59m ago"),
        ("cooldown", {"acts": (NOW + timedelta(minutes=3),)}, "0s ago"),
        ("attempts", {"acts": (NOW - timedelta(hours=2), NOW - timedelta(hours=23))}, "2 times within 1d"),
        ("concurrency", {"running": 3}, "3 runs of this playbook are not finished"),
        ("budget", {"spent": 5}, "5 runs of this playbook have acted within 10m"),
        ("blast_radius", {"touched": 2}, "with this one it would be 3 of 10 workflows within 1h; 2 are allowed"),
        ("blast_radius", {"touched": 1, "workflows": 0}, "2 of 0 workflows within 1h; 1 are allowed"),
    ],
)
def test_a_guard_refuses_and_says_why(guard: str, changes: dict[str, Any], reason: str) -> None:
    refused = verdict(guard, **changes)

    assert not refused.passed
    assert reason in refused.reason
    assert refused.measured
    assert refused.limit


@pytest.mark.parametrize(
    ("guard", "fact"),
    [
        ("storm", "targets"),
        ("paused", "pauses"),
        ("not_configured", "missing"),
        ("breaker", "standing"),
        ("breaker", "failures"),
        ("namespace", "namespace_allowed"),
        ("label", "opt_in"),
        ("target", "lineage"),
        ("superseded", "superseded_by"),
        ("exclusion", "unfinished_runs"),
        ("cooldown", "acts"),
        ("attempts", "acts"),
        ("concurrency", "running"),
        ("budget", "spent"),
        ("blast_radius", "touched"),
        ("blast_radius", "workflows"),
    ],
)
def test_what_is_not_known_refuses(guard: str, fact: str) -> None:
    unread: dict[str, Any] = {fact: None}

    refused = verdict(guard, **unread)

    assert not refused.passed
    assert "could not be read" in refused.reason


@pytest.mark.parametrize(
    ("guard", "changes"),
    [
        ("storm", {"targets": 20}),
        ("breaker", {"failures": 2}),
        ("windows", {"now": datetime(2026, 11, 27, 17, 59, tzinfo=UTC)}),
        ("windows", {"now": datetime(2026, 11, 24, 7, 0, tzinfo=UTC)}),
        ("label", {"workflow": workflow(labels={"receiver/remediate": "true"}), "opt_in": True}),
        ("target", {"workflow": workflow(name="a" * 253)}),
        ("target", {"workflow": workflow(name="etl.nightly-2")}),
        ("cooldown", {"acts": (NOW - timedelta(hours=1),)}),
        ("attempts", {"acts": (NOW - timedelta(hours=2), NOW - timedelta(hours=24))}),
        ("concurrency", {"running": 2}),
        ("budget", {"spent": 4}),
        ("blast_radius", {"touched": 1}),
        ("blast_radius", {"touched": 0, "workflows": 0}),
    ],
)
def test_a_guard_agrees_at_its_very_limit(guard: str, changes: dict[str, Any]) -> None:
    assert verdict(guard, **changes).passed


def test_a_playbook_without_limits_is_not_held_back_by_them() -> None:
    facts = guard_facts(targets=500, standing=OPEN, failures=9, acts=[NOW] * 9, running=9, spent=9, touched=9)

    verdicts = check(NONE, alert(), workflow(), facts)

    assert all(one.passed for one in verdicts)
    assert NONE.guards.lookback == timedelta()
    assert PLAYBOOK.guards.lookback == timedelta(days=1)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"targets": 500}, "storm"),
        ({"targets": 500, "unfinished_runs": (RunId(7),)}, "storm"),
        ({"spent": 5}, "budget"),
        ({"pauses": (PAUSE,)}, "paused"),
        ({"unfinished_runs": (RunId(7),), "spent": 5}, ""),
        ({}, ""),
    ],
)
def test_a_refusal_is_common_where_the_first_guard_looks_at_all_workflows(facts: dict[str, Any], cause: str) -> None:
    checks = check(STRICT, alert(), workflow(), guard_facts(**facts))
    decision = Decision(
        playbook="p",
        version="1",
        mode=Mode.LIVE,
        alert_id="202611-1",
        target=None,
        outcome=Outcome.BLOCKED,
        reason="",
        checks=checks,
    )

    assert shared_cause(decision) == cause


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ("Fri 18:00-24:00", "Fri 18:00 Fri 23:59", "Fri 17:59 Sat 00:00"),
        ("Mon-Fri 09:00-17:00", "Mon 09:00 Fri 16:59", "Sat 10:00 Mon 08:59 Mon 17:00"),
        ("sat,sun 00:00-24:00", "Sat 00:00 Sun 23:59", "Fri 23:59 Mon 00:00"),
        ("Fri 22:00-06:00", "Fri 22:00 Sat 05:59", "Fri 05:00 Sat 06:00 Sat 22:00"),
        ("Sun 22:00-06:00", "Sun 23:00 Mon 05:00", "Tue 05:00 Sun 05:00"),
        ("Sat-Mon 10:00-11:00", "Sat 10:30 Sun 10:30 Mon 10:30", "Tue 10:30 Fri 10:30"),
        ("22:00-06:00", "Wed 23:00 Thu 03:00", "Wed 12:00"),
    ],
)
def test_a_span_covers_the_days_and_hours_that_it_names(span: str, inside: str, outside: str) -> None:
    assert all(Span(span).covers(at, end_included=False) for at in moments(inside))
    assert not any(Span(span).covers(at, end_included=False) for at in moments(outside))


def moments(text: str) -> list[datetime]:
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    words = text.split()
    return [
        datetime(2026, 11, 23 + days.index(day), int(clock[:2]), int(clock[3:]), tzinfo=UTC)
        for day, clock in zip(words[::2], words[1::2], strict=True)
    ]


def test_hours_are_those_of_the_clock_on_the_wall_through_the_change_of_summer_time() -> None:
    nights = limited('{windows: [{deny: "02:00-03:00", timezone: Europe/Berlin}]}')
    denied = {
        at: not verdict("windows", of=nights, now=at).passed
        for at in (
            datetime(2026, 3, 29, 0, 59, tzinfo=UTC),  # 01:59 of winter time, a minute before 03:00 of summer time
            datetime(2026, 3, 29, 1, 1, tzinfo=UTC),  # 03:01: the hour that is denied did not come
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # 02:30 of summer time
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # 02:30 once more
            datetime(2026, 10, 25, 2, 30, tzinfo=UTC),  # 03:30
        )
    }

    assert list(denied.values()) == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("guards", "reason"),
    [
        ("{blast_radius: 120%}", "not a share"),
        ("{blast_radius: {share: 0%}}", "not a share"),
        ("{windows: [{}]}", "exactly one of allow and deny"),
        ('{windows: [{allow: "Mon 09:00-10:00", deny: "Mon 09:00-10:00"}]}', "exactly one of allow and deny"),
        ('{windows: [{deny: "Fry 09:00-10:00"}]}', "is no day"),
        ('{windows: [{deny: "Fri 9-10"}]}', "not a span of the week"),
        ('{windows: [{deny: "Fri 09:00-25:00"}]}', "not a time of the day"),
        ('{windows: [{deny: "Fri 09:00-09:00"}]}', "covers nothing"),
        ('{windows: [{deny: "Fri 09:00-10:00", timezone: Europe/Berln}]}', "not a time zone"),
        ('{windows: [{deny: "Fri 09:00-10:00", timezone: ../../etc/passwd}]}', "not a time zone"),
        ("{budget: {max: 0, per: 10m}}", "guards.budget.max"),
        ("{breaker: {failure: 3}}", "did you mean 'failures'?"),
        ("{concurrency: 0}", "guards.concurrency"),
    ],
)
def test_a_limit_that_is_none_is_refused_with_its_line(guards: str, reason: str) -> None:
    with pytest.raises(DocumentError, match=r"p.yaml:\d+") as refused:
        limited(guards)

    assert reason in str(refused.value)


def test_limits_may_be_written_short() -> None:
    short, long = limited("{blast_radius: 20%, storm: true, breaker: true}"), limited("{blast_radius: {share: 20%}}")

    assert short.guards.radius == long.guards.radius
    assert short.guards.storm_limit == long.guards.storm_limit
    assert short.guards.breaker_limit == long.guards.breaker_limit
    assert msgspec.structs.asdict(long.guards)["recurrence"] == timedelta(days=1)
