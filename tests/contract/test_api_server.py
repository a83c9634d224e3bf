"""What a Kubernetes API server does with workflows, pods and logs. The stand-in and a real one answer alike."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from kubernetes import client, watch

from tests.contract.peer import ARGO, Peer, raw


async def refusal(asked: Awaitable[object]) -> dict[str, Any]:
    """Await a request that must be refused, and return the Status it was refused with."""
    with pytest.raises(client.ApiException) as refused:
        await asked
    status: dict[str, Any] = json.loads(refused.value.body or "")
    assert status["kind"] == "Status"
    assert status["code"] == refused.value.status
    return status


async def test_a_created_workflow_gets_an_identity_and_keeps_its_status(peer: Peer) -> None:
    made = await peer.workflows.create("etl", status={"phase": "Running"})

    assert made == await peer.workflows.get("etl")
    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"]
    assert made["metadata"]["creationTimestamp"]
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {"phase": "Running"}


async def test_a_generated_name_begins_as_asked_and_differs_each_time(peer: Peer) -> None:
    metadata = {"name": None, "generateName": "etl-"}
    names = [(await peer.workflows.create("", metadata=metadata))["metadata"]["name"] for _ in range(2)]

    assert names[0] != names[1]
    assert all(name.startswith("etl-") and len(name) == 9 for name in names)


async def test_workflows_have_no_status_subresource_and_it_looks_like_a_missing_object(peer: Peer) -> None:
    await peer.workflows.create("etl")
    custom, where = peer.workflows.custom, peer.workflows.where

    read = await refusal(raw(custom.get_namespaced_custom_object_status, *where, "etl"))
    written = await refusal(
        raw(
            custom.patch_namespaced_custom_object_status,
            *where,
            "etl",
            {"status": {}},
            _content_type="application/merge-patch+json",
        )
    )

    assert (read["code"], read["reason"]) == (written["code"], written["reason"]) == (404, "NotFound")
    assert read["message"] == 'workflows.argoproj.io "etl" not found'


async def test_workflows_cannot_be_selected_by_phase_field(peer: Peer) -> None:
    status = await refusal(peer.workflows.list(field_selector="status.phase=Failed"))

    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert "field label not supported" in status["message"]


async def test_workflows_can_be_selected_by_name_field(peer: Peer) -> None:
    for name in ("one", "two"):
        await peer.workflows.create(name)

    found = await peer.workflows.list(field_selector="metadata.name=two")

    assert [one["metadata"]["name"] for one in found["items"]] == ["two"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("team=data", ["a"]),
        ("team==data", ["a"]),
        ("team!=data", ["b", "c"]),
        ("team in (data, web)", ["a", "b"]),
        ("team notin (data,web)", ["c"]),
        ("team", ["a", "b"]),
        ("!team", ["c"]),
        ("team,done!=true", ["a"]),
        ("workflows.argoproj.io/completed!=true", ["a", "b", "c"]),
        ("team in (data,web),!done", ["a"]),
        ("", ["a", "b", "c"]),
    ],
)
async def test_label_selectors_pick(peer: Peer, selector: str, names: list[str]) -> None:
    await peer.workflows.create("a", metadata={"labels": {"team": "data"}})
    await peer.workflows.create("b", metadata={"labels": {"team": "web", "done": "true"}})
    await peer.workflows.create("c")

    found = await peer.workflows.list(label_selector=selector)

    assert [one["metadata"]["name"] for one in found["items"]] == names


async def test_a_malformed_label_selector_is_refused(peer: Peer) -> None:
    assert (await refusal(peer.workflows.list(label_selector="team in data")))["code"] == 400


async def test_a_list_in_pages_shows_the_state_of_its_first_page(peer: Peer) -> None:
    for name in ("a", "b", "c"):
        await peer.workflows.create(name)

    first = await peer.workflows.list(limit=2)
    await peer.workflows.create("b2")
    second = await peer.workflows.list(limit=2, _continue=first["metadata"]["continue"])

    assert first["metadata"]["remainingItemCount"] == 1
    assert [one["metadata"]["name"] for one in first["items"] + second["items"]] == ["a", "b", "c"]
    assert not second["metadata"].get("continue")


async def test_a_stale_version_in_a_merge_patch_conflicts_and_no_version_never_does(peer: Peer) -> None:
    made = await peer.workflows.create("etl")
    await peer.workflows.merge("etl", {"spec": {"suspend": True}})

    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"suspend": False}}
    status = await refusal(peer.workflows.merge("etl", stale))
    patched = await peer.workflows.merge("etl", {"spec": {"suspend": None, "shutdown": "Stop"}})

    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert patched["spec"] == {"shutdown": "Stop"}


async def test_a_uid_in_a_patch_guards_against_another_workflow_of_the_name(peer: Peer) -> None:
    made = await peer.workflows.create("etl")

    status = await refusal(peer.workflows.merge("etl", {"metadata": {"uid": "other"}, "spec": {"shutdown": "Stop"}}))
    patched = await peer.workflows.merge("etl", {"metadata": {"uid": made["metadata"]["uid"]}, "spec": {"priority": 1}})

    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.uid"
    assert "field is immutable" in status["message"]
    assert patched["spec"] == {"priority": 1}


async def test_a_patch_that_changes_nothing_makes_no_new_version(peer: Peer) -> None:
    made = await peer.workflows.create("etl")

    patched = await peer.workflows.merge("etl", {"spec": {}})

    assert patched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_replacement_must_name_the_version_it_replaces(peer: Peer) -> None:
    made = await peer.workflows.create("etl")
    unversioned = made | {"metadata": {"name": "etl"}}
    replaced = await peer.workflows.replace("etl", made | {"spec": {"priority": 1}})

    assert (await refusal(peer.workflows.replace("etl", unversioned)))["code"] == 422
    assert (await refusal(peer.workflows.replace("etl", made | {"spec": {"priority": 2}})))["reason"] == "Conflict"
    assert replaced["metadata"]["generation"] == 2


async def test_a_taken_name_is_told_apart_from_a_conflict_by_its_reason(peer: Peer) -> None:
    await peer.workflows.create("etl")

    status = await refusal(peer.workflows.create("etl"))

    assert (status["code"], status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'workflows.argoproj.io "etl" already exists'


async def test_a_json_patch_is_carried_out_only_when_its_tests_hold(peer: Peer) -> None:
    first, second, third = ({"name": name} for name in "abc")
    await peer.workflows.create("etl", spec={"imagePullSecrets": [first, third]})
    insert = {"op": "add", "path": "/spec/imagePullSecrets/1", "value": second}
    held, not_held = ({"op": "test", "path": "/spec/imagePullSecrets/0/name", "value": value} for value in "ac")

    status = await refusal(peer.workflows.json_patch("etl", [not_held, insert]))
    patched = await peer.workflows.json_patch("etl", [held, insert])

    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert patched["spec"] == {"imagePullSecrets": [first, second, third]}


async def test_a_list_sent_as_a_merge_patch_is_refused(peer: Peer) -> None:
    await peer.workflows.create("etl")

    assert (await refusal(peer.workflows.merge("etl", [{"op": "remove", "path": "/spec"}])))["code"] == 400


async def test_a_patch_of_an_unknown_type_is_refused(peer: Peer) -> None:
    await peer.workflows.create("etl")
    patch = peer.workflows.custom.patch_namespaced_custom_object

    status = await refusal(raw(patch, *peer.workflows.where, "etl", {"spec": {}}, _content_type="application/json"))

    assert (status["code"], status["reason"]) == (415, "UnsupportedMediaType")


async def test_a_dry_run_answers_as_if_and_changes_nothing(peer: Peer) -> None:
    await peer.workflows.create("etl")

    told = await peer.workflows.merge("etl", {"spec": {"shutdown": "Stop"}}, dry_run="All")

    assert told["spec"] == {"shutdown": "Stop"}
    assert (await peer.workflows.get("etl"))["spec"] == {}


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
async def test_a_deletion_with_the_wrong_precondition_is_a_conflict(peer: Peer, precondition: str) -> None:
    await peer.workflows.create("etl")

    status = await refusal(peer.workflows.delete("etl", preconditions={precondition: "1"}))

    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert await peer.workflows.get("etl")


async def test_a_deleted_workflow_stays_until_its_finalizer_is_gone(peer: Peer) -> None:
    await peer.workflows.create("etl", metadata={"finalizers": ["workflows.argoproj.io/artifact-gc"]})

    await peer.workflows.delete("etl", propagationPolicy="Background")
    held = await peer.workflows.get("etl")
    await peer.workflows.merge("etl", {"metadata": {"finalizers": None}})

    assert held["metadata"]["deletionTimestamp"]
    assert (await refusal(peer.workflows.get("etl")))["code"] == 404


async def test_a_deletion_answers_with_a_success_that_names_the_uid(peer: Peer) -> None:
    made = await peer.workflows.create("etl")

    answer = await peer.workflows.delete("etl", preconditions={"uid": made["metadata"]["uid"]})

    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"]["uid"] == made["metadata"]["uid"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Not_A_Name", {}),
        ("x" * 254, {}),
        ("etl", {"metadata": {"labels": {"key": "no spaces allowed"}}}),
        ("etl", {"metadata": {"labels": {"key": "x" * 64}}}),
        ("etl", {"metadata": {"annotations": {"bad key": "x"}}}),
        ("etl", {"spec": None}),
    ],
)
async def test_an_invalid_workflow_is_refused(peer: Peer, name: str, parts: dict[str, Any]) -> None:
    status = await refusal(peer.workflows.create(name, **parts))

    assert (status["code"], status["reason"]) == (422, "Invalid")


async def test_nothing_can_be_created_in_a_namespace_that_is_not_there(peer: Peer) -> None:
    body = {"apiVersion": "/".join(ARGO), "kind": "Workflow", "metadata": {"name": "etl"}, "spec": {}}
    create = peer.workflows.custom.create_namespaced_custom_object

    status = await refusal(raw(create, *ARGO, "no-such-namespace", "workflows", body))

    assert (status["code"], status["message"]) == (404, 'namespaces "no-such-namespace" not found')


async def test_the_log_of_a_pod_with_two_containers_wants_one_named(peer: Peer) -> None:
    await peer.pod("etl-1")

    status = await refusal(raw(peer.core.read_namespaced_pod_log, "etl-1", peer.namespace))

    assert status["code"] == 400
    assert "choose one of: [main wait]" in status["message"]


async def test_the_log_of_a_missing_pod_is_not_found(peer: Peer) -> None:
    status = await refusal(raw(peer.core.read_namespaced_pod_log, "etl-1", peer.namespace, container="main"))

    assert (status["code"], status["message"]) == (404, 'pods "etl-1" not found')


async def test_the_log_of_a_pod_that_no_machine_has_is_empty(peer: Peer) -> None:
    await peer.pod("etl-1")

    answer = await asyncio.to_thread(
        peer.core.read_namespaced_pod_log, "etl-1", peer.namespace, container="main", _request_timeout=10
    )

    assert not answer  # the library makes None of nothing that comes without a type


async def test_a_pods_status_is_written_apart_and_its_phase_can_be_selected(peer: Peer) -> None:
    await peer.pod("etl-1")
    await peer.pod("etl-2")
    merge = {"_content_type": "application/merge-patch+json"}
    status = {"status": {"phase": "Failed"}}
    ignored = await raw(peer.core.patch_namespaced_pod, "etl-1", peer.namespace, status, **merge)
    await raw(peer.core.patch_namespaced_pod_status, "etl-2", peer.namespace, status, **merge)

    found = await raw(peer.core.list_namespaced_pod, peer.namespace, field_selector="status.phase=Failed")

    assert ignored["status"]["phase"] == "Pending"
    assert [one["metadata"]["name"] for one in found["items"]] == ["etl-2"]


async def test_a_watch_tells_what_came_after_a_version_and_what_left_its_selection(peer: Peer) -> None:
    await peer.workflows.create("before", metadata={"labels": {"team": "data"}})
    since = (await peer.workflows.list())["metadata"]["resourceVersion"]
    await peer.workflows.create("after", metadata={"labels": {"team": "data"}})
    await peer.workflows.create("unseen")
    await peer.workflows.merge("after", {"spec": {"priority": 1}})
    await peer.workflows.merge("before", {"metadata": {"labels": {"team": "web"}}})

    told = await asyncio.to_thread(_watched, peer, 3, resource_version=since, label_selector="team=data")

    assert told == [("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]


async def test_a_watch_from_a_forgotten_version_has_expired(peer: Peer) -> None:
    await peer.workflows.create("etl")
    peer.forget()

    with pytest.raises(client.ApiException) as expired:
        await asyncio.to_thread(_watched, peer, 1, resource_version="1")

    assert expired.value.status == 410


def _watched(peer: Peer, events: int, **query: Any) -> list[tuple[str, str]]:
    """Return the first events of a watch: what happened, and to whom."""
    told: list[tuple[str, str]] = []
    watcher: Any = watch.Watch()  # type: ignore[no-untyped-call]  # the library's
    stream = watcher.stream(
        peer.workflows.custom.list_namespaced_custom_object,
        *peer.workflows.where,
        timeout_seconds=20,
        _request_timeout=30,
        **query,
    )
    for event in stream:
        told.append((event["type"], event["object"]["metadata"]["name"]))
        if len(told) == events:
            watcher.stop()
    return told
