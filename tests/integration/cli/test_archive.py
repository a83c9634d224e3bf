"""`receiver archive` and its API, on a stand-in cluster, a real Postgres and a real S3 store."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import text

from receiver.model.archive import canonical
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer
from receiver.sandbox.scenario import workflow
from receiver.store.database import Database
from tests.integration.command_line import Receiver, command_line

AT = "2026-11-24T03:22:31Z"
SHAPE = {
    "id": 42, "namespace": "argo", "name": "etl", "uid": "u", "phase": "Succeeded", "labels": {}, "started_at": None,
    "finished_at": AT, "archived_at": AT, "archived_by": "ann", "bucket": "b", "key": "k", "size": 1, "sha256": "s",
    "content_sha256": "c", "masked": False, "verified_at": None, "trouble": "",
}  # fmt: skip


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """A cluster in which `argo/etl` has ended and `argo/new` has not begun."""
    async with ApiServer() as server:
        server.adopt(workflow("argo", "etl", course="succeed"))
        controller = ArgoController(server)
        for _ in range(20):
            controller.advance()
        server.adopt(workflow("argo", "new"))
        yield server


@pytest.fixture
def config(database_url: str, weed: Any, api: ApiServer, tmp_path: Path) -> Path:
    """Settings with a cluster and a bucket."""
    kubeconfig, config = tmp_path / "kubeconfig.json", tmp_path / "receiver.yaml"
    kubeconfig.write_text(json.dumps(api.kubeconfig()), encoding="utf-8")
    settings = {
        "data_dir": str(tmp_path),
        "database": {"url": database_url},
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": api.kubeconfig()["current-context"]},
        "archive": {"bucket": weed.new_bucket(), "region": "us-west-2", "endpoint_url": weed.url},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    return config


@pytest.fixture
def receiver(config: Path, weed: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Receiver:
    """The command line with these settings."""
    environment = {
        "RECEIVER_CONFIG": str(config),
        "AWS_ACCESS_KEY_ID": weed.access_key,
        "AWS_SECRET_ACCESS_KEY": weed.secret_key,
        "COLUMNS": "200",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return command_line(monkeypatch, capfd, "archive")


async def test_a_workflow_is_archived_listed_brought_back_and_verified(
    receiver: Receiver, api: ApiServer, tmp_path: Path
) -> None:
    raw = canonical(api.registry.read(WORKFLOW, "argo", "etl")).decode()

    code, told, error = await receiver("create", "argo/etl", "-o", "json")
    kept = json.loads(told or "{}")
    again = await receiver("create", "argo/etl")
    listed = await receiver("list", "--namespace", "argo", "--label", "agent=rex", "--phase", "Succeeded")
    others = await receiver("list", "--label", "agent=tess")
    shown = await receiver("get", "argo/etl")
    filed = await receiver("get", str(kept["id"]), "--file", str(tmp_path / "etl.json"))
    at = kept["key"].rsplit("/", 1)[-1].removesuffix(".json.gz")
    dated = await receiver("get", "argo/etl", "--at", at)
    verified = await receiver("verify", "--all")

    assert (code, error) == (0, "")
    assert kept["archived_by"].endswith("at the command line")
    assert again == (0, told_of(kept), "")
    assert "argo/etl" in listed[1]
    assert f"1 in all, {kept['size']} bytes" in listed[1]
    assert others[1] == "nothing is archived\n"
    assert shown == dated == (0, raw + "\n", "")
    assert filed == (0, "", "")
    assert (tmp_path / "etl.json").read_text(encoding="utf-8") == raw + "\n"
    assert verified == (0, "1 archives were read back, 0 of them are not whole or could not be read\n", "")


def told_of(kept: Any) -> str:
    place = f"s3://{kept['bucket']}/{kept['key']}"
    return f"workflow argo/etl is archive {kept['id']}, {place}: {kept['size']} bytes, read back and compared\n"


async def test_an_archived_workflow_is_brought_back_as_a_new_one_that_says_where_it_is_from(
    receiver: Receiver, api: ApiServer
) -> None:
    old = api.registry.read(WORKFLOW, "argo", "etl")
    _, told, _ = await receiver("create", "argo/etl", "-o", "json")
    kept = json.loads(told)

    collided = await receiver("restore", "argo/etl")
    restored = await receiver("restore", "argo/etl", "--name", "etl-again")
    repeated = await receiver("restore", "argo/etl", "--name", "etl-again")
    began = await receiver("restore", str(kept["id"]), "--name", "etl-third", "--begin")

    made = api.registry.read(WORKFLOW, "argo", "etl-again")
    assert (collided[0], collided[1]) == (1, "")
    assert "argo/etl" in collided[2]
    assert api.registry.read(WORKFLOW, "argo", "etl") == old
    assert (restored[0], repeated) == (0, restored)
    assert restored[1] == "workflow argo/etl-again is there, suspended; `argo resume` lets it begin\n"
    assert made["metadata"]["labels"] == {"agent": "rex", "receiver/restored-from": old["metadata"]["uid"]}
    assert made["metadata"]["annotations"]["receiver/archive"] == f"s3://{kept['bucket']}/{kept['key']}"
    assert made["spec"] == old["spec"] | {"suspend": True}
    assert "nodes" not in made.get("status", {})
    assert began[1] == "workflow argo/etl-third is there, and begins\n"


async def test_what_is_not_whole_is_named_and_ends_with_1(receiver: Receiver, weed: Any) -> None:
    _, told, _ = await receiver("create", "argo/etl", "-o", "json")
    kept, admin = json.loads(told), weed.admin()
    admin.delete_object(Bucket=kept["bucket"], Key=kept["key"])
    admin.close()

    verified = await receiver("verify", "argo/etl", "-o", "json")
    gotten = await receiver("get", "argo/etl")
    listed = await receiver("list", "-o", "json")

    found = json.loads(verified[1])
    assert (verified[0], found["id"], found["whole"]) == (1, kept["id"], False)
    assert "NoSuchKey" in found["trouble"]
    assert (gotten[0], gotten[1]) == (1, "")
    assert kept["key"] in gotten[2]
    assert (json.loads(listed[1])["items"][0]["verified_at"]) is None


async def test_what_a_store_does_not_offer_is_said_and_what_fails_ends_with_1(receiver: Receiver) -> None:
    tried = await receiver("setup", "--dry-run")
    code, told, error = await receiver("setup")

    assert (tried[0], code, error) == (0, 1, "")
    assert "bucket: as it ought to be\n" in told
    assert "public access: not offered by this store\n" in told
    assert "lifecycle: would be changed\n" in tried[1]
    assert "lifecycle: not changed: " in told
    assert '  +       "ID": "WorkflowArchiveLifecycle",' in told


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "argo/new"], 1, "only a finished one is archived"),
        (["create", "argo/none"], 1, "argo/none"),
        (["create", "etl"], 2, "namespace/name"),
        (["get", "argo/none"], 1, "there is no archive argo/none; `receiver archive list` lists what there is"),
        (["get", "argo/etl", "--at", "today"], 2, "20261124_032231"),
        (["verify"], 2, "name one archive, or give --all"),
        (["list", "--label", "agent"], 2, "write name=value"),
    ],
)
async def test_what_cannot_be_done_is_said(receiver: Receiver, words: list[str], code: int, said: str) -> None:
    ended, _, error = await receiver(*words)

    assert ended == code
    assert said in " ".join(error.replace("│", " ").split())


async def test_the_index_is_made_anew_out_of_the_bucket_to_the_last_column(
    receiver: Receiver, weed: Any, database: Database
) -> None:
    _, told, _ = await receiver("create", "argo/etl", "-o", "json")
    kept, admin = json.loads(told), weed.admin()
    stranger = "workflow-archives/argo/etl/20200101_000000.json.gz"
    admin.put_object(Bucket=kept["bucket"], Key=stranger, Body=b"x")
    admin.put_object(Bucket=kept["bucket"], Key="workflow-archives/readme.txt", Body=b"x")
    admin.close()
    async with database.transaction() as tx:
        await tx.execute(text("delete from archives"))

    empty = await receiver("list")
    found = await receiver("list", "--from-bucket", "-o", "json")
    again = await receiver("list", "--from-bucket")

    made = json.loads(found[1])["items"]
    assert empty[1] == "nothing is archived\n"
    assert [one | {"id": 0, "verified_at": ""} for one in made] == [kept | {"id": 0, "verified_at": ""}]
    assert made[0]["verified_at"] is not None
    assert "3 objects are in the bucket; 0 were in the index, 1 were added" in found[2]
    assert f"{stranger}: left alone: " in found[2]
    assert "workflow-archives/readme.txt: left alone: its key is none of an archive" in found[2]
    assert "1 were in the index, 0 were added" in again[1]


async def test_logs_lie_beside_a_workflow_whose_own_object_is_the_same_without_them(
    receiver: Receiver, database: Database
) -> None:
    _, plain, _ = await receiver("create", "argo/etl", "-o", "json")
    made = await receiver("create", "argo/etl", "--with", "logs,events", "-o", "json")
    told = await receiver("create", "argo/etl", "--with", "logs")
    shown = await receiver("get", "argo/etl", "--part", "logs")
    async with database.transaction() as tx:
        await tx.execute(text("delete from archives"))
    found = await receiver("list", "--from-bucket", "-o", "json")
    wrong = await receiver("create", "argo/etl", "--with", "artifacts")

    kept = json.loads(made[1])
    logs, events = kept.pop("attachments")
    assert kept | {"verified_at": ""} == json.loads(plain) | {"verified_at": ""}
    assert (logs["part"], events["part"]) == ("logs", "events")
    assert told[1].endswith(
        f"its logs are beside it, s3://{kept['bucket']}/{logs['key']}: {logs['size']} bytes, read back and compared\n"
    )
    pods = json.loads(shown[1])["pods"]
    assert [pod["containers"][0]["log"] for pod in pods] == ["prepare: started\n", "implement: started\n"]
    assert "1 objects are in the bucket; 0 were in the index, 1 were added" in found[2]
    assert "left alone" not in found[2]
    assert wrong[0] == 2


async def test_a_sample_is_drawn_and_a_restored_name_must_be_one(receiver: Receiver) -> None:
    await receiver("create", "argo/etl")

    drawn = await receiver("verify", "--sample", "5")
    both = await receiver("verify", "--sample", "5", "--all")
    misnamed = await receiver("restore", "argo/etl", "--name", "../etl")

    assert drawn == (0, "1 archives were read back, 0 of them are not whole or could not be read\n", "")
    assert both[0] == misnamed[0] == 2
    assert "is no name of a workflow" in misnamed[2]


async def test_a_service_elsewhere_is_asked_to_restore_and_its_refusal_ends_with_1(receiver: Receiver) -> None:
    asked: list[Any] = []
    answers = iter(["workflow argo/again is there, and begins", "it was not restored: its name is taken"])

    async def listed(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.json_response({"items": [SHAPE], "next": None, "previous": None, "total": 1, "total_size": 1})

    async def restored(request: web.Request) -> web.Response:
        asked.append((request.path, await request.json()))
        return web.json_response({"request_id": 5, "run_id": None}, status=202)

    async def answered(_: web.Request) -> web.Response:
        told = {"id": 5, "at": AT, "kind": "restore", "run_id": None, "asked_by": "ann", "answered_at": AT}
        return web.json_response(told | {"answer": next(answers)})

    app = web.Application()
    app.router.add_get("/api/v1/archives", listed)
    app.router.add_post("/api/v1/archives/{id}/restore", restored)
    app.router.add_get("/api/v1/requests/5", answered)
    async with TestServer(app) as server:
        place = ("--server", str(server.make_url("")))
        made = await receiver("restore", "argo/etl", "--at", "20261124_032231", "--name", "again", "--begin", *place)
        refused = await receiver("restore", "7", *place)

    wanted, by_name, by_number = asked
    assert made == (0, "workflow argo/again is there, and begins\n", "")
    assert refused == (1, "it was not restored: its name is taken\n", "")
    assert (wanted["namespace"], wanted["name"], wanted["limit"]) == ("argo", "etl", "1")
    assert (wanted["since"], wanted["until"]) == ("2026-11-24T03:22:31+00:00", "2026-11-24T03:22:32+00:00")
    assert by_name == ("/api/v1/archives/42/restore", {"name": "again", "begin": True})
    assert by_number == ("/api/v1/archives/7/restore", {"name": None, "begin": False})
