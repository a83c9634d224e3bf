"""What is kept of a workflow and of a pod for their metrics."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.fleet import LONGEST_LABEL, digest_pod, digest_workflow
from receiver.model.workflow import Container, Node, Phase, Pod, Workflow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = ("agent_type", "agent")


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


NODE = Node(id="etl-1", name="etl.train", display_name="train", type="Pod", phase=Phase.RUNNING, started_at=ago(7))
WORKFLOW = Workflow(
    namespace="argo",
    name="etl",
    uid="u",
    resource_version="1",
    phase=Phase.RUNNING,
    created_at=ago(9),
    started_at=ago(8),
    nodes=(NODE,),
)
POD = Pod(namespace="argo", name="etl-1", uid="p", phase="Pending", created_at=ago(7))


@pytest.mark.parametrize(
    ("workflow", "since"),
    [
        (replace(WORKFLOW, phase=Phase.UNKNOWN, started_at=None), ago(9)),
        (replace(WORKFLOW, phase=Phase.PENDING), ago(9)),
        (WORKFLOW, ago(8)),
        (replace(WORKFLOW, phase=Phase.FAILED, finished_at=ago(2)), ago(2)),
        (replace(WORKFLOW, phase=Phase.ERROR, finished_at=None), ago(8)),
    ],
    ids=["not looked at", "pending", "running", "failed", "ended without a time"],
)
def test_the_present_phase_began_when_argo_says_so(workflow: Workflow, since: datetime) -> None:
    assert digest_workflow(workflow, AGENT, NOW).phase_started == since.timestamp()


def test_progress_is_the_newest_sign_of_life_that_is_not_of_the_future() -> None:
    moved = replace(WORKFLOW, nodes=(NODE, replace(NODE, id="etl-2", started_at=ago(1), finished_at=ago(-5))))

    assert digest_workflow(WORKFLOW, AGENT, NOW).progress == ago(7).timestamp()
    assert digest_workflow(moved, AGENT, NOW).progress == ago(1).timestamp()


def test_of_steps_that_cannot_be_read_no_progress_is_claimed() -> None:
    assert digest_workflow(replace(WORKFLOW, nodes=None), AGENT, NOW).progress is None


def test_whatever_changes_in_steps_or_progress_shows() -> None:
    digests = [
        digest_workflow(one, AGENT, NOW)
        for one in (
            WORKFLOW,
            replace(WORKFLOW, progress="1/2"),
            replace(WORKFLOW, suspended=True),
            replace(WORKFLOW, nodes=(replace(NODE, phase=Phase.SUCCEEDED),)),
            replace(WORKFLOW, nodes=(NODE, replace(NODE, id="etl-2"))),
        )
    ]

    assert len({digest.moved for digest in digests}) == len(digests)
    assert digest_workflow(replace(WORKFLOW, labels={"a": "b"}), AGENT, NOW).moved == digests[0].moved


def test_the_agent_is_named_by_the_first_label_or_annotation_that_is_there_and_cut() -> None:
    both = replace(WORKFLOW, labels={"agent": "cleo", "agent_type": "rex"})
    long = replace(WORKFLOW, annotations={"agent": "x" * 300})

    assert digest_workflow(WORKFLOW, AGENT, NOW).agent == ""
    assert digest_workflow(both, AGENT, NOW).agent == "rex"
    assert digest_workflow(long, AGENT, NOW).agent == "x" * LONGEST_LABEL


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (POD, "Unschedulable"),
        (replace(POD, node_name="n1"), "Pending"),
        (replace(POD, containers=(Container(name="main", waiting="ImagePullBackOff"),)), "ImagePullBackOff"),
    ],
)
def test_a_pod_that_waits_says_since_when_and_for_what(pod: Pod, reason: str) -> None:
    digest = digest_pod(pod, "etl", NOW)

    assert (digest.waiting_since, digest.reason) == (ago(7).timestamp(), reason)


PREPARING = (Container(name="init", running=True), Container(name="main", waiting="PodInitializing"))


@pytest.mark.parametrize(
    "pod", [replace(POD, phase="Running"), replace(POD, deleting=True), replace(POD, containers=PREPARING)]
)
def test_a_pod_that_runs_prepares_or_goes_does_not_wait(pod: Pod) -> None:
    digest = digest_pod(pod, "etl", NOW)

    assert (digest.waiting_since, digest.reason) == (None, "")
    assert digest.progress == ago(7).timestamp()
