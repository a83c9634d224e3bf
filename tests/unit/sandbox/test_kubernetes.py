"""What the contract suite does not reach: a real API server cannot be made to do these things on order."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from receiver.sandbox import scenario
from receiver.sandbox.kubernetes import (
    NAMESPACE,
    POD,
    WORKFLOW,
    ApiServer,
    Json,
    Line,
    Refusal,
    manifest,
    page,
    selector,
)
from receiver.sandbox.kubernetes.routes import locate

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DATA = Path(__file__).parent.parent.parent / "data/argo"
WHERE = "taskmaster"


@pytest.fixture
def server() -> ApiServer:
    return ApiServer(clock=lambda: NOW)


def stuck_pod(server: ApiServer) -> Json:
    scenario.stuck_workflow(server, WHERE, "play")
    return next(pod for pod in server.storage.every(POD) if pod["status"]["phase"] == "Running")


def test_a_page_of_a_forgotten_list_has_expired(server: ApiServer) -> None:
    for name in ("a", "b"):
        server.adopt(scenario.workflow(WHERE, name))
    everything = selector.parse(WORKFLOW, "", "")
    first = page.cut(server.storage, WORKFLOW, WHERE, everything, {"limit": "1"})
    server.storage.compact()

    with pytest.raises(Refusal) as expired:
        page.cut(server.storage, WORKFLOW, WHERE, everything, {"continue": first["metadata"]["continue"]})

    assert (expired.value.code, expired.value.reason) == (410, "Expired")


def test_only_so_many_changes_are_remembered() -> None:
    server = ApiServer(history=3)
    since = server.storage.revision
    for number in range(4):
        server.adopt(scenario.workflow("default", f"w{number}"))

    with pytest.raises(Refusal, match="too old resource version"):
        server.storage.changes(WORKFLOW, since)


def test_a_pod_on_a_machine_stays_until_its_kubelet_lets_it_go(server: ApiServer) -> None:
    pod = stuck_pod(server)
    name = pod["metadata"]["name"]

    answered = server.registry.delete(POD, WHERE, name, {})
    gone = server.registry.delete(POD, WHERE, name, {"gracePeriodSeconds": 0})

    assert answered["metadata"]["deletionTimestamp"] == "2026-11-24T12:00:30Z"
    assert gone["kind"] == "Pod"
    assert server.storage.get(POD, WHERE, name) is None


def test_a_foreground_deletion_waits_for_the_garbage_collector(server: ApiServer) -> None:
    scenario.stuck_workflow(server, WHERE, "play")

    held = server.registry.delete(WORKFLOW, WHERE, "play", {"propagationPolicy": "Foreground"})

    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert server.storage.get(WORKFLOW, WHERE, "play") is not None


def test_an_unknown_propagation_is_refused(server: ApiServer) -> None:
    scenario.stuck_workflow(server, WHERE, "play")

    with pytest.raises(Refusal, match="Unsupported value"):
        server.registry.delete(WORKFLOW, WHERE, "play", {"propagationPolicy": "Sideways"})


def test_a_finalizer_cannot_be_added_to_what_is_being_deleted(server: ApiServer) -> None:
    body = scenario.workflow(WHERE, "play")
    body["metadata"]["finalizers"] = ["a"]
    server.adopt(body)
    server.registry.delete(WORKFLOW, WHERE, "play", {})

    with pytest.raises(Refusal, match="no new finalizers"):
        server.registry.patch(
            WORKFLOW, WHERE, "play", lambda old: old | {"metadata": old["metadata"] | {"finalizers": ["a", "b"]}}
        )


def test_nothing_new_comes_into_a_namespace_that_is_going(server: ApiServer) -> None:
    server.registry.create(NAMESPACE, "", {"metadata": {"name": WHERE}})
    server.registry.delete(NAMESPACE, "", WHERE, {})

    with pytest.raises(Refusal, match="being terminated") as refused:
        server.registry.create(WORKFLOW, WHERE, scenario.workflow(WHERE, "play"))
    assert refused.value.code == 403


def test_a_log_is_told_by_lines_by_age_and_with_times(server: ApiServer) -> None:
    pod = stuck_pod(server)
    server.logs.write(pod, "wait", [Line(at=NOW - timedelta(seconds=n), text=f"{n} s ago") for n in (90, 60, 30)])

    def read(**query: str) -> str:
        return server.logs.read(pod, {"container": "wait"} | query, NOW)

    assert read() == "90 s ago\n60 s ago\n30 s ago\n"
    assert read(tailLines="1") == "30 s ago\n"
    assert read(tailLines="0") == ""
    assert read(sinceSeconds="60") == "60 s ago\n30 s ago\n"
    assert read(limitBytes="2") == "90"
    assert read(timestamps="true", tailLines="1") == "2026-11-24T11:59:30.000000000Z 30 s ago\n"


def test_an_earlier_run_of_a_container_has_a_log_only_if_there_was_one(server: ApiServer) -> None:
    pod = stuck_pod(server)
    query = {"container": "main", "previous": "true"}

    with pytest.raises(Refusal, match='previous terminated container "main"'):
        server.logs.read(pod, query, NOW)
    server.logs.write(pod, "main", [Line(at=NOW, text="killed")], previous=True)
    assert server.logs.read(pod, query, NOW) == "killed\n"


def test_a_container_that_waits_for_its_image_has_no_log(server: ApiServer) -> None:
    manifest.load(server, sorted((DATA / "fixtures").glob("*.yaml")))
    pod = server.registry.read(POD, "argo", "etl-imagepull-8h-work-4181824861")

    with pytest.raises(Refusal, match="is waiting to start: trying and failing to pull image"):
        server.logs.read(pod, {"container": "main"}, NOW)


def test_manifests_bring_times_owners_and_logs(server: ApiServer) -> None:
    manifest.load(server, sorted((DATA / "fixtures").glob("*.yaml")))
    manifest.load_logs(server, DATA / "logs")

    workflow = server.registry.read(WORKFLOW, "argo", "etl-running-7h")
    pod = server.registry.read(POD, "argo", "etl-running-7h-work-3926848418")

    assert len(server.storage.every(WORKFLOW)) == 21
    assert workflow["status"]["startedAt"] == workflow["metadata"]["creationTimestamp"] == "2026-11-24T05:00:00Z"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == workflow["metadata"]["uid"]
    assert "step 2 of etl-running-7h-work-3926848418" in server.logs.read(pod, {"container": "main"}, NOW)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/api/v1/pods", ("pods", "", "", "")),
        ("/api/v1/namespaces/argo", ("namespaces", "", "argo", "")),
        ("/api/v1/namespaces/argo/status", ("namespaces", "", "argo", "status")),
        ("/api/v1/namespaces/argo/pods/p/log", ("pods", "argo", "p", "log")),
        ("/apis/argoproj.io/v1alpha1/namespaces/argo/workflows/a%2Fb", ("workflows", "argo", "a/b", "")),
    ],
)
def test_paths_point_at_objects(path: str, found: tuple[str, str, str, str]) -> None:
    target = locate(path)

    assert target is not None
    assert (target.kind.plural, target.namespace, target.name, target.subresource) == found


@pytest.mark.parametrize("path", ["/", "/apis", "/apis/argoproj.io/v2/workflows", "/api/v1/nothings", "/other"])
def test_other_paths_point_nowhere(path: str) -> None:
    assert locate(path) is None


def test_labels_can_be_compared_as_numbers(server: ApiServer) -> None:
    for name, tries in (("a", "2"), ("b", "10"), ("c", "many")):
        body = scenario.workflow(WHERE, name)
        body["metadata"]["labels"]["tries"] = tries
        server.adopt(body)
    picked = selector.parse(WORKFLOW, "tries>3", "")

    assert [one["metadata"]["name"] for one in server.storage.every(WORKFLOW) if picked.picks(one)] == ["b"]
