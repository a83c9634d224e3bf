"""What runs beside agents, started as the processes that it is."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import free_port
from tests.conftest import tool

RECEIVER = str(Path(sys.executable).with_name("receiver"))


def receiver(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return subprocess.run([RECEIVER, *command], capture_output=True, text=True, check=False, timeout=100)


def until(true: Callable[[], Any], what: str, *, within: float = 60) -> Any:
    """Wait until something is true, and give it."""
    end = time.monotonic() + within
    while not (found := true()):
        assert time.monotonic() < end, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)
    return found


def fetch(url: str) -> tuple[int, str, str]:
    """Status, content type and text of a page; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - the test's own addresses
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers["Content-Type"], refusal.read().decode()
    except OSError:
        return 0, "", ""


@dataclass
class Started:
    """A running command."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def port(self) -> int:
        """The port that it says it listens on."""

        def told() -> Any:
            assert self.process.poll() is None, self.said
            return re.search(r"on port (\d+)", self.said)

        return int(until(told, "it listens")[1])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


Start = Callable[..., Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands, and ends them with the test."""
    running: list[Started] = []

    def begin(*command: str, **environment: str) -> Started:
        log = tmp_path / f"log-{len(running)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment, start_new_session=True
            )
        running.append(Started(process, log))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()


@pytest.fixture
def gateway(start: Start) -> str:
    """A real Pushgateway, with its address."""
    url = f"http://127.0.0.1:{free_port()}"
    start(tool("prometheus-pushgateway"), f"--web.listen-address={url.removeprefix('http://')}")
    until(lambda: fetch(f"{url}/-/ready")[0] == 200, "the Pushgateway is ready")
    return url


@pytest.fixture
def alertmanager(start: Start, tmp_path: Path) -> str:
    """A real Alertmanager that tells nobody, with its address."""
    url = f"http://127.0.0.1:{free_port()}"
    file = tmp_path / "alertmanager.yml"
    file.write_text(json.dumps({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
    start(
        tool("prometheus-alertmanager"),
        f"--config.file={file}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    )
    until(lambda: fetch(f"{url}/-/ready")[0] == 200, "Alertmanager is ready")
    return url
