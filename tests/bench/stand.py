"""The stand: a durable Postgres, a service under test, and the figures that the operating system keeps of both."""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from receiver.store.embedded import EmbeddedPostgres
from receiver.store.migrate import migrate_blocking

HERE = Path(__file__).parent
TOKEN = "bench-token-that-opens-nothing-else"
DEADLINE = 60.0


@dataclass
class Server:
    """A program that answers on a port."""

    port: int
    process: psutil.Process

    def cpu(self) -> float:
        """CPU seconds that it has used, with those of its children."""
        return sum(sum(one.cpu_times()[:2]) for one in [self.process, *self.process.children(recursive=True)])

    def memory(self) -> int:
        """Bytes that it holds."""
        return int(self.process.memory_info().rss)


def percentile(values: Sequence[float], percent: int) -> float:
    """Give the smallest value that so many per cent of them do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def started(arguments: list[str], port: int, path: str, log: Path) -> Iterator[Server]:
    """Run a program until the block ends; it counts as started when a path answers below 500."""
    with log.open("ab") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=out, start_new_session=True)
        try:
            _wait(process, port, path, log)
            yield Server(port=port, process=psutil.Process(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise SystemExit(f"{path} did not answer on port {port}:\n{log.read_text()[-3000:]}")


@contextmanager
def bare(folder: Path) -> Iterator[Server]:
    """The yardstick."""
    port = free_port()
    with started([sys.executable, str(HERE / "bare.py"), str(port)], port, "/", folder / "bare.log") as server:
        yield server


@contextmanager
def receiver(folder: Path, url: str, **settings: Any) -> Iterator[Server]:
    """`receiver serve` on a database, with an ingest token, and otherwise as it comes."""
    port = free_port()
    config = folder / f"receiver-{port}.json"
    tokens = [{"name": "bench", "role": "admin", "token": TOKEN}]
    written = {
        "data_dir": str(folder / f"data-{port}"),
        "database": {"url": url},
        "server": {"port": port},
        "auth": {"tokens": tokens},
    } | settings
    config.write_text(json.dumps(written))
    command = [sys.executable, "-m", "receiver", "serve", "--config", str(config)]
    with started(command, port, "/readyz", folder / "receiver.log") as server:
        yield server


@contextmanager
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres with its default durability, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="receiver-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres.start_blocking(folder, durable=True)
        try:
            yield server
        finally:
            server.stop_blocking()


def fresh_database(server: EmbeddedPostgres, name: str, *, copied: str | None = None) -> str:
    """Make a migrated database, empty or a copy of the one that *copied* leads to; returns how to reach it."""
    template = conninfo_to_dict(copied)["dbname"] if copied else "template1"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        make = sql.SQL("create database {} template {}")
        connection.execute(make.format(sql.Identifier(name), sql.Identifier(str(template))))
    url = make_conninfo(server.url, dbname=name)
    migrate_blocking(url)
    return url


def postgres_cpu(server: EmbeddedPostgres) -> float:
    """CPU seconds that the server's processes have used, those that ended included."""
    master = psutil.Process(server.pid)
    used = 0.0
    for child in master.children():
        # One that ends right now is counted by its parent, which is asked last.
        with suppress(psutil.NoSuchProcess):
            used += sum(child.cpu_times()[:2])
    own = master.cpu_times()
    return used + own.user + own.system + own.children_user + own.children_system


def load(server: Server, **options: Any) -> dict[str, Any]:
    """Run the load against a server; returns what it printed."""
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(HERE / "load.py"), "--port", str(server.port), "--token", TOKEN, *flags]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answer: dict[str, Any] = json.loads(printed)
    return answer
