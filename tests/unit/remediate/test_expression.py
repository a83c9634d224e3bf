from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.model.workflow import Container, Node, Phase, Pod
from receiver.remediate.expression import Expression, NotEvaluable, reading
from receiver.remediate.vocabulary import VARIABLES, Values, observe
from tests.unit.remediate.scenes import NOW, alert, workflow


def values(**changes: Any) -> Values:
    known: dict[str, Any] = {
        "now": NOW,
        "alert": alert(),
        "incident": None,
        "workflow": workflow(),
        "absent": "",
        "pods": (),
    }
    return observe(**(known | changes))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('workflow.fase == "x"', "column 9: there is no 'workflow.fase'; did you mean 'workflow.phase'"),
        ("workflow.phase == 3", "column 16: .*string, int"),
        ('workflow.idle < "5m"', r"column 15: .*\(duration, string\)"),
        ("workflow.phase ==", "column 18: Syntax error"),
        ("workflow.phase", "must be true or false"),
        ("", "column 1"),
        ('true\n && workflow.fas == "x"', "its line 2, column 13: .*workflow.phase"),
        ('workflow.idle > duration("3d")', 'column 26: "3d" is not a duration .*no unit for days'),
        ("alert.name.matches('[')", "not a regular expression"),
        ('now > timestamp("tomorrow")', "is not a time"),
        ('workflow.phase.startWith("x")', "did you mean 'startsWith'"),
        ("(" * 99 + "true" + ")" * 99, "recursion limit"),
        ("true || " * 1000 + "true", "at most 4096 characters"),
    ],
)
def test_a_condition_that_could_fail_at_night_is_refused_at_the_desk(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('workflow.phase in ["Running", "Pending"] && workflow.idle > duration("30m")', True),
        ("workflow.suspended || workflow.finished || workflow.failed", False),
        ('alert.labels["severity"] == "critical" && alert.severity == "critical"', True),
        ("has(alert.labels.team)", False),
        ("workflow.age == duration('7h') && workflow.progress == '1/2'", True),
        ("now - alert.starts_at >= duration('5m')", True),
        ("pods.count == 0 && pods.restarts == 0 && pods.waiting == 0", True),
        ("workflow.nodes_running == 0 && workflow.nodes_failed == 0", True),
        ("alert.status == 'firing' && alert.name.startsWith('Workflow')", True),
    ],
)
def test_a_condition_is_true_or_false_of_the_live_workflow(text: str, *, expected: bool) -> None:
    assert Expression(text).holds(values()) is expected


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        ('alert.labels["team"] == "x"', {}, "Key not found"),
        ("1 / 0 > 1", {}, "divide by zero"),
        ("incident.flaps > 3", {}, "the alert has no incident"),
        ("pods.count > 0", {"pods": None}, "pods could not be read"),
        ("workflow.idle > duration('1m')", {"pods": None}, "pods could not be read"),
        (
            "workflow.idle > duration('1m')",
            {"workflow": workflow(nodes=None, nodes_unreadable="Argo keeps them elsewhere")},
            "Argo keeps them elsewhere",
        ),
        ("workflow.failed", {"workflow": None, "absent": "the cluster does not answer"}, "the cluster does not answer"),
        ("true || workflow.failed", {"workflow": None}, "there is no such workflow"),
    ],
)
def test_what_cannot_be_evaluated_is_neither_true_nor_false(text: str, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotEvaluable, match=reason):
        Expression(text).holds(values(**changes))


def test_a_value_that_is_not_needed_may_be_unknown() -> None:
    unreadable = workflow(phase=Phase.SUCCEEDED, nodes=None)

    assert Expression('workflow.phase == "Succeeded" || workflow.nodes_failed == 0').holds(values(workflow=unreadable))


def test_a_finished_workflow_is_not_idle_even_when_its_pods_are_not_known() -> None:
    finished = workflow(phase=Phase.FAILED, nodes=None)

    assert Expression("workflow.idle == duration('0s')").holds(values(workflow=finished, pods=None))


def test_a_pod_that_moved_counts_against_idleness() -> None:
    moved = Pod(namespace="argo", name="p", uid="u", phase="Running", created_at=NOW - timedelta(minutes=1))

    assert not Expression("workflow.idle > duration('30m')").holds(values(pods=(moved,)))


def test_pods_and_steps_are_counted() -> None:
    pods = (
        Pod(namespace="argo", name="a", uid="1", phase="Pending"),
        Pod(namespace="argo", name="b", uid="2", containers=(Container(name="main", restarts=2, waiting="CrashLoop"),)),
        Pod(namespace="argo", name="c", uid="3", containers=(Container(name="main", restarts=1),)),
    )
    nodes = tuple(
        Node(id=str(number), name="n", display_name="n", type=kind, phase=phase)
        for number, (kind, phase) in enumerate(
            [("Pod", Phase.RUNNING), ("DAG", Phase.RUNNING), ("Pod", Phase.ERROR), ("Pod", Phase.FAILED)]
        )
    )
    counted = values(pods=pods, workflow=workflow(nodes=nodes))

    assert Expression("pods.count == 3 && pods.waiting == 2 && pods.restarts == 3").holds(counted)
    assert Expression("workflow.nodes_running == 1 && workflow.nodes_failed == 2").holds(counted)


def test_what_a_condition_reads_is_shown_without_what_stands_in_its_texts() -> None:
    expression = Expression('workflow.phase == "now" && workflow.idle > duration("30m") && alert.labels.now == "x"')

    assert expression.names == ("workflow.phase", "workflow.idle", "alert.labels")
    assert reading(expression, values()).startswith('workflow.phase is "Running", workflow.idle is 7h, alert.labels is')


def test_a_hostile_label_neither_breaks_nor_floods_what_is_shown() -> None:
    labels = {"a": "\x00\ud800" + "x" * 10_000}
    hostile = values(alert=replace(alert(), labels=labels))

    shown = hostile.shown("alert.labels")

    assert len(shown) == 200
    assert "\x00" not in shown
    assert shown.encode()


def test_a_text_that_is_no_unicode_makes_a_condition_unanswerable() -> None:
    hostile = values(alert=replace(alert(), labels={"a": "\ud800"}))

    with pytest.raises(NotEvaluable):
        Expression('alert.labels.a == "x"').holds(hostile)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_of_the_table_has_a_value_or_a_reason(name: str) -> None:
    there, absent = values(), values(workflow=None, pods=None)

    assert name in there.known or name in there.missing
    assert (name in absent.known) is (name not in absent.missing)
