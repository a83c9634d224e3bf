"""The imitation of the controllers of Deployments and Jobs ends them as the real ones do."""

from datetime import UTC, datetime

import pytest

from receiver.clients.kubernetes import reading_workloads
from receiver.model.workload import Deployment, Job, JobState
from receiver.sandbox.kubernetes import DEPLOYMENT, JOB, POD, ApiServer
from receiver.sandbox.workloads import WorkloadController

CONTAINERS = {"containers": [{"name": "main", "image": "none.invalid/none"}]}


@pytest.fixture
def server() -> ApiServer:
    server = ApiServer(clock=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    labels = {"app": "agent"}
    template = {"metadata": {"labels": labels}, "spec": CONTAINERS}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    server.registry.create(DEPLOYMENT, "default", {"metadata": {"name": "agent"}, "spec": spec})
    return server


def deployment(server: ApiServer) -> Deployment:
    return reading_workloads.deployment(server.registry.read(DEPLOYMENT, "default", "agent"))


def job(server: ApiServer) -> Job:
    return reading_workloads.job(server.registry.read(JOB, "default", "clean"))


def test_a_deployment_is_rolled_out_in_two_moves_after_each_change(server: ApiServer) -> None:
    controller = WorkloadController(server)
    seen = [deployment(server).rolled_out]
    for _ in range(2):
        controller.advance()
        seen.append(deployment(server).rolled_out)

    server.registry.patch(DEPLOYMENT, "default", "agent", lambda one: one | {"spec": one["spec"] | {"replicas": 3}})
    seen.append(deployment(server).rolled_out)
    for _ in range(2):
        controller.advance()
        seen.append(deployment(server).rolled_out)

    assert seen == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("course", "state", "pod"),
    [
        ("", JobState.SUCCEEDED, "Succeeded"),
        ("fail", JobState.FAILED, "Failed"),
        ("hang", JobState.UNFINISHED, "Running"),
    ],
)
def test_a_job_ends_as_its_course_says(server: ApiServer, course: str, state: JobState, pod: str) -> None:
    metadata = {"name": "clean", "annotations": {"sandbox/course": course} if course else {}}
    spec = {"template": {"spec": CONTAINERS | {"restartPolicy": "Never"}}}
    server.registry.create(JOB, "default", {"metadata": metadata, "spec": spec})
    controller = WorkloadController(server)

    for _ in range(3):
        controller.advance()

    assert job(server).state is state
    assert (job(server).finished_at is None) is (state is JobState.UNFINISHED)
    assert [one["status"]["phase"] for one in server.storage.every(POD)] == [pod]
