"""When a workflow is idle, and when it is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.workflow import Container, Node, Phase, Pod, Workflow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


NODE = Node(id="etl-1", name="etl.train", display_name="train", type="Pod", phase=Phase.RUNNING, started_at=ago(7))
WORKFLOW = Workflow(
    namespace="argo",
    name="etl",
    uid="u",
    resource_version="1",
    phase=Phase.RUNNING,
    created_at=ago(8),
    started_at=ago(8),
    nodes=(NODE,),
)
POD = Pod(namespace="argo", name="etl-1", uid="p", created_at=ago(7))


def test_it_is_idle_since_the_newest_sign_of_life() -> None:
    assert WORKFLOW.last_progress_at == ago(7)
    assert WORKFLOW.idle(NOW) == timedelta(hours=7)


@pytest.mark.parametrize(
    "moved",
    [
        replace(WORKFLOW, nodes=(replace(NODE, finished_at=ago(1)),)),
        replace(WORKFLOW, nodes=(NODE, replace(NODE, id="etl-2", started_at=ago(1)))),
        replace(WORKFLOW, progress_at=ago(1)),
        replace(WORKFLOW, started_at=ago(1)),
    ],
)
def test_a_start_an_end_a_retry_and_a_word_of_the_agent_are_signs_of_life(moved: Workflow) -> None:
    assert moved.idle(NOW) == timedelta(hours=1)


@pytest.mark.parametrize(
    "pod",
    [
        replace(POD, progress_at=ago(1)),
        replace(POD, created_at=ago(1)),
        replace(POD, containers=(Container(name="main", restarts=3, started_at=ago(1)),)),
    ],
)
def test_a_pod_that_came_restarted_or_spoke_is_a_sign_of_life(pod: Pod) -> None:
    assert WORKFLOW.idle(NOW, [POD]) == timedelta(hours=7)
    assert WORKFLOW.idle(NOW, [POD, pod]) == timedelta(hours=1)


def test_a_suspended_workflow_is_never_idle() -> None:
    assert replace(WORKFLOW, suspended=True).idle(NOW) == timedelta()


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR])
def test_a_finished_workflow_is_never_idle(phase: Phase) -> None:
    finished = replace(WORKFLOW, phase=phase)

    assert finished.finished
    assert finished.idle(NOW) == timedelta()


@pytest.mark.parametrize("phase", [Phase.UNKNOWN, Phase.PENDING, Phase.RUNNING])
def test_a_workflow_that_argo_has_not_ended_is_unfinished(phase: Phase) -> None:
    assert not replace(WORKFLOW, phase=phase).finished


def test_idleness_is_not_known_when_the_steps_are_not_readable() -> None:
    assert replace(WORKFLOW, nodes=None, nodes_unreadable="offloaded").idle(NOW, [POD]) is None


def test_a_sign_of_life_from_the_future_is_not_believed() -> None:
    assert replace(WORKFLOW, progress_at=NOW + timedelta(days=365)).idle(NOW) == timedelta(hours=7)


def test_a_clock_that_is_a_little_ahead_does_no_harm() -> None:
    assert replace(WORKFLOW, progress_at=NOW + timedelta(minutes=1)).idle(NOW) == timedelta()
