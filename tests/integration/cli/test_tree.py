"""The tree of commands as a whole: each is explained, each list has every form, each way to fail its exit code."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ruamel.yaml import YAML
from typer.main import get_command

from receiver.cli import front
from receiver.cli.group import LATER
from receiver.store.archive_tables import ArchiveRow
from receiver.store.cleanup_tables import CleanupRow
from tests.integration.command_line import Receiver, command_line

NOW: Final = datetime(2026, 11, 24, 3, 22, 31, 673412, UTC)


def tree() -> Iterator[tuple[str, Any]]:
    """All commands, each with the words that call it; groups that are none themselves are left out."""
    root: Any = get_command(front.app)
    for name in root.list_commands(None):
        later = LATER.get(name)
        yield from below(name, get_command(import_module(later.module).app) if later else root.commands[name])


def below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, and those of a group."""
    children = getattr(command, "commands", {})
    if not children or (command.invoke_without_command and command.params):
        yield words, command
    for name, child in children.items():
        yield from below(f"{words} {name}", child)


COMMANDS: Final = dict(tree())
LISTS: Final = [words for words in COMMANDS if words.endswith(" list")]


def options(words: str) -> set[str]:
    """All options of a command."""
    return {name for one in COMMANDS[words].params for name in one.opts}


@pytest.fixture
def receiver(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Receiver:
    """The command line on the test's own database."""
    config = tmp_path / "receiver.yaml"
    config.write_text(json.dumps({"data_dir": str(tmp_path), "database": {"url": database_url}}), encoding="utf-8")
    monkeypatch.setenv("RECEIVER_CONFIG", str(config))
    monkeypatch.delenv("RECEIVER_TOKEN", raising=False)
    return command_line(monkeypatch, capfd)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Receiver:
    """The command line on a laptop: without any settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)
    monkeypatch.delenv("RECEIVER_TOKEN", raising=False)
    return command_line(monkeypatch, capfd)


@pytest.fixture
async def alertmanager() -> AsyncIterator[str]:
    """An Alertmanager with one silence."""

    async def silences(_: web.Request) -> web.Response:
        times = {
            "startsAt": "2026-11-24T03:00:00Z",
            "endsAt": "2026-11-25T03:00:00Z",
            "updatedAt": "2026-11-24T03:00:00Z",
        }
        matcher = {"name": "team", "value": "a", "isRegex": False, "isEqual": True}
        one = {
            "id": "s-1",
            "status": {"state": "active"},
            "createdBy": "kim",
            "comment": "disks",
            "matchers": [matcher],
        }
        return web.json_response([one | times])

    app = web.Application()
    app.router.add_get("/api/v2/silences", silences)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_is_explained_and_so_is_each_of_its_options(words: str) -> None:
    command = COMMANDS[words]

    first = (command.help or "").splitlines()[0]
    assert first.endswith("."), first
    assert [one.name for one in command.params if not getattr(one, "help", None)] == []


@pytest.mark.parametrize("words", LISTS)
def test_each_list_can_be_had_in_each_form_and_watched(words: str) -> None:
    assert {"--output", "-o", "--watch", "-w"} <= options(words)


REMOTE: Final = [words for words in COMMANDS if "--server" in options(words) and words != "test-alert"]
"""A test alert is posted to Alertmanager first."""
NEEDED: Final = {
    "ALERT|INCIDENT|REQUEST": "7", "NS/NAME": "argo/etl", "NS/NAME|ID": "7", "ID": "7", "ID...": "7", "NAME": "restart",
    "NAME|FILE": "restart",
}  # fmt: skip
"""By how an argument is shown: something that can stand for it."""


def needs(words: str) -> list[str]:
    """What a command must be given beside its name."""
    given = []
    for one in COMMANDS[words].params:
        if one.param_type_name == "argument":
            given.append(NEEDED[one.metavar])
        elif one.required:
            given += [one.opts[0], "why"]
    return given


@pytest.mark.parametrize("words", REMOTE)
async def test_where_no_service_answers_a_command_fails_and_says_what_to_look_at(alone: Receiver, words: str) -> None:
    code, out, err = await alone(*words.split(), *needs(words), "--server", "http://127.0.0.1:9")

    assert (code, out) == (1, ""), err
    assert err.startswith("receiver: ")
    assert "http://127.0.0.1:9 does not answer, asked for " in err
    assert err.endswith("does `receiver serve` run there, and can it be reached from here?\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("words", REMOTE)
async def test_an_address_that_is_none_is_wrong_usage(alone: Receiver, words: str) -> None:
    code, _, err = await alone(*words.split(), *needs(words), "--server", "receiver.example.org")

    assert (code, "write one such as https://" in err) == (2, True), err


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in {*REMOTE, "test-alert", "agent"}])
async def test_a_command_that_works_beside_the_database_only_says_so_and_what_to_do(
    alone: Receiver, words: str
) -> None:
    code, _, err = await alone(*words.split(), "--server", "https://receiver.example.org")

    assert code == 2
    assert err.startswith(f"receiver: `receiver {words}` takes no --server: "), err
    assert re.search("; run it where|; say |: name |; see |; open ", err), err


def test_whatever_is_printed_for_programs_is_printed_by_the_same_option() -> None:
    for words, command in COMMANDS.items():
        for one in command.params:
            if one.name == "output":
                assert one.opts == ["--output", "-o"], words
            else:
                assert not {"--json", "--yaml"} & set(one.opts), words


async def test_each_list_prints_its_items_in_each_form(receiver: Receiver, alertmanager: str, records: Any) -> None:
    incident = await records.incident()
    made = {
        "alerts": await records.alert(),
        "incidents": incident,
        "remediations": await records.run(incident_id=incident),
        "outbox": await records.message(),
        "deadletter": await records.dead_letter(body=b"{"),
        "playbooks": "restart-stuck-workflow",
        "archive": (await records.insert(ArchiveRow, ARCHIVE))[0].id,
        "cleanup": (await records.insert(CleanupRow, CLEANUP))[0].id,
        "silences": "s-1",
    }
    await records.playbook()

    for words in LISTS:
        name, there = made.pop(words.split()[0]), []
        if "--alertmanager" in options(words):
            there = ["--alertmanager", alertmanager]
        said = {form: await receiver(*words.split(), "-o", form, *there) for form in ("table", "json", "yaml", "name")}

        assert [code for code, _, _ in said.values()] == [0, 0, 0, 0], (words, said)
        found = json.loads(said["json"][1])
        assert YAML(typ="safe").load(said["yaml"][1]) == found, words
        assert len(found["items"]) == 1, words
        assert str(name) in {str(found["items"][0].get("id")), found["items"][0].get("name")}
        assert said["name"][1] == f"{name}\n"
        assert str(name) in said["table"][1]
    assert made == {}, "lists that are none any more"


async def test_a_check_is_printed_for_programs_thing_by_thing(alone: Receiver) -> None:
    code, out, _ = await alone("check", "-o", "json")

    found = [json.loads(line) for line in out.splitlines()]
    assert code == (1 if "FAIL" in {one["mark"] for one in found} else 0)
    assert {"database", "slack", "spool"} <= {one["thing"] for one in found}


ARCHIVE: Final[dict[str, Any]] = {
    "namespace": "argo", "name": "etl", "uid": "u", "content": "c", "labels": {}, "phase": "Succeeded",
    "started_at": None, "finished_at": NOW, "archived_at": NOW, "archived_by": "kim", "bucket": "b", "key": "k",
    "size": 1, "sha256": "s", "verified_at": None, "trouble": "",
}  # fmt: skip
CLEANUP: Final[dict[str, Any]] = {
    "started_at": NOW, "ended_at": NOW, "started_by": "kim", "older_than": timedelta(days=7), "budget": 500, "due": 1,
    "archived": 1, "deleted": 1, "skipped": {}, "failed": 0, "size": 1, "trouble": "",
}  # fmt: skip
