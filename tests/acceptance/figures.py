"""What the exporter says of workflows, written by the test itself out of the stand-in's objects."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer

from .conftest import free_port


@asynccontextmanager
async def figures(cluster: ApiServer) -> AsyncIterator[str]:
    """Be scraped; gives the address."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(text="".join(f"{line}\n" for line in lines(cluster)))

    app = web.Application()
    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def lines(cluster: ApiServer) -> Iterator[str]:
    """Every figure of every workflow and pod."""
    yield f"receiver_exporter_confirmed_timestamp_seconds {time.time()}"
    for workflow in cluster.storage.every(WORKFLOW):
        yield from of_workflow(workflow)
    for pod in cluster.storage.every(POD):
        labels = pod["metadata"]["labels"]
        whose = labels["workflows.argoproj.io/workflow"]
        named = f'pod="{pod["metadata"]["name"]}",workflow_name="{whose}",agent="{labels.get("agent", "")}"'
        yield f'workflow_pod_info{{namespace="{pod["metadata"]["namespace"]}",{named}}} 1'


def of_workflow(workflow: Any) -> Iterator[str]:
    """The figures of one workflow."""
    metadata, status = workflow["metadata"], workflow.get("status", {})
    named = f'namespace="{metadata["namespace"]}",workflow_name="{metadata["name"]}"'
    phased = f'{named},agent="{metadata["labels"].get("agent", "")}",phase="{status.get("phase", "")}"'
    started = seconds(status.get("startedAt") or metadata["creationTimestamp"])
    ended = status.get("finishedAt")
    nodes = status.get("nodes", {}).values()
    moved = [seconds(node[side]) for node in nodes for side in ("startedAt", "finishedAt") if node.get(side)]
    yield f"argo_workflow_start_time{{{phased}}} {started}"
    yield f"argo_workflow_status_phase_start_time{{{phased}}} {seconds(ended) if ended else started}"
    yield f"workflow_progress_timestamp_seconds{{{named}}} {max(moved, default=started)}"
    yield f"workflow_suspended{{{named}}} 0"
    if ended:
        yield f"workflow_finished_age_seconds{{{named}}} {time.time() - seconds(ended)}"


def seconds(timestamp: str) -> float:
    """A time of Kubernetes, in seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp()
