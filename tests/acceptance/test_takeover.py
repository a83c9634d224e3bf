"""`kill -9` in the middle of every shipped playbook: another process, at its default settings, takes all of them over.

Each playbook stands where its change has taken effect and nobody has read the answer: what comes twice would come here.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, Final

import boto3
import pytest
from moto.server import ThreadedMotoServer

from receiver.model.document import Document
from receiver.remediate.loader import SHIPPED
from receiver.sandbox.alertmanager import Firing
from receiver.sandbox.argo_server import ArgoServer
from receiver.sandbox.kubernetes import POD, WORKFLOW, Json
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.scenario import running_workflow, stuck_workflow, workflow
from receiver.sandbox.workloads import WorkloadController

from .conftest import Service, Stage, until

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}
PROMISED: Final = timedelta(seconds=30)
"""Within which another process goes on with what one began that died."""
NAME: Final = "etl"
RESTART, RETRY, POD_DELETE, RESUME, ARCHIVE, AGENT = SHIPPED
EFFECTS: Final = {
    RESTART: [f"PATCH {NAME}", "POST workflows"],
    RETRY: [f"PATCH {NAME}"],
    POD_DELETE: ["DELETE the pod"],
    RESUME: [f"PATCH {NAME}"],
    ARCHIVE: [f"DELETE {NAME}"],
    AGENT: ["PATCH cleo-agent"],
}
"""What each playbook changes on the API server, in a namespace of its name; Argo Server is asked to retry beside."""
ALERTS: Final = {
    RESTART: {"alertname": "WorkflowStuckDetection", "workflow_name": NAME},
    RETRY: {"alertname": "WorkflowFailed", "workflow_name": NAME},
    POD_DELETE: {"alertname": "WorkflowPodStuck", "workflow_name": NAME},
    RESUME: {"alertname": "WorkflowSuspendedTooLong", "workflow_name": NAME},
    ARCHIVE: {"alertname": "WorkflowFinishedNotArchived", "workflow_name": NAME},
    AGENT: {"alertname": "AgentHealthCheckFailing", "agent_type": "cleo", "check_name": "git_access"},
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The settings of an archive."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    settings = {"region": "us-east-1", "endpoint_url": f"http://{host}:{port}"}
    boto3.client("s3", region_name=settings["region"], endpoint_url=settings["endpoint_url"]).create_bucket(
        Bucket="kept"
    )
    yield settings | {"bucket": "kept"}
    server.stop()


@pytest.mark.timeout(300)
async def test_another_process_takes_over_all_that_a_killed_one_was_in_the_middle_of(
    stage: Stage, bucket: dict[str, str]
) -> None:
    agent = WorkloadController(stage.cluster)
    async with ArgoServer(stage.cluster) as argo:
        settings = {
            "playbooks": [live(name) for name in SHIPPED],
            "argo": {"server_url": argo.origin, "token": stage.cluster.token},
            "archive": bucket,
        }
        pod = prepare(stage)
        first = await stage.serve(**settings)
        firing = await reach_the_middle(stage, argo, first, pod)
        [(reached,)] = await stage.rows("select now()")
        second = await stage.serve(**settings)
        await first.kill()
        [(killed,)] = await stage.rows("select now()")

        async with stage.argo, moving(agent.advance):
            await until(lambda: goes_on(stage, AGENT), "the agent's new pod is looked at", within=120)
            ended = Firing(labels=firing.labels, annotations={}, starts_at=firing.starts_at, ends_at=datetime.now(UTC))
            assert (await second.deliver(ended)).status == 200
            await until(lambda: all_ended(stage), "all remediations have ended", within=120)

    runs = await stage.rows("select playbook, outcome, reason from runs order by playbook")
    assert [(name, outcome) for name, outcome, _ in runs] == [(name, "succeeded") for name in sorted(SHIPPED)], runs
    for name in SHIPPED:
        effects = [effect.replace(pod, "the pod") for effect in stage.effects(f"/namespaces/{name}/")]
        assert effects == EFFECTS[name], name
    assert len(argo.faults.effects(method="PUT", path="/retry$")) == 1
    assert await stage.rows("select count(*) from archives") == [(1,)]
    # On a slow machine the second one may have taken a request for lost before the kill.
    taken = await stage.rows(
        "select r.playbook, min(t.at) from runs r join timeline t on t.run_id = r.id "  # noqa: S608
        f"where t.at > timestamptz '{reached.isoformat()}' group by 1 order by 2"
    )
    for name, at in taken:
        print(f"{name} was taken over after {(at - killed).total_seconds():.1f} s")  # noqa: T201
    assert {name for name, _ in taken} == set(SHIPPED)
    if LONG:
        assert all(at - killed < PROMISED for _, at in taken), taken


def live(name: str) -> Any:
    """A shipped playbook as it is, but live, and satisfied with what its check sees for a second."""
    text = (resources.files("receiver.remediate") / "playbooks" / f"{name}.yaml").read_text(encoding="utf-8")
    value: Any = Document(text, file=name).value
    for step in value["steps"]:
        if "hold" in step.get("verify", {}):
            step["verify"]["hold"] = "1s"
    return value | {"mode": "live"}


def prepare(stage: Stage) -> str:
    """Have something to heal for each playbook, in a namespace of its name; gives the name of the pod that waits."""
    cluster = stage.cluster
    cluster.adopt(workflow(RETRY, NAME, course="fail, succeed"), workflow(ARCHIVE, NAME, course="succeed"))
    while not ended_with(stage, RETRY, "Failed") or not ended_with(stage, ARCHIVE, "Succeeded"):
        stage.argo.advance()
    long_ago = timestamp(datetime.now(UTC) - timedelta(days=8))
    change(
        stage, ARCHIVE, metadata={"creationTimestamp": long_ago}, status={"startedAt": long_ago, "finishedAt": long_ago}
    )
    stuck_workflow(cluster, RESTART, NAME, course="hang, succeed")
    stuck_workflow(cluster, POD_DELETE, NAME, stuck_for=timedelta(minutes=40), course="succeed")
    pod = let_its_pod_wait(stage)
    running_workflow(cluster, RESUME, NAME, running_for=timedelta(hours=30))
    change(stage, RESUME, spec={"suspend": True})
    labels = {"app": "taskmaster-agent"}
    container = {"name": "agent", "image": "none.invalid/agent"}
    cluster.adopt(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": AGENT, "name": "cleo-agent"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
    )
    return pod


def of(stage: Stage, namespace: str) -> Json:
    return stage.cluster.registry.read(WORKFLOW, namespace, NAME)


def ended_with(stage: Stage, namespace: str, phase: str) -> bool:
    return bool((of(stage, namespace).get("status") or {}).get("phase") == phase)


def change(stage: Stage, namespace: str, **parts: Any) -> None:
    found = of(stage, namespace)
    written = found | {part: found[part] | value for part, value in parts.items()}
    stage.cluster.registry.replace(WORKFLOW, namespace, NAME, written)


def let_its_pod_wait(stage: Stage) -> str:
    """Let the running pod of the workflow whose pod is to be deleted have waited for a machine all the time."""
    registry, nodes = stage.cluster.registry, of(stage, POD_DELETE)["status"]["nodes"]
    [step] = [one for one in nodes.values() if one["type"] == "Pod" and one["phase"] == "Running"]
    change(stage, POD_DELETE, status={"nodes": nodes | {step["id"]: step | {"phase": "Pending"}}})
    pods = stage.cluster.storage.every(POD, POD_DELETE)
    [pod] = [one for one in pods if one["status"]["phase"] == "Running"]
    metadata = pod["metadata"] | {"finalizers": []}
    registry.replace(POD, POD_DELETE, pod["metadata"]["name"], pod | {"metadata": metadata})
    registry.delete(POD, POD_DELETE, pod["metadata"]["name"], {"gracePeriodSeconds": 0})
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    stage.cluster.adopt(pod | {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
    return str(pod["metadata"]["name"])


async def reach_the_middle(stage: Stage, argo: ArgoServer, service: Service, pod: str) -> Firing:
    """Bring each playbook to where its change is done and not answered; gives the alert that has to end at last."""
    faults = stage.cluster.faults
    last = {name: EFFECTS[name][0].replace("the pod", pod).split() for name in SHIPPED if name != RETRY}
    for name, (method, what) in last.items():
        faults.hang_after_effect(method=method, path=f"/namespaces/{name}/.*{what}$")
    argo.faults.hang_after_effect(method="PUT", path="/retry$")

    since = datetime.now(UTC) - timedelta(minutes=10)
    alerts = {
        name: Firing(labels=labels | {"namespace": name, "severity": "warning"}, annotations={}, starts_at=since)
        for name, labels in ALERTS.items()
    }
    assert (await service.deliver(*alerts.values())).status == 200
    await until(lambda: asks_somebody(stage), "a person is asked")
    [(run,)] = await stage.rows(f"select id from runs where playbook = '{RESUME}'")  # noqa: S608
    approved = await service.ask(f"/api/v1/remediations/{run}/approve", method="POST", role="operator")
    assert approved.status == 202, approved.text
    await until(
        lambda: all(faults.effects(method=method, path=f"/{name}/.*{what}$") for name, (method, what) in last.items()),
        "every playbook has done its change",
    )
    await until(lambda: argo.faults.effects(method="PUT", path="/retry$"), "the retry is done")
    return alerts[AGENT]


async def asks_somebody(stage: Stage) -> bool:
    return bool(await stage.rows(f"select 1 from runs where playbook = '{RESUME}' and state = 'waiting'"))  # noqa: S608


async def goes_on(stage: Stage, playbook: str) -> bool:
    """Whether the first step of a playbook has been taken."""
    return bool(await stage.rows(f"select 1 from runs where playbook = '{playbook}' and cursor > 0"))  # noqa: S608


async def all_ended(stage: Stage) -> bool:
    return await stage.rows("select count(*) from runs where state = 'finished'") == [(len(SHIPPED),)]


@asynccontextmanager
async def moving(advance: Callable[[], None]) -> AsyncIterator[None]:
    """Move workloads on, again and again."""

    async def move() -> None:
        while True:
            advance()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(move())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
