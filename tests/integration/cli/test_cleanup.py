"""`receiver cleanup` and `receiver ops weekly`, on a stand-in cluster, a real Postgres and a real S3 store."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from receiver.model.archive import canonical, unpacked
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer, Json
from receiver.sandbox.kubernetes.access import holder
from receiver.sandbox.kubernetes.registry import timestamp
from tests.integration.command_line import Receiver, command_line

MANY = 30


def ended(name: str, days: float, **labels: str) -> Json:
    at = timestamp(datetime.now(UTC) - timedelta(days=days))
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": "argo", "creationTimestamp": at, "labels": labels},
        "spec": {"entrypoint": "main", "templates": []},
        "status": {"phase": "Succeeded", "startedAt": at, "finishedAt": at},
    }


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as server:
        yield server


@pytest.fixture
def config(database_url: str, weed: Any, api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a cluster and a bucket."""
    kubeconfig, config = tmp_path / "kubeconfig.json", tmp_path / "receiver.yaml"
    kubeconfig.write_text(json.dumps(api.kubeconfig()), encoding="utf-8")
    settings = {
        "data_dir": str(tmp_path),
        "database": {"url": database_url},
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": "sandbox", "namespaces": ["argo"]},
        "archive": {"bucket": weed.new_bucket(), "region": "us-west-2", "endpoint_url": weed.url},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    environment = {
        "RECEIVER_CONFIG": str(config),
        "AWS_ACCESS_KEY_ID": weed.access_key,
        "AWS_SECRET_ACCESS_KEY": weed.secret_key,
        "COLUMNS": "220",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return config


@pytest.fixture
def receiver(config: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Receiver:
    """The command line with these settings."""
    assert config.exists()
    return command_line(monkeypatch, capfd)


async def test_a_cleanup_is_planned_done_listed_and_judged(receiver: Receiver, api: ApiServer) -> None:
    api.adopt(ended("old", 9), ended("older", 20), ended("young", 1))
    api.adopt(ended("mine", 30, **{"receiver/remediate": "false"}))

    before = await receiver("ops", "weekly", "-o", "json")
    planned = await receiver("cleanup", "--dry-run")
    there = len(api.storage.every(WORKFLOW, "argo"))
    first = await receiver("cleanup", "--budget", "1")
    second = await receiver("cleanup", "--older-than", "8d", "-o", "json")
    listed = await receiver("cleanup", "list", "-o", "json")
    after = await receiver("ops", "weekly")

    assert before[0] == 1
    assert json.loads(before[1])["failures"] == ["last cleanup", "oldest finished workflow", "newest archive"]
    assert (planned[0], there) == (0, 4)
    assert "2 are due, of which one run would delete 2" in planned[1]
    assert first[0] == 0
    assert "cleanup 1: 2 were due, 1 archived and read back, 1 deleted" in first[1]
    assert "the budget of 1 is spent; the next run goes on with what is left" in first[1]
    assert "its label is receiver/remediate=false" in first[1]
    run = json.loads(second[1])["run"]
    assert (second[0], run["deleted"], run["skipped"], run["trouble"]) == (0, 1, {"opted_out": 1}, "")
    assert [one["id"] for one in json.loads(listed[1])["items"]] == [2, 1]
    assert (after[0], after[2]) == (0, "")
    assert "2 in the index, 2 in the bucket; 0 lost, 0 not indexed" in after[1]
    assert after[1].endswith("weekly: every line is within its limit\n")
    assert sorted(one["metadata"]["name"] for one in api.storage.every(WORKFLOW, "argo")) == ["mine", "young"]


async def test_what_is_lost_from_the_bucket_or_unknown_to_the_index_is_named(
    receiver: Receiver, api: ApiServer, config: Path, weed: Any
) -> None:
    bucket = json.loads(config.read_text())["archive"]["bucket"]
    api.adopt(ended("old", 9))
    await receiver("cleanup")
    admin = weed.admin()
    [kept] = admin.list_objects_v2(Bucket=bucket)["Contents"]
    admin.put_object(Bucket=bucket, Key="workflow-archives/argo/x/stranger", Body=b"x")
    admin.delete_object(Bucket=bucket, Key=kept["Key"])
    admin.close()

    code, told, _ = await receiver("ops", "weekly", "-o", "json")

    found = json.loads(told)
    lines = {line["subject"]: line for line in found["lines"]}
    assert (code, found["failures"]) == (1, ["ten newest archives", "index against bucket"])
    assert lines["ten newest archives"]["details"][0].endswith(f"{kept['Key']}: it is gone")
    assert lines["index against bucket"]["value"] == "1 in the index, 1 in the bucket; 1 lost, 1 not indexed"
    assert lines["index against bucket"]["details"] == ["not in the index: workflow-archives/argo/x/stranger"]


async def test_what_cannot_be_is_refused_before_anything_is_touched(
    receiver: Receiver, api: ApiServer, config: Path, weed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.adopt(ended("old", 9))

    elsewhere = await receiver("cleanup", "--namespace", "kube-system")
    kind = await receiver("cleanup", "--leftovers", "secrets")
    monkeypatch.setenv("RECEIVER_ARCHIVE__BUCKET", "never-made")
    missing = await receiver("cleanup")
    monkeypatch.setenv("RECEIVER_ARCHIVE__BUCKET", json.loads(config.read_text())["archive"]["bucket"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    rightless = await receiver("cleanup")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", weed.secret_key)
    done = await receiver("cleanup")

    assert (elsewhere[0], kind[0], missing[0], rightless[0], done[0]) == (2, 2, 1, 1, 0)
    assert "none of kubernetes.namespaces" in elsewhere[2]
    assert "neither pods nor pvcs" in kind[2]
    assert "check archive.bucket" in missing[2]
    assert "check the credentials" in rightless[2]
    deletions = [request for request in api.faults.requests if request.method == "DELETE"]
    assert len(deletions) == 1


async def test_its_role_is_enough_and_names_no_more_than_that(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told, _ = await receiver("cleanup", "rbac", "--leftovers", "pvcs")
    role, _ = YAML(typ="safe").load_all(told)
    kubeconfig = tmp_path / "poor.json"
    monkeypatch.setenv("RECEIVER_KUBERNETES__KUBECONFIG", str(kubeconfig))
    async with ApiServer(identities={"token": holder("receiver-cleanup", role)}) as poor:
        kubeconfig.write_text(json.dumps(poor.kubeconfig()), encoding="utf-8")
        poor.adopt(ended("old", 9))
        done = await receiver("cleanup", "--leftovers", "pvcs", "-o", "json")
        left = poor.storage.every(WORKFLOW, "argo")

    verbs = {rule["resources"][0]: rule["verbs"] for rule in role["rules"]}
    assert (code, done[0], left) == (0, 0, [])
    assert verbs == {
        "workflows": ["get", "list", "delete"],
        "pods": ["list"],
        "persistentvolumeclaims": ["list", "delete"],
    }


async def test_a_process_that_is_killed_in_the_middle_leaves_no_workflow_unarchived(
    receiver: Receiver, api: ApiServer, config: Path, weed: Any
) -> None:
    whole = {f"etl-{number}": ended(f"etl-{number}", 9) for number in range(MANY)}
    kept = {one["metadata"]["name"]: canonical(one) for one in api.adopt(*whole.values())}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "receiver", "cleanup", env=dict(os.environ), stdout=-3, stderr=-3
    )
    deleting = asyncio.create_task(api.faults.until_seen(2, method="DELETE"))
    gone = asyncio.create_task(process.wait())
    await asyncio.wait((deleting, gone), return_when=asyncio.FIRST_COMPLETED)
    assert not gone.done(), "it ended before it deleted anything"
    process.send_signal(signal.SIGKILL)
    await gone
    there = {one["metadata"]["name"] for one in api.storage.every(WORKFLOW, "argo")}

    bucket = json.loads(config.read_text())["archive"]["bucket"]
    archived = contents(weed, bucket)
    code, told, _ = await receiver("cleanup", "-o", "json")

    assert 0 < len(there) < MANY
    assert {kept[name] for name in kept.keys() - there} <= set(archived)
    assert (code, json.loads(told)["run"]["deleted"]) == (0, len(there))
    assert sorted(contents(weed, bucket)) == sorted(kept.values()), "each once"


def contents(weed: Any, bucket: str) -> list[bytes]:
    admin = weed.admin()
    listed = admin.list_objects_v2(Bucket=bucket).get("Contents", [])
    found = [unpacked(admin.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()) for one in listed]
    admin.close()
    return found
