"""Which checks an agent has, how they end, and what starts with them."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from receiver.agent.board import Check
from receiver.agent.checks import assemble, read_checks
from receiver.agent.run import Commands
from receiver.agent.synthetic import judge, place
from receiver.agent.trouble import AgentMisused, CheckFailed

LIMIT = timedelta(seconds=20)
NAMES = ["git_access", "workspace_access", "mcp_connection", "cargo_tools"]


def checks(folder: Path, agent: str = "cleo", more: str = "") -> dict[str, Check]:
    """The checks of an agent whose only programs are those in `bin`."""
    environment = {"WORKSPACE_PATH": str(folder), "MCP_SERVER_URL": "http://127.0.0.1:1", "PATH": str(folder / "bin")}
    file = folder / "checks.yaml"
    file.write_text(more)
    found = assemble(agent, environment, Commands(environment, folder=str(folder)), read_checks(file))
    return {check.name: check for check in found}


def program(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("agent", ["rex", "cleo", "tess", "somebody"])
def test_every_agent_tells_the_same_four(tmp_path: Path, agent: str) -> None:
    assert list(checks(tmp_path, agent)) == NAMES


@pytest.mark.parametrize(
    ("agent", "asked"),
    [
        ("cleo", ["--version", "fmt --version", "clippy --version"]),
        ("tess", ["--version", "test --help"]),
        ("somebody", ["--version"]),
        ("rex", []),
    ],
)
def test_each_agent_needs_its_own_tools_of_cargo(
    tmp_path: Path, agent: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "cargo", f'echo "$@" >>{tmp_path}/asked')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    checks(tmp_path, agent)["cargo_tools"].look(LIMIT)

    log = tmp_path / "asked"
    assert (log.read_text().splitlines() if log.exists() else []) == asked


def test_only_rex_asks_the_mcp_server(tmp_path: Path) -> None:
    checks(tmp_path, "cleo")["mcp_connection"].look(LIMIT)

    with pytest.raises(CheckFailed, match="does not answer"):
        checks(tmp_path, "rex")["mcp_connection"].look(LIMIT)


def test_a_workspace_that_cannot_be_written_fails(tmp_path: Path) -> None:
    checks(tmp_path)["workspace_access"].look(LIMIT)
    assert [path.name for path in tmp_path.iterdir()] == ["checks.yaml"]

    with pytest.raises(CheckFailed, match="nothing can be written to"):
        checks(tmp_path, more="checks: [{name: workspace_access, writable: /proc/self}]")["workspace_access"].look(
            LIMIT
        )


def test_a_workspace_without_a_repository_fails(tmp_path: Path) -> None:
    commands = Commands(os.environ)
    git = assemble("rex", {"WORKSPACE_PATH": str(tmp_path)}, commands)[0]

    with pytest.raises(CheckFailed, match="not a git repository"):
        git.look(LIMIT)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    git.look(LIMIT)


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! >{tmp_path}/child; wait"

    with pytest.raises(CheckFailed, match="did not end within 1 s"):
        Commands(os.environ).run(["/bin/sh", "-c", script], timedelta(seconds=1))

    child = (tmp_path / "child").read_text().strip()
    end = time.monotonic() + 30
    while runs(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def runs(process: str) -> bool:
    """Say whether a process lives; one that was killed is gone a moment later, and may stay as a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_child_that_outlives_its_command_holds_nobody_up() -> None:
    Commands(os.environ).run(["/bin/sh", "-c", "sleep 5 & exit 0"], LIMIT)

    with pytest.raises(CheckFailed, match="ended with 3: too bad"):
        Commands(os.environ).run(["/bin/sh", "-c", "echo too bad; exit 3"], LIMIT)


def test_a_team_adds_checks_and_replaces_ours(tmp_path: Path) -> None:
    found = checks(
        tmp_path,
        more="checks:\n- {name: gpu, command: [/bin/true], limit: 3s}\n- {name: cargo_tools, command: [/bin/true]}\n"
        "- {name: only_tess, command: [/bin/false], agents: [tess]}\n",
    )

    found["gpu"].look(LIMIT)
    found["cargo_tools"].look(LIMIT)
    assert list(found) == [*NAMES, "gpu"]
    assert found["gpu"].limit == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checks: [{name: gpu}]", "exactly one of command, url and writable"),
        ("checks: [{name: gpu, url: http://a, writable: /b}]", "exactly one of command, url and writable"),
        ("checks: [{name: gpu, command: []}]", "is empty"),
        ("checks: [{name: 'a b', command: [x]}]", "is a word"),
        ("checks: [{name: gpu, command: [x], limit: soon}]", "must be such as 5s"),
        ("checks: [{name: gpu, comand: [x]}]", "comand"),
        ("checks: [", "cannot be used"),
    ],
)
def test_a_wrong_check_is_refused_with_its_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AgentMisused, match=said):
        checks(tmp_path, more=text)


GOOD = '{"status": "healthy", "timestamp": "2026-11-25T06:00:00Z", "checks": {"a": true}, "agent_type": "rex"}'


def test_a_healthy_answer_is_accepted() -> None:
    judge("rex", 200, GOOD.encode())

    assert place("rex").url == "http://rex-agent:8080/health"
    assert place("rex=https://there/").url == "https://there/health"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, "<html>", "no JSON"),
        (200, "[]", "no object"),
        (200, '{"status": "healthy"}', "without timestamp, checks, agent_type"),
        (200, GOOD.replace("rex", "cleo"), "another agent: cleo"),
        (200, GOOD.replace("2026-11", "soon"), "cannot be read"),
        (503, GOOD, "unhealthy"),
        (503, GOOD.replace("healthy", "unhealthy").replace("true", "false"), "unhealthy \\(503\\): a"),
    ],
)
def test_any_other_answer_is_not(status: int, body: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        judge("rex", status, body.encode())


@pytest.mark.parametrize("text", ["", "a b", "rex=ftp://there"])
def test_an_agent_needs_a_name_and_an_address(text: str) -> None:
    with pytest.raises(AgentMisused, match="names no agent"):
        place(text)


def test_the_way_to_the_agents_imports_nothing_of_the_service() -> None:
    script = (
        "import atexit, sys\n"
        "sys.argv = ['receiver', 'agent', '--help']\n"
        "atexit.register(lambda: print('IMPORTED', *sys.modules))\n"
        "from receiver.cli import main\n"
        "main()\n"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    imported = said.partition("IMPORTED ")[2].split()
    ours = {name for name in imported if name.partition(".")[0] == "receiver"}
    assert {name for name in ours if not name.startswith("receiver.agent")} == {
        "receiver",
        "receiver.cli",
        "receiver.cli.way_in",
    }
    heavy = {"aiohttp", "boto3", "kubernetes", "litestar", "psycopg", "ruamel.yaml", "rich", "sqlalchemy", "typer"}
    assert heavy.isdisjoint(imported)
