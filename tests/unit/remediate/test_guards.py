from datetime import timedelta
from typing import Any

import pytest

from receiver.model.incident import Subject
from receiver.model.remediation import Check, RunId
from receiver.remediate.guards import check, window
from tests.unit.remediate.scenes import NOW, PLAYBOOK, alert, guard_facts, playbook, workflow


def verdict(guard: str, **changes: Any) -> Check:
    subject = changes.pop("subject", alert().subject)
    found = changes.pop("workflow", workflow())
    verdicts = check(PLAYBOOK, alert(subject=subject), found, guard_facts(**changes))
    return next(one for one in verdicts if one.guard == guard)


def test_every_guard_is_asked_in_order_and_agrees_to_a_first_restart() -> None:
    verdicts = check(PLAYBOOK, alert(), workflow(), guard_facts())

    guards = ["namespace", "target", "superseded", "exclusion", "cooldown", "attempts"]
    assert [one.guard for one in verdicts] == guards
    assert all(one.passed and one.measured and one.limit and one.reason for one in verdicts)


def test_all_guards_are_asked_even_when_the_first_refuses() -> None:
    verdicts = check(PLAYBOOK, alert(), None, guard_facts(namespace_allowed=False, unfinished_runs=(RunId(1),)))

    assert [one.guard for one in verdicts if not one.passed] == ["namespace", "target", "exclusion"]


@pytest.mark.parametrize(
    ("guard", "changes", "reason"),
    [
        ("namespace", {"namespace_allowed": False}, "may not act in namespace argo"),
        ("namespace", {"namespace_allowed": None}, "could not be read"),
        ("namespace", {"namespace_allowed": False, "workflow": None, "subject": Subject()}, "names no namespace"),
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
        ("superseded", {"superseded_by": None}, "could not be read"),
        ("superseded", {"workflow": workflow(terminated_by="7:0:uid-etl")}, "ended or replaced by run 7"),
        ("exclusion", {"unfinished_runs": (RunId(7),)}, "run 7 on this workflow is not finished"),
        ("exclusion", {"unfinished_runs": None}, "could not be read"),
        ("cooldown", {"starts": (NOW - timedelta(minutes=59),)}, "last acted on this workflow 59m ago"),
        ("cooldown", {"starts": (NOW + timedelta(minutes=3),)}, "0s ago"),
        ("cooldown", {"starts": None}, "could not be read"),
        ("attempts", {"starts": (NOW - timedelta(hours=2), NOW - timedelta(hours=23))}, "2 times within 1d"),
        ("attempts", {"starts": None}, "could not be read"),
    ],
)
def test_a_guard_refuses_and_says_why(guard: str, changes: dict[str, Any], reason: str) -> None:
    refused = verdict(guard, **changes)

    assert not refused.passed
    assert reason in refused.reason
    assert refused.measured
    assert refused.limit


@pytest.mark.parametrize(
    ("guard", "changes"),
    [
        ("target", {"workflow": workflow(name="a" * 253)}),
        ("target", {"workflow": workflow(name="etl.nightly-2")}),
        ("cooldown", {"starts": (NOW - timedelta(hours=1),)}),
        ("attempts", {"starts": (NOW - timedelta(hours=2), NOW - timedelta(hours=24))}),
    ],
)
def test_a_guard_agrees_at_its_very_limit(guard: str, changes: dict[str, Any]) -> None:
    assert verdict(guard, **changes).passed


def test_a_playbook_without_limits_is_not_held_back_by_them() -> None:
    text = PLAYBOOK.text
    unlimited = playbook(text[: text.index("guards:")] + text[text.index("approval:") :])

    verdicts = check(unlimited, alert(), workflow(), guard_facts(starts=[NOW] * 9))

    assert all(one.passed for one in verdicts)
    assert window(unlimited) == timedelta()
    assert window(PLAYBOOK) == timedelta(days=1)
