from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from receiver.model.loss import Loss
from receiver.model.remediation import Decision
from receiver.model.workflow import Node, Phase, Pod
from receiver.remediate.decision import decide
from receiver.remediate.loss import MaxLoss, of_pod, of_workflow
from receiver.store import rows
from tests.unit.remediate.scenes import NOW, alert, guard_facts, playbook, workflow

HOUR = timedelta(hours=1)


def node(
    name: str, phase: Phase, began: datetime | None, ended: datetime | None = None, *, node_type: str = "Pod"
) -> Node:
    return Node(id=name, name=name, display_name=name, type=node_type, phase=phase, started_at=began, finished_at=ended)


NODES = (
    node("etl", Phase.RUNNING, NOW - 7 * HOUR, node_type="DAG"),
    node("extract", Phase.SUCCEEDED, NOW - 7 * HOUR, NOW - 6 * HOUR),
    node("notify", Phase.SUCCEEDED, NOW - 6 * HOUR, NOW - 6 * HOUR, node_type="HTTP"),
    node("try(0)", Phase.FAILED, NOW - 6 * HOUR, NOW - 5 * HOUR),
    node("try(1)", Phase.RUNNING, NOW - 5 * HOUR),
    node("load", Phase.PENDING, None),
)
POD = Pod(namespace="argo", name="etl-try-1", uid="p1", node_id="try(1)", created_at=NOW - 5 * HOUR)


def test_ending_a_workflow_loses_what_ended_well_and_what_still_runs_and_nothing_that_failed() -> None:
    loss = of_workflow(workflow(nodes=NODES), NOW)

    assert loss == Loss(finished_nodes=2, pod_time=6 * HOUR, idle=5 * HOUR)
    assert loss.shown == "2 finished steps and 6h of pod time; last progress 5h ago"


def test_a_word_of_an_agent_is_progress() -> None:
    alive = replace(POD, progress_at=NOW - timedelta(minutes=45))

    assert of_workflow(workflow(nodes=NODES), NOW, [alive]).idle == timedelta(minutes=45)


def test_deleting_one_pod_loses_its_own_time_only() -> None:
    assert of_pod(workflow(nodes=NODES), POD, NOW) == Loss(finished_nodes=0, pod_time=5 * HOUR, idle=5 * HOUR)


def test_a_pod_whose_step_is_not_known_counts_from_its_creation() -> None:
    assert of_pod(workflow(nodes=None), POD, NOW).pod_time == 5 * HOUR
    assert of_pod(workflow(nodes=None), replace(POD, created_at=None), NOW).pod_time is None


def test_what_cannot_be_read_is_not_known_and_above_every_limit() -> None:
    loss = of_workflow(workflow(nodes=None), NOW)

    assert loss == Loss(finished_nodes=None, pod_time=None, idle=None)
    assert MaxLoss(finished_nodes=1000).exceeded_by(loss).startswith("what would be lost is not known")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (MaxLoss(finished_nodes=2, pod_hours=6), ""),
        (MaxLoss(finished_nodes=1), "2 finished steps would be lost, more than 1"),
        (MaxLoss(pod_hours=5.5), "6h of pod time would be lost, more than 5h30m"),
        (MaxLoss(finished_nodes=0, pod_hours=100), "2 finished steps would be lost, more than 0"),
    ],
)
def test_a_limit_is_passed_only_by_more_than_it(limit: MaxLoss, expected: str) -> None:
    assert limit.exceeded_by(of_workflow(workflow(nodes=NODES), NOW)) == expected


def test_a_limit_that_limits_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="finished_nodes, pod_hours or both"):
        MaxLoss()


SPARING = """
name: sparing
mode: live
summary: Restart it, unless much is lost.
on: {matchers: ['alertname="WorkflowStuckDetection"']}
confirm: workflow.phase == "Running"
max_loss: {finished_nodes: 1, pod_hours: 48}
steps:
- workflow.terminate: {}
- workflow.resubmit: {}
- verify: {that: '!workflow.failed', hold: 1m, within: 5m}
"""


def decided(text: str, nodes: tuple[Node, ...] | None) -> Decision:
    found = decide(playbook(text), alert(), incident=None, workflow=workflow(nodes=nodes), pods=(), facts=guard_facts())
    assert isinstance(found, Decision)
    return found


def test_above_its_max_loss_a_playbook_asks_a_person_first() -> None:
    found = decided(SPARING, NODES)

    assert found.loss is not None
    assert found.loss.finished_nodes == 2
    assert "approval" in found.would[0]
    assert found.reason.endswith("A person is asked first: 2 finished steps would be lost, more than 1.")
    assert found.steps[0]["action"] == "approve"


def test_below_its_max_loss_it_does_not_ask() -> None:
    assert "terminate" in decided(SPARING, NODES[:2]).would[0]


def test_without_max_loss_the_loss_is_told_and_nobody_is_asked() -> None:
    found = decided(SPARING.replace("max_loss: {finished_nodes: 1, pod_hours: 48}\n", ""), None)

    assert found.loss is not None
    assert found.loss.finished_nodes is None
    assert "terminate" in found.would[0]


def test_what_is_lost_is_written_down_and_read_back_whole() -> None:
    for loss in (of_workflow(workflow(nodes=NODES), NOW), of_workflow(workflow(nodes=None), NOW), None):
        assert rows.loss(rows.loss_json(loss)) == loss
