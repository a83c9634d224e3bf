"""The imitation of Argo's controller moves only what it is told to move, and ends workflows as Argo does."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from receiver.sandbox import argo_objects, scenario
from receiver.sandbox.argo import ArgoController, Course
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, Json

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHERE = "taskmaster"


@pytest.fixture
def server() -> ApiServer:
    return ApiServer(clock=lambda: NOW)


@pytest.fixture
def argo(server: ApiServer) -> ArgoController:
    return ArgoController(server)


def get(server: ApiServer, name: str) -> Json:
    return server.registry.read(WORKFLOW, WHERE, name)


def change(server: ApiServer, name: str, **spec: object) -> None:
    server.registry.patch(WORKFLOW, WHERE, name, lambda before: before | {"spec": before["spec"] | spec})


def phases(server: ApiServer, argo: ArgoController, name: str, moves: int) -> list[str]:
    seen: list[str] = []
    for _ in range(moves):
        argo.advance()
        phase = get(server, name)["status"]["phase"]
        if seen[-1:] != [phase]:
            seen.append(phase)
    return seen


def resubmit(server: ApiServer, old: str, new: str) -> None:
    body = get(server, old)
    metadata = {
        "name": new,
        "annotations": body["metadata"]["annotations"],
        "labels": {"workflows.argoproj.io/resubmitted-from-workflow": old},
    }
    spec = {part: value for part, value in body["spec"].items() if part != "shutdown"}
    made = {"apiVersion": body["apiVersion"], "kind": "Workflow", "metadata": metadata, "spec": spec}
    server.registry.create(WORKFLOW, WHERE, made)


def test_a_new_workflow_waits_runs_and_succeeds(server: ApiServer, argo: ArgoController) -> None:
    server.adopt(scenario.workflow(WHERE, "play"))

    assert phases(server, argo, "play", 10) == ["Pending", "Running", "Succeeded"]
    ended = get(server, "play")
    assert ended["status"]["progress"] == "2/2"
    assert ended["status"]["finishedAt"] == "2026-11-24T12:00:00Z"
    assert ended["metadata"]["labels"]["workflows.argoproj.io/completed"] == "true"
    assert {pod["status"]["phase"] for pod in server.storage.every(POD, WHERE)} == {"Succeeded"}


def test_a_workflow_that_fails_fails_at_its_last_step(server: ApiServer, argo: ArgoController) -> None:
    server.adopt(scenario.workflow(WHERE, "play", course="fail"))

    assert phases(server, argo, "play", 10)[-1] == "Failed"
    assert get(server, "play")["status"]["message"] == "child 'play.implement' failed"


def test_a_workflow_that_hangs_never_ends_by_itself(server: ApiServer, argo: ArgoController) -> None:
    server.adopt(scenario.workflow(WHERE, "play", course="hang"))

    assert phases(server, argo, "play", 20) == ["Pending", "Running"]
    assert get(server, "play")["status"]["progress"] == "1/2"


@pytest.mark.parametrize("strategy", ["Terminate", "Stop"])
def test_a_workflow_that_is_shut_down_fails_with_its_pods(
    server: ApiServer, argo: ArgoController, strategy: str
) -> None:
    scenario.stuck_workflow(server, WHERE, "play")
    change(server, "play", shutdown=strategy)

    argo.advance()

    ended = get(server, "play")
    assert ended["status"]["phase"] == "Failed"
    assert ended["status"]["message"] == f"Stopped with strategy '{strategy}'"
    assert ended["metadata"]["labels"]["workflows.argoproj.io/phase"] == "Failed"
    assert ended["metadata"]["labels"]["workflows.argoproj.io/completed"] == "true"
    assert {node["phase"] for node in ended["status"]["nodes"].values()} == {"Failed", "Succeeded"}
    assert {pod["status"]["phase"] for pod in server.storage.every(POD, WHERE)} == {"Failed", "Succeeded"}
    assert {pod["metadata"]["labels"][argo_objects.COMPLETED] for pod in server.storage.every(POD, WHERE)} == {"true"}


def test_the_second_attempt_follows_its_own_course(server: ApiServer, argo: ArgoController) -> None:
    scenario.stuck_workflow(server, WHERE, "play", course="hang, succeed")
    resubmit(server, "play", "play-2")

    assert phases(server, argo, "play-2", 10)[-1] == "Succeeded"
    assert get(server, "play")["status"]["phase"] == "Running"


def test_a_second_attempt_is_one_also_when_the_first_was_deleted(server: ApiServer, argo: ArgoController) -> None:
    scenario.stuck_workflow(server, WHERE, "play", course="hang, succeed")
    resubmit(server, "play", "play-2")
    server.registry.delete(WORKFLOW, WHERE, "play", {})

    assert phases(server, argo, "play-2", 10)[-1] == "Succeeded"


def test_what_is_said_to_the_controller_goes_before_the_annotation(server: ApiServer, argo: ArgoController) -> None:
    server.adopt(scenario.workflow(WHERE, "play", course="succeed"))
    argo.follow(WHERE, "play", Course.WAIT)

    assert phases(server, argo, "play", 5) == ["Pending"]


def test_a_suspended_workflow_waits(server: ApiServer, argo: ArgoController) -> None:
    scenario.running_workflow(server, WHERE, "play")
    change(server, "play", suspend=True)
    before = get(server, "play")

    argo.advance()

    assert get(server, "play") == before


def test_a_finished_workflow_is_left_alone(server: ApiServer, argo: ArgoController) -> None:
    server.adopt(scenario.workflow(WHERE, "play"))
    phases(server, argo, "play", 10)
    before = get(server, "play")

    argo.advance()

    assert get(server, "play") == before


def test_pods_of_a_deleted_workflow_go_with_it(server: ApiServer, argo: ArgoController) -> None:
    scenario.stuck_workflow(server, WHERE, "play")
    server.registry.delete(WORKFLOW, WHERE, "play", {"propagationPolicy": "Background"})

    argo.advance()
    argo.advance()

    assert server.storage.every(POD, WHERE) == []


def test_nothing_moves_unless_the_controller_works(server: ApiServer) -> None:
    scenario.stuck_workflow(server, WHERE, "play")
    change(server, "play", shutdown="Terminate")

    assert get(server, "play")["status"]["phase"] == "Running"


async def test_a_started_controller_works_by_the_clock_until_it_is_stopped(server: ApiServer) -> None:
    server.adopt(scenario.workflow(WHERE, "play"))

    async with ArgoController(server, step=timedelta(milliseconds=1)), asyncio.timeout(10):
        with server.storage.listening() as changed:
            while get(server, "play").get("status", {}).get("phase") != "Succeeded":
                changed.clear()
                await changed.wait()

    assert get(server, "play")["status"]["progress"] == "2/2"


def test_nodes_and_pods_are_named_as_argo_names_them() -> None:
    step = argo_objects.Step(workflow="etl-running-7h", name="extract", template="work")

    assert step.id == "etl-running-7h-4167647553"
    assert step.pod == "etl-running-7h-work-4167647553"


def test_a_stuck_workflow_has_stood_still_for_as_long_as_asked(server: ApiServer) -> None:
    found = scenario.stuck_workflow(server, WHERE, "play", stuck_for=timedelta(hours=9), agent="tess")

    nodes = found["status"]["nodes"].values()
    assert max(node["startedAt"] for node in nodes) == "2026-11-24T03:00:00Z"
    assert found["metadata"]["labels"]["agent"] == "tess"
    assert found["status"]["progress"] == "1/2"


@pytest.mark.parametrize(
    ("strategy", "end"),
    [
        ({"limit": "2", "retryPolicy": "Always"}, "Succeeded"),
        ({"limit": 1, "retryPolicy": "OnError"}, "Succeeded"),
        ({"expression": "true"}, "Succeeded"),
        ({"limit": "0", "retryPolicy": "Always"}, "Error"),
        ({"limit": "2"}, "Error"),
        ({"limit": "2", "retryPolicy": "OnFailure"}, "Error"),
        (None, "Error"),
    ],
)
def test_a_step_whose_pod_was_deleted_is_tried_again_only_where_its_strategy_is_for_that(
    server: ApiServer, argo: ArgoController, strategy: object, end: str
) -> None:
    body = scenario.workflow(WHERE, "play", course="hang, succeed")
    if strategy:
        body["spec"]["templates"][1]["retryStrategy"] = strategy
    server.adopt(body)
    assert phases(server, argo, "play", 10)[-1] == "Running"
    [pod] = [one for one in server.storage.every(POD, WHERE) if one["status"]["phase"] == "Running"]

    server.registry.delete(POD, WHERE, pod["metadata"]["name"], {"gracePeriodSeconds": 0})

    assert phases(server, argo, "play", 10)[-1] == end
    assert len(server.storage.every(POD, WHERE)) == (2 if end == "Succeeded" else 1)


def test_a_step_that_failed_is_tried_again_in_a_pod_of_its_own_below_a_retry_node(
    server: ApiServer, argo: ArgoController
) -> None:
    body = scenario.workflow(WHERE, "play", course="fail, fail, succeed")
    body["spec"]["templates"][1]["retryStrategy"] = {"limit": "2"}
    server.adopt(body)

    assert phases(server, argo, "play", 20)[-1] == "Succeeded"
    nodes = get(server, "play")["status"]["nodes"].values()
    assert [(node["displayName"], node["type"], node["phase"]) for node in nodes] == [
        ("play", "DAG", "Succeeded"),
        ("prepare", "Retry", "Succeeded"),
        ("prepare(0)", "Pod", "Succeeded"),
        ("implement", "Retry", "Succeeded"),
        ("implement(0)", "Pod", "Failed"),
        ("implement(1)", "Pod", "Failed"),
        ("implement(2)", "Pod", "Succeeded"),
    ]
    assert get(server, "play")["status"]["progress"] == "2/2"
    assert len(server.storage.every(POD, WHERE)) == 4
