"""Which story an alert belongs to, what it is called, and how bad it is."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.incident import NAME_LIMIT, LabelNames, Subject, clipped, incident_key, title_of, worst

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WORKFLOW = Subject(cluster="c1", namespace="argo", workflow="etl")
ALERT = Alert(
    fingerprint=Fingerprint("c0ffee0000000000"), status=AlertStatus.FIRING, labels={"alertname": "Stuck"},
    annotations={"summary": "nothing moves"}, starts_at=NOW, starts_at_text="", ends_at=None, generator_url="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"workflow_name": "a", "workflow": "b", "name": "c"}, Subject(workflow="a")),
        ({"workflow_name": "", "workflow": "b", "name": "c"}, Subject(workflow="b")),
        ({"name": "c", "namespace": "argo"}, Subject(workflow="c", namespace="argo")),
        ({"agent": "rex", "agent_type": "writer", "cluster": "c1"}, Subject(agent="writer", cluster="c1")),
        ({"job": "node"}, Subject()),
    ],
)
def test_the_most_telling_label_that_has_a_value_counts(labels: dict[str, str], expected: Subject) -> None:
    assert LabelNames().subject(labels) == expected


def test_a_name_is_cut_to_what_an_index_takes_and_no_character_is_torn() -> None:
    longest = "n" * NAME_LIMIT

    assert LabelNames().subject({"workflow": longest, "namespace": longest + "x"}) == Subject(
        workflow=longest, namespace=longest
    )
    assert clipped("a" + "\U0001f600" * 300) == "a" + "\U0001f600" * 199


def test_alerts_about_one_workflow_are_one_story_whatever_group_they_came_in() -> None:
    one = incident_key(WORKFLOW, {"alertname": "Stuck"})
    other = incident_key(replace(WORKFLOW, agent="rex"), {"alertname": "Failed", "severity": "warning"})

    assert one == other


@pytest.mark.parametrize("part", ["cluster", "namespace", "workflow"])
def test_another_cluster_namespace_or_name_is_another_story(part: str) -> None:
    elsewhere = {"cluster": "c2", "namespace": "argo-2", "workflow": "etl-2"}[part]

    assert incident_key(replace(WORKFLOW, **{part: elsewhere}), {}) != incident_key(WORKFLOW, {})


def test_without_a_workflow_and_its_namespace_the_group_is_the_story() -> None:
    group = {"alertname": "DiskFull", "severity": "warning"}

    assert incident_key(Subject(workflow="etl"), group) == incident_key(Subject(), dict(reversed(group.items())))
    assert incident_key(Subject(), group) != incident_key(Subject(), {"alertname": "DiskFull"})


def test_labels_cannot_be_chosen_so_that_two_stories_look_like_one() -> None:
    assert incident_key(Subject(namespace='a","b', workflow="c"), {}) != incident_key(
        Subject(namespace="a", workflow='b","c'), {}
    )


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        (["warning", "critical"], "critical"),
        (["info", "", "warning"], "warning"),
        (["page", "info"], "info"),
        (["page", ""], "page"),
        ([], ""),
    ],
)
def test_the_worst_severity_is_the_incidents(severities: list[str], expected: str) -> None:
    assert worst(severities) == expected


def test_the_title_names_the_alert_and_what_it_is_about() -> None:
    nameless = replace(ALERT, labels={}, annotations={})

    assert title_of(ALERT, WORKFLOW) == "Stuck: argo/etl"
    assert title_of(ALERT, Subject(workflow="etl")) == "Stuck: etl"
    assert title_of(ALERT, Subject()) == "Stuck: nothing moves"
    assert title_of(nameless, Subject()) == "Alert without a name"
