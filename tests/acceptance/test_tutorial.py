"""The way of a new user: every command of the tutorial and of the README, typed in order into one shell.

At its end a playbook that was written on the way is live and has restarted a workflow of the stand-in cluster. Marks in
comments before a block, which readers do not see: `terminal` is left running in a terminal of its own, `until` is asked
again until it shows what stands below it, `elsewhere` is not run here.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from receiver.model.document import Document
from receiver.settings import Settings
from tests.conftest import tool

from .conftest import ROOT, free_port

ELSEWHERE: Final = {
    "make demo ARGS=--once": "test_commands.py plays the demo",
    "make demo     # builds the environment, plays a real incident on this machine, and says where to look\n"
    "make test     # builds the environment and runs every test": "test_commands.py plays the demo; this is make test",
    "uv run receiver serve --config receiver.yaml": "the tutorial serves without uv; its settings are read below",
}
"""Blocks that are not run here, and where they are."""

PATIENCE: Final = 120
"""Seconds for which a busy machine is waited for."""

_BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<mark>\w+) -->\n)?^```sh\n(?P<commands>.*?)\n^```$(?:\n+^```text\n(?P<shown>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands of a page, and what they are said to print."""

    commands: str
    mark: str | None
    shown: tuple[str, ...]

    def is_met_by(self, said: str) -> bool:
        """Whether every line is there, however wide the columns; `…` stands for anything."""
        spoken = " ".join(said.split())
        return all(
            re.search(".*?".join(re.escape(" ".join(piece.split())) for piece in line.split("…")), spoken)
            for line in self.shown
        )


def blocks(page: str, *, port: int = 8080) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8").replace("8080", str(port))
    return [
        Block(
            commands=found["commands"],
            mark=found["mark"],
            shown=tuple(line for line in (found["shown"] or "").splitlines() if line.strip()),
        )
        for found in _BLOCK.finditer(text)
    ]


class Shell:
    """One shell, as a reader has it open; what it exports stays, and so do its other terminals."""

    def __init__(self, folder: Path, pycache: Path) -> None:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(pycache)}
        self._folder = folder
        self._terminals: list[tuple[subprocess.Popen[bytes], Path]] = []

    def type(self, block: Block) -> None:
        match block.mark:
            case "terminal":
                self._open(block)
            case "until":
                self._until(block)
            case _:
                said = self._run(block)
                assert block.is_met_by(said), f"{block.commands}\nprinted\n{said}{self.heard}"

    def export(self, **variables: str) -> None:
        self._environment |= variables

    @property
    def heard(self) -> str:
        """What the other terminals show."""
        return "".join(f"\n--- {one.args!r}\n{file.read_text()}" for one, file in self._terminals)

    def _run(self, block: Block) -> str:
        exported = self._folder / ".exported"
        script = f"set -euo pipefail\n{block.commands}\nenv -0 > {exported}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0, f"{block.commands}\nended with {done.returncode}\n{done.stdout}{self.heard}"
        self._environment = dict(one.split("=", 1) for one in exported.read_text().split("\0") if one)
        return done.stdout

    def _until(self, block: Block) -> None:
        end = time.monotonic() + PATIENCE
        while not block.is_met_by(said := self._run(block)):
            assert time.monotonic() < end, f"{block.commands}\nwent on to print\n{said}{self.heard}"
            time.sleep(1)  # as a reader would, and for the sake of other tests

    def _open(self, block: Block) -> None:
        file = self._folder / f".terminal-{len(self._terminals)}"
        with file.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {block.commands}"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._terminals.append((process, file))
        end = time.monotonic() + PATIENCE
        while not block.is_met_by(file.read_text()):
            assert process.poll() is None, f"it ended: {self.heard}"
            assert time.monotonic() < end, f"{block.commands}\nhas not printed{block.shown}{self.heard}"
            time.sleep(0.1)

    def leave(self) -> list[int]:
        """Press Ctrl-C in each terminal, the newest first; returns their exit codes."""
        codes = []
        for process, _ in reversed(self._terminals):
            process.send_signal(signal.SIGINT)
            codes.append(process.wait(2 * PATIENCE))
        return codes

    def close(self) -> None:
        for process, _ in self._terminals:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def shell_in(folder: Path, pycache: Path) -> Iterator[Shell]:
    with ExitStack() as stack:
        shell = Shell(folder, pycache)
        stack.callback(shell.close)
        yield shell


def workflows(folder: Path) -> dict[str, Any]:
    """Ask the stand-in cluster itself, as kubectl would."""
    known = json.loads((folder / "practice/kubeconfig.json").read_text())
    server, token = known["clusters"][0]["cluster"]["server"], known["users"][0]["user"]["token"]
    path = f"{server}/apis/argoproj.io/v1alpha1/namespaces/taskmaster/workflows"
    items = httpx.get(path, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE).json()["items"]
    return {one["metadata"]["name"]: one for one in items}


@pytest.mark.timeout(900)
def test_a_new_user_comes_from_the_demo_to_a_live_playbook(folder: Path, pycache: Path) -> None:
    for program in ("bash", "curl"):
        tool(program)
    port = free_port()

    with shell_in(folder, pycache) as shell:
        for block in blocks("docs/tutorial.md", port=port):
            if block.mark != "elsewhere":
                shell.type(block)

        there = workflows(folder)
        renewed = [name for name in there if name.startswith("cleo-reviews-the-code-")]
        assert len(renewed) == 1, "the live playbook ran it anew, once"
        assert there[renewed[0]]["status"]["phase"] == "Succeeded"
        assert there["cleo-reviews-the-code"]["status"]["phase"] == "Failed", "and ended it before"
        assert there["rex-implements-login"]["status"]["phase"] == "Running", "in dry run nothing was touched"

        shell.export(RECEIVER=f"http://127.0.0.1:{port}")
        for block in blocks("README.md", port=port):
            if block.mark != "elsewhere":
                shell.type(block)

        assert shell.leave() == [0, 0]


def test_what_is_not_run_here_is_known() -> None:
    pages = ("docs/tutorial.md", "README.md")

    assert {one.commands for page in pages for one in blocks(page) if one.mark == "elsewhere"} == set(ELSEWHERE)


def test_no_command_hides_from_this_test() -> None:
    for page in ("docs/tutorial.md", "README.md"):
        text = re.sub(
            r"^<!-- demo-output.*?/demo-output -->", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE
        )
        outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)

        assert re.findall(r"^    (?:\$ )?(?:receiver|make|curl|uv) .*", outside, re.MULTILINE) == [], page


def test_the_settings_in_the_readme_are_settings() -> None:
    [settings] = re.findall(
        r"^```yaml\n(database:.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )

    assert Document(settings, file="README.md").decode(Settings).server.port == 8080
