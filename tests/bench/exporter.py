"""What the exporter costs with 5,000 unfinished workflows and a pod of each: list, scrape, change, memory.

Three processes: the stand-in cluster, the exporter as it is shipped, and the one that asks both. The yardstick of the
list is to read the same pages and parse them; that of a change is one scrape, since none shows sooner.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from receiver.sandbox.kubernetes import ApiServer
from tests.bench import archive

WORKFLOWS = 5_000
ROUNDS = 10
_PAGE = 500
_LISTS = ("apis/argoproj.io/v1alpha1/namespaces/argo/workflows", "api/v1/namespaces/argo/pods")


def measure(folder: Path) -> dict[str, float]:
    """Measure all; gives seconds, their ratios, series, bytes, and the peak of memory in MB."""
    with _started([sys.executable, "-m", "tests.bench.exporter"]) as (server, said):
        url, token = said.split()
        plain = median(_timed(lambda: _listed(url, token)) for _ in range(3))
        config = folder / "exporter.json"
        config.write_text(json.dumps(_settings(folder, url, token)))
        began = time.perf_counter()
        with _started([sys.executable, "-m", "receiver", "exporter", "-c", str(config)], err=True) as (exporter, line):
            at = line.rsplit(" ", 1)[1]
            listening = time.perf_counter() - began
            _until_ready(at)
            complete = time.perf_counter() - began
            scrape = median(_timed(lambda: _get(f"{at}/metrics")) for _ in range(ROUNDS))
            page = _get(f"{at}/metrics").decode()
            change = median(_shown_after(number, url, token, at) for number in range(ROUNDS))
            status = Path(f"/proc/{exporter.pid}/status").read_text()
        del server
    return {
        "start": listening,
        "list": complete - listening,
        "plain list": plain,
        "list ratio": (complete - listening) / plain,
        "scrape": scrape,
        "change": change,
        "change ratio": change / scrape,
        "series": sum(not one.startswith("#") for one in page.splitlines()),
        "bytes": len(page),
        "peak MB": int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024,
    }


@contextmanager
def _started(command: list[str], *, err: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program for as long as the block lasts; gives the first line that it says."""
    out = {"stderr" if err else "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **out) as process:  # type: ignore[call-overload]  # the keyword varies
        try:
            told = process.stderr if err else process.stdout
            assert told is not None
            yield process, told.readline().strip()
        finally:
            process.terminate()


def _settings(folder: Path, url: str, token: str) -> dict[str, Any]:
    kubeconfig = folder / "kubeconfig.json"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "bench", "cluster": {"server": url}}],
                "users": [{"name": "bench", "user": {"token": token}}],
                "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            }
        )
    )
    return {
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": "bench"},
        "exporter": {"namespaces": ["argo"], "port": 0},
    }


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _get(url: str, token: str = "") -> bytes:
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - the bench's own addresses
        return bytes(answer.read())


def _listed(url: str, token: str) -> None:
    """Read all that the exporter reads, and parse it."""
    for path in _LISTS:
        following = ""
        while True:
            page = json.loads(_get(f"{url}/{path}?limit={_PAGE}&continue={following}", token))
            following = page["metadata"].get("continue") or ""
            if not following:
                break


def _until_ready(at: str) -> None:
    while True:
        try:
            _get(f"{at}/readyz")
        except OSError:
            time.sleep(0.02)
        else:
            return


def _shown_after(number: int, url: str, token: str, at: str) -> float:
    """Let a workflow end; gives the time until a scrape says so."""
    name = f"etl-{number}"
    ended = {"status": {"phase": "Succeeded", "finishedAt": _ago(timedelta())}}
    patch = urllib.request.Request(  # noqa: S310
        f"{url}/{_LISTS[0]}/{name}",
        data=json.dumps(ended).encode(),
        method="PATCH",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
    )
    urllib.request.urlopen(patch, timeout=60).close()  # noqa: S310
    wanted = re.compile(rf'phase="Succeeded",workflow_name="{name}"'.encode())
    return _timed(lambda: next(True for _ in iter(int, 1) if wanted.search(_get(f"{at}/metrics"))))


def _ago(length: timedelta) -> str:
    return (datetime.now(UTC) - length).strftime("%Y-%m-%dT%H:%M:%SZ")


def _objects() -> Iterator[dict[str, Any]]:
    """Make unfinished workflows of 6 KB, and a running pod of each."""
    since = _ago(timedelta(hours=7))
    for number in range(WORKFLOWS):
        found = archive.raw(number)
        name = found["metadata"]["name"]
        found["metadata"] |= {"creationTimestamp": since, "labels": {"agent": "rex"}}
        del found["metadata"]["resourceVersion"], found["status"]["finishedAt"]
        found["status"] |= {"phase": "Running", "startedAt": since}
        yield found
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-work",
                "namespace": "argo",
                "creationTimestamp": since,
                "labels": {"workflows.argoproj.io/workflow": name},
            },
            "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "busybox"}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": since}}}],
            },
        }


async def _serve() -> None:
    async with ApiServer() as server:
        server.adopt(*_objects())
        sys.stdout.write(f"{server.url} {server.token}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
