"""Workflows as they are found in clusters become nouns, and hostile ones do no harm."""

import base64
import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from receiver.clients.kubernetes import packed, reading, resubmit_name
from receiver.clients.kubernetes.rerun import resubmission
from receiver.model.workflow import Phase, Pod, Workflow
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, manifest

DATA = Path(__file__).parent.parent.parent / "data/argo"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> ApiServer:
    opened = ApiServer(clock=lambda: NOW)
    manifest.load(opened, sorted((DATA / "fixtures").glob("*.yaml")))
    manifest.load_logs(opened, DATA / "logs")
    return opened


def workflow(server: ApiServer, name: str) -> Workflow:
    return reading.workflow(server.registry.read(WORKFLOW, "argo", name))


def pods(server: ApiServer, name: str) -> list[Pod]:
    return [reading.pod(raw) for raw in server.storage.every(POD) if raw["metadata"]["name"].startswith(f"{name}-work")]


def raw(**parts: Any) -> dict[str, Any]:
    metadata = {"name": "etl", "namespace": "argo", "uid": "u", "resourceVersion": "1"} | parts.pop("metadata", {})
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": {}} | parts


def test_a_running_workflow_is_idle_since_its_last_step_began(server: ApiServer) -> None:
    found = workflow(server, "etl-running-7h")

    assert found.phase is Phase.RUNNING
    assert found.progress == "1/2"
    assert [(node.display_name, node.phase) for node in found.nodes or ()] == [
        ("etl-running-7h", Phase.RUNNING),
        ("extract", Phase.SUCCEEDED),
        ("train", Phase.RUNNING),
    ]
    assert found.idle(NOW, pods(server, "etl-running-7h")) == timedelta(hours=6, minutes=54)


@pytest.mark.parametrize("name", ["etl-suspended-spec", "etl-suspended-node"])
def test_both_kinds_of_suspension_are_seen(server: ApiServer, name: str) -> None:
    found = workflow(server, name)

    assert found.suspended
    assert found.idle(NOW) == timedelta()


def test_a_workflow_that_argo_has_not_seen_yet_has_no_phase(server: ApiServer) -> None:
    found = workflow(server, "etl-new")

    assert (found.phase, found.nodes, found.started_at, found.progress) == (Phase.UNKNOWN, (), None, None)


def test_compressed_steps_are_read(server: ApiServer) -> None:
    found = workflow(server, "etl-compressed")

    assert found.nodes
    assert found.nodes_unreadable == ""


def test_offloaded_steps_are_said_to_be_unreadable(server: ApiServer) -> None:
    found = workflow(server, "etl-offloaded")

    assert found.nodes is None
    assert "only Argo Server can read them" in found.nodes_unreadable
    assert found.idle(NOW) is None


def test_a_workflow_that_is_told_to_stop_says_so(server: ApiServer) -> None:
    assert workflow(server, "etl-stopping").shutdown == "Stop"


def test_a_pod_tells_why_it_waits_and_why_it_ended(server: ApiServer) -> None:
    [pulling] = pods(server, "etl-imagepull-8h")
    [killed] = pods(server, "etl-failed-oom")

    assert pulling.containers[0].waiting == "ImagePullBackOff"
    assert killed.containers[0].last_termination == "OOMKilled"
    assert pods(server, "etl-unschedulable-9h")[0].node_name == ""
    assert pulling.node_id == "etl-imagepull-8h-4181824861"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not base64!", "damaged"),
        (base64.b64encode(b"\x28\xb5\x2f\xfd rest").decode(), "damaged"),
        (base64.b64encode(b"\xff\x02 rest").decode(), "damaged"),
        (base64.b64encode(gzip.compress(b"{}", mtime=0)[:12]).decode(), "cut off"),
        (base64.b64encode(brotli.compress(b"{}" * 99)[:5]).decode(), "cut off"),
        (base64.b64encode(zstandard.compress(b"{}" * 99)[:12]).decode(), "damaged"),
        (base64.b64encode(b"\x1f\x8b garbage").decode(), "damaged"),
        (base64.b64encode(gzip.compress(b"not json", mtime=0)).decode(), "damaged"),
        (base64.b64encode(gzip.compress(b"[1]", mtime=0)).decode(), "not what Argo writes"),
    ],
)
def test_steps_that_cannot_be_unpacked_are_unreadable_with_the_reason(text: str, reason: str) -> None:
    found = reading.workflow(raw(status={"phase": "Running", "compressedNodes": text}))

    assert found.nodes is None
    assert reason in found.nodes_unreadable


def test_a_run_that_argo_server_made_for_us_says_so_by_its_parameters_and_its_repetition_does_not() -> None:
    theirs = {"name": "date", "value": "today"}
    ours = [{"name": "receiver-run", "value": "run-1:2"}, {"name": "receiver-resubmitted-from-uid", "value": "old"}]
    made = raw(spec={"entrypoint": "main", "arguments": {"parameters": [*ours, theirs]}})

    found = reading.workflow(made)
    again = resubmission(made, name="etl-2", operation="run-2:2")

    assert (found.operation, found.resubmitted_from_uid) == ("run-1:2", "old")
    assert again["spec"]["arguments"] == {"parameters": [theirs]}
    assert made["spec"]["arguments"]["parameters"] == [*ours, theirs]


