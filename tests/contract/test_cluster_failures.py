"""What our client makes of an API server that fails: on the stand-in alone, since a real one does not fail on order."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import (
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    PreconditionFailed,
    RequestRefused,
    SettingsError,
    Unauthorized,
)
from receiver.model.workflow import Workflow
from receiver.sandbox import scenario
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer

WHERE = "taskmaster"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as opened:
        scenario.stuck_workflow(opened, WHERE, "play")
        yield opened


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    opened = Cluster.at(server.url, server.token)
    yield opened
    await opened.close()


async def test_too_many_requests_may_be_repeated_after_the_time_that_was_asked_for(
    server: ApiServer, cluster: Cluster
) -> None:
    server.faults.answer(429, body={"kind": "Status", "message": "too many requests"}, headers={"Retry-After": "7"})

    with pytest.raises(ClusterBusy, match="too many requests") as busy:
        await cluster.get_workflow(WHERE, "play")

    assert busy.value.retryable
    assert busy.value.retry_after == timedelta(seconds=7)
    assert len(server.faults.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_may_be_repeated_and_is_not_repeated_by_the_client(
    server: ApiServer, cluster: Cluster, status: int
) -> None:
    server.faults.answer(status, body="<html>bad gateway</html>")

    with pytest.raises(ClusterBusy, match=str(status)):
        await cluster.get_workflow(WHERE, "play")

    assert len(server.faults.requests) == 1


async def test_a_server_that_hangs_is_unreachable_after_one_timeout(server: ApiServer) -> None:
    cluster = Cluster.at(server.url, server.token, timeout=timedelta(seconds=2))
    server.faults.hang()

    with pytest.raises(ClusterUnreachable, match="no answer"):
        await cluster.get_workflow(WHERE, "play")

    assert len(server.faults.requests) == 1
    await cluster.close()


async def test_a_connection_that_is_reset_is_unreachable_and_the_next_question_works(
    server: ApiServer, cluster: Cluster
) -> None:
    server.faults.reset_before_effect()

    with pytest.raises(ClusterUnreachable) as lost:
        await cluster.get_workflow(WHERE, "play")

    assert lost.value.retryable
    assert (await cluster.get_workflow(WHERE, "play")).name == "play"


async def test_nobody_listening_is_unreachable() -> None:
    cluster = Cluster.at("http://127.0.0.1:9", "token")

    with pytest.raises(ClusterUnreachable):
        await cluster.version()
    await cluster.close()


@pytest.mark.parametrize("body", ["<html>please log in</html>", "[1]", '{"a":' * 100_000 + "1" + "}" * 100_000])
async def test_a_page_of_some_proxy_is_not_taken_for_an_answer(server: ApiServer, cluster: Cluster, body: str) -> None:
    server.faults.answer(200, body=body)

    with pytest.raises(ClusterUnreachable, match="not the Kubernetes API"):
        await cluster.get_workflow(WHERE, "play")


async def test_an_unknown_token_is_unauthorized_and_is_not_told(server: ApiServer) -> None:
    cluster = Cluster.at(server.url, "s3cret-token")

    with pytest.raises(Unauthorized) as refused:
        await cluster.get_workflow(WHERE, "play")

    assert "s3cret" not in str(refused.value)
    assert not refused.value.retryable
    await cluster.close()


async def test_a_resubmit_whose_answer_was_lost_is_recognised_when_it_is_repeated(
    server: ApiServer, cluster: Cluster
) -> None:
    workflow = await cluster.get_workflow(WHERE, "play")
    server.faults.reset_after_effect(method="POST")

    with pytest.raises(ClusterUnreachable):
        await cluster.resubmit(workflow, name="play-2", operation="run-1:3")
    made = await cluster.resubmit(workflow, name="play-2", operation="run-1:3")

    assert made.name == "play-2"
    assert len(server.faults.effects(method="POST", path="/workflows$")) == 1


async def test_a_termination_whose_answer_was_lost_is_recognised_when_it_is_repeated(
    server: ApiServer, cluster: Cluster
) -> None:
    workflow = await cluster.get_workflow(WHERE, "play")
    server.faults.reset_after_effect(method="PATCH")

    with pytest.raises(ClusterUnreachable):
        await cluster.terminate(workflow, operation="run-1:2")
    again = await cluster.terminate(workflow, operation="run-1:2")

    assert again.shutdown == "Terminate"
    assert len(server.faults.effects(method="PATCH")) == 1


JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "clean"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "agent", "namespace": WHERE},
    "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        },
    },
}
REPEATED: dict[str, Callable[[Cluster, Workflow], Awaitable[object]]] = {
    "stop": lambda cluster, play: cluster.stop(play, operation="run-1:2"),
    "suspend": lambda cluster, play: cluster.suspend(play, operation="run-1:2"),
    "mark_retry": lambda cluster, play: cluster.mark_retry(play, operation="run-1:2"),
    "create_workflow": lambda cluster, _: cluster.create_workflow(
        scenario.workflow(WHERE, "x"), "clean-1", operation="run-1:2"
    ),
    "create_job": lambda cluster, _: cluster.create_job(WHERE, JOB, operation="run-1:2"),
    "restart_deployment": lambda cluster, _: cluster.restart_deployment(WHERE, "agent", operation="run-1:2"),
}


@pytest.mark.parametrize("verb", REPEATED)
async def test_what_was_done_and_whose_answer_was_lost_is_not_done_again(
    server: ApiServer, cluster: Cluster, verb: str
) -> None:
    server.adopt(DEPLOYMENT)
    workflow = await cluster.get_workflow(WHERE, "play")
    for method in ("PATCH", "POST"):
        server.faults.reset_after_effect(method=method)

    with pytest.raises(ClusterUnreachable):
        await REPEATED[verb](cluster, workflow)
    revision = server.storage.revision
    await REPEATED[verb](cluster, workflow)

    assert server.storage.revision == revision


async def test_workflows_are_counted_in_pages_without_their_specification(server: ApiServer, cluster: Cluster) -> None:
    for number in range(501):
        server.adopt(scenario.workflow("many", f"w{number:04}"))

    assert await cluster.count_unfinished("many") == 501
    asked = server.faults.seen(path="/many/workflows$")
    assert [(one.query["limit"], one.query["labelSelector"]) for one in asked] == [
        ("500", "workflows.argoproj.io/completed!=true")
    ] * 2
    assert all("PartialObjectMetadataList" in one.headers["accept"] for one in asked)


async def test_a_workflow_that_is_created_anew_between_look_and_act_is_not_terminated(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = await cluster.get_workflow(WHERE, "play")
    raw = await cluster.raw_workflow(WHERE, "play")

    async def look_and_lose(namespace: str, name: str) -> dict[str, Any]:
        server.registry.delete(WORKFLOW, namespace, name, {})
        server.adopt(scenario.workflow(namespace, name))
        return raw

    monkeypatch.setattr(cluster, "raw_workflow", look_and_lose)
    with pytest.raises(PreconditionFailed, match="nothing was changed"):
        await cluster.terminate(workflow, operation="run-1:2")

    assert "shutdown" not in server.registry.read(WORKFLOW, WHERE, "play")["spec"]


async def test_a_long_list_comes_in_pages_of_500(server: ApiServer, cluster: Cluster) -> None:
    for number in range(501):
        server.adopt(scenario.workflow("many", f"w{number:04}"))

    found = await cluster.list_workflows("many")

    assert [one.name for one in found] == [f"w{number:04}" for number in range(501)]
    assert [request.query["limit"] for request in server.faults.seen(path="/many/workflows$")] == ["500", "500"]


async def test_a_list_whose_later_pages_have_expired_is_begun_again(server: ApiServer, cluster: Cluster) -> None:
    for number in range(501):
        server.adopt(scenario.workflow("many", f"w{number:04}"))
    expired = {"kind": "Status", "reason": "Expired", "message": "The provided continue parameter is too old"}
    server.faults.slow(timedelta(), path="/many/workflows$")
    server.faults.answer(410, path="/many/workflows$", body=expired)

    assert len(await cluster.list_workflows("many")) == 501
    assert len(server.faults.seen(path="/many/workflows$")) == 4


async def test_the_tail_of_a_log_is_its_last_lines(cluster: Cluster) -> None:
    workflow = await cluster.get_workflow(WHERE, "play")
    [pod] = [pod for pod in await cluster.pods_of(workflow) if pod.phase == "Running"]

    lines = await cluster.log_tail(WHERE, pod.name, lines=1)

    assert lines == ("waiting for the lock on /workspace/.git/index.lock",)


async def test_an_error_of_the_cluster_quotes_no_more_than_a_line(server: ApiServer, cluster: Cluster) -> None:
    server.faults.answer(418, body={"kind": "Status", "message": "line one\nline two " + "x" * 1000})

    with pytest.raises(RequestRefused) as refused:
        await cluster.get_workflow(WHERE, "play")

    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


async def test_a_kubeconfig_file_is_used_with_its_context(server: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(server.kubeconfig()))
    cluster = Cluster.connect(file, "sandbox")

    assert (await cluster.get_workflow(WHERE, "play")).name == "play"
    await cluster.close()


def test_a_context_that_the_file_does_not_have_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(ApiServer().kubeconfig()))

    with pytest.raises(SettingsError, match="production"):
        Cluster.connect(file, "production")


def test_without_a_kubeconfig_the_ambient_file_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ambient = tmp_path / ".kube/config"
    ambient.parent.mkdir()
    ambient.write_text(json.dumps(ApiServer().kubeconfig()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(ambient))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(SettingsError, match="in-cluster"):
        Cluster.connect(None, None)


def test_every_failure_of_the_cluster_is_one_family() -> None:
    assert issubclass(ClusterBusy, ClusterError)
    assert issubclass(ClusterUnreachable, ClusterError)
    assert not ClusterError.retryable
