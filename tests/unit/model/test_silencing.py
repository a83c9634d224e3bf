"""By which labels an incident is silenced, and for how long."""

from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.model.incident import Occurrence, Subject
from receiver.model.silencing import MOST, length_of, matchers_of
from tests.unit.notify.stories import alert


def about(workflow: str, **labels: str) -> Occurrence:
    """An alert about a workflow."""
    named = {"alertname": "A", "namespace": "argo", "workflow_name": workflow} | labels
    return replace(alert(), labels=named, subject=Subject(namespace="argo", workflow=workflow))


def other(**labels: str) -> Occurrence:
    """An alert about no workflow."""
    return replace(alert(), labels={"alertname": "Disk", **labels}, subject=Subject())


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param(
            [about("etl", severity="critical"), about("etl", alertname="B")],
            [['namespace="argo"', 'workflow_name="etl"']],
            id="whatever fires about the workflow",
        ),
        pytest.param(
            [about("etl"), about("etl-r12")],
            [['namespace="argo"', 'workflow_name="etl"'], ['namespace="argo"', 'workflow_name="etl-r12"']],
            id="a run and the one that took its place",
        ),
        pytest.param(
            [other(node="a", team="x"), other(node="b", team="x")],
            [['alertname="Disk"', 'team="x"']],
            id="what alerts about no workflow have in common",
        ),
        pytest.param([other(node="")], [['alertname="Disk"']], id="an empty label says nothing"),
    ],
)
def test_an_incident_is_told_by_labels_that_nothing_else_has(
    alerts: list[Occurrence], expected: list[list[str]]
) -> None:
    assert [[str(one) for one in matchers] for matchers in matchers_of(alerts)] == expected


@pytest.mark.parametrize(
    ("alerts", "reason"),
    [
        ([other(alertname="A"), other(alertname="B")], "no label in common"),
        ([other(alertname="")], "no label in common"),
        ([], "no label in common"),
        ([about(f"etl-{number}") for number in range(MOST + 1)], "about 21 workflows"),
    ],
)
def test_what_would_silence_everything_or_too_much_is_refused(alerts: list[Occurrence], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        matchers_of(alerts)


def test_a_silence_lasts_from_a_second_to_a_week() -> None:
    assert [length_of(text) for text in ("1h", "4h", "1d", "7d")] == [timedelta(hours=h) for h in (1, 4, 24, 168)]
    for text in ("", "0", "0s", "8d", "-1h", "1 h", "forever"):
        with pytest.raises(ValueError, match="write one such as"):
            length_of(text)
