"""How fast finished workflows are archived, against putting the same objects with plain boto3 from as many threads.

Archiving reads a workflow, writes it as canonical JSON, packs it, puts it, reads it back, unpacks and compares it, and
writes it into an index with durable commits. The yardstick only puts. Both are measured in turn, a thousand at a time,
in one process of their own, so that its peak of memory is that of archiving.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, cast

import boto3

from receiver.clients.archive import ArchiveBucket
from receiver.clients.kubernetes import Cluster
from receiver.clients.kubernetes.reading import workflow
from receiver.clients.s3 import S3, Credentials
from receiver.model.archive import canonical, packed
from receiver.pipeline.archiving import Archivist
from receiver.settings import Hidden
from receiver.store.database import Database
from receiver.store.embedded import EmbeddedPostgres
from tests.bench import stand
from tests.integration.conftest import Weed

WORKFLOWS = 5_000
BLOCK = 1_000
THREADS = 8
IN_FLIGHT = 32
"""Workflows at once; they share the threads, as the parts of a service do."""
STEPS = 24
"""As many as make a workflow of 6 KB."""


def measure(server: EmbeddedPostgres, folder: Path) -> dict[str, float]:
    """Measure both in turn, in a process of their own; gives rates, their ratio, and the peak of memory in MB."""
    url = stand.fresh_database(server, "bench_archive")
    (folder / "weed").mkdir()
    store = Weed(str(Path(sys.executable).with_name("weed")), folder / "weed")
    try:
        store.start()
        command = [sys.executable, "-m", "tests.bench.archive", url, store.url, store.new_bucket()]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        store.close()
    found: dict[str, float] = json.loads(printed)
    return found


class _Workflows:
    """Finished workflows, made as they are asked for: what a cluster would send."""

    async def raw_workflow(self, namespace: str, name: str) -> dict[str, Any]:
        """Read a workflow."""
        del namespace
        return raw(int(name.rsplit("-", 1)[1]))


def raw(number: int) -> dict[str, Any]:
    """Make a finished workflow of 6 KB."""
    name = f"etl-{number}"
    ended = f"2026-11-{number % 28 + 1:02d}T03:25:31Z"
    nodes = {
        f"{name}-{step}": {
            "id": f"{name}-{step}",
            "name": f"{name}.step-{step}",
            "displayName": f"step-{step}",
            "type": "Pod",
            "templateName": "work",
            "phase": "Succeeded",
            "message": f"{number * 7919 + step:032x}",
            "startedAt": "2026-11-01T03:22:31Z",
            "finishedAt": ended,
        }
        for step in range(STEPS)
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": "argo",
            "uid": f"{number:08d}-0000-4000-8000-000000000000",
            "resourceVersion": str(number),
            "creationTimestamp": "2026-11-01T03:22:31Z",
            "labels": {"agent": "rex", "workflows.argoproj.io/phase": "Succeeded"},
        },
        "spec": {"entrypoint": "work", "templates": [{"name": "work", "container": {"image": "busybox"}}]},
        "status": {
            "phase": "Succeeded",
            "startedAt": "2026-11-01T03:22:31Z",
            "finishedAt": ended,
            "progress": f"{STEPS}/{STEPS}",
            "nodes": nodes,
        },
    }


async def _both(database_url: str, store_url: str, bucket: str) -> dict[str, float]:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    database = Database(database_url, connections=4)
    await database.open()
    keys = Credentials(access_key=Weed.access_key, secret_key=Hidden(Weed.secret_key))
    s3 = S3(bucket=bucket, region="us-west-2", endpoint_url=store_url, credentials=keys)
    archivist = Archivist(
        database,
        ArchiveBucket(s3),
        cluster=cast("Cluster", _Workflows()),
        prefix="archives",
        now=lambda: datetime.now(UTC),
    )
    session = boto3.session.Session(Weed.access_key, Weed.secret_key, region_name="us-west-2")
    plain = session.client("s3", endpoint_url=store_url)
    found = []
    for begin in range(0, WORKFLOWS, BLOCK):
        numbers = range(begin, begin + BLOCK)
        put = await asyncio.to_thread(_put, plain, bucket, numbers)
        found.append((put, await _kept(archivist, numbers)))
    await s3.close()
    await database.close()
    return {
        "put/s": median(put for put, _ in found),
        "kept/s": median(kept for _, kept in found),
        "ratio": median(kept / put for put, kept in found),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes": len(canonical(raw(0))),
    }


def _put(client: Any, bucket: str, numbers: range) -> float:
    """Put objects as the archive does, and nothing else; gives how many in a second."""
    bodies = [packed(canonical(raw(number))) for number in numbers]
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        puts = [
            threads.submit(client.put_object, Bucket=bucket, Key=f"plain/{number}", Body=body)
            for number, body in zip(numbers, bodies, strict=True)
        ]
    for one in puts:
        one.result()
    return len(numbers) / (time.perf_counter() - began)


async def _kept(archivist: Archivist, numbers: range) -> float:
    """Archive workflows; gives how many in a second."""

    async def keep(some: Iterator[int]) -> None:
        for number in some:
            await archivist.keep(workflow(raw(number)), by="the bench")

    began = time.perf_counter()
    left = iter(numbers)
    await asyncio.gather(*(keep(left) for _ in range(IN_FLIGHT)))
    return len(numbers) / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_both(*sys.argv[1:]))))