PACKERS = {"gzip": gzip.compress, "zstd": zstandard.compress, "brotli": brotli.compress}


@pytest.mark.parametrize("method", PACKERS)
def test_steps_are_read_whichever_way_argo_packed_them(method: str) -> None:
    nodes = {f"n{number}": {"id": f"n{number}", "type": "Pod", "phase": "Succeeded"} for number in range(5_000)}
    text = base64.b64encode(PACKERS[method](json.dumps(nodes).encode())).decode()

    found = reading.workflow(raw(status={"phase": "Running", "compressedNodes": text}))

    assert [node.id for node in found.nodes or ()] == list(nodes)


@pytest.mark.parametrize("method", PACKERS)
def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(packed, "LARGEST_TREE", 3 * 1024 * 1024)
    bomb = base64.b64encode(PACKERS[method](b" " * 2**23)).decode()

    assert "too large" in reading.workflow(raw(status={"compressedNodes": bomb})).nodes_unreadable


def test_zstd_that_wants_to_look_back_a_gigabyte_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    bomb = base64.b64encode(packer.compress(b"[]") + packer.flush()).decode()

    assert "damaged" in reading.workflow(raw(status={"compressedNodes": bomb})).nodes_unreadable


@pytest.mark.parametrize(
    "status",
    [
        {"nodes": "none"},
        {"nodes": {"a": 1}},
        {"phase": 7, "startedAt": 3, "message": ["x"]},
        {"phase": "Levitating", "startedAt": "yesterday", "finishedAt": "2026-11-24T01:00:00"},
        "gone",
        None,
    ],
)
def test_a_status_that_argo_would_not_write_does_no_harm(status: object) -> None:
    found = reading.workflow(raw(status=status, spec=None))

    assert (found.phase, found.started_at, found.finished_at, found.message) == (Phase.UNKNOWN, None, None, "")


def test_the_word_of_an_agent_is_read_from_the_annotation() -> None:
    said = {"annotations": {"receiver/progress-at": "2026-11-24T12:00:00+01:00"}}

    assert reading.workflow(raw(metadata=said)).progress_at == datetime(2026, 11, 24, 11, tzinfo=UTC)
    assert reading.pod(raw(metadata=said)).progress_at == datetime(2026, 11, 24, 11, tzinfo=UTC)


def test_an_event_of_the_newer_kind_is_counted_by_its_series() -> None:
    event = {
        "reason": "BackOff",
        "message": "m",
        "involvedObject": {"kind": "Pod", "name": "etl-1"},
        "eventTime": "2026-11-24T10:00:00.000000Z",
        "series": {"count": 5, "lastObservedTime": "2026-11-24T11:00:00.000000Z"},
    }

    warning = reading.warning(event)

    assert (warning.count, warning.last_at) == (5, datetime(2026, 11, 24, 11, tzinfo=UTC))


NAMES = ["etl", "e", "x" * 63, "a.b.c", "play-" + "y" * 200, "x" * 49 + "-.-tail"]


@pytest.mark.parametrize("name", NAMES)
def test_a_resubmitted_name_is_valid_and_short_and_the_same_each_time(name: str) -> None:
    made = resubmit_name(name, "run-1")

    assert made == resubmit_name(name, "run-1")
    assert made != resubmit_name(name, "run-2")
    assert len(made) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", made)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_does_not_grow_when_a_resubmitted_run_is_resubmitted(name: str) -> None:
    once = resubmit_name(name, "run-1")

    twice = resubmit_name(once, "run-2")

    assert len(twice) == len(once)
    assert twice != once
    assert twice == resubmit_name(name, "run-2")


def test_a_resubmission_keeps_owners_and_leaves_its_original_alone() -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "name": "nightly", "uid": "c"}
    original = raw(
        metadata={"generateName": "etl-", "ownerReferences": [owner], "finalizers": ["f"]}, status={"phase": "Failed"}
    )
    before = json.dumps(original)

    body = resubmission(original, name="etl-2", operation="run-1:3")

    assert body["metadata"]["ownerReferences"] == [owner]
    assert body["metadata"]["generateName"] == "etl-"
    assert "finalizers" not in body["metadata"]
    assert "status" not in body
    assert json.dumps(original) == before


def test_a_deadline_of_zero_is_dropped_and_any_other_is_kept() -> None:
    zero = resubmission(raw(spec={"activeDeadlineSeconds": 0}), name="a", operation="o")
    some = resubmission(raw(spec={"activeDeadlineSeconds": 60}), name="a", operation="o")

    assert (zero["spec"], some["spec"]) == ({}, {"activeDeadlineSeconds": 60})
