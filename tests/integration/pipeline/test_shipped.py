"""Each playbook that comes with Receiver, made live: it heals what it is for, and leaves alone what it is not for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from receiver.clients.argo import ArgoServer
from receiver.model.remediation import Mode
from receiver.model.request import Kind
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.asked import act_on
from receiver.remediate.loader import load_all
from receiver.sandbox import argo_server
from receiver.sandbox.alertmanager import Firing
from receiver.sandbox.kubernetes import DEPLOYMENT, POD, WORKFLOW, Json
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.scenario import running_workflow, stuck_workflow, workflow
from receiver.sandbox.workloads import WorkloadController
from receiver.settings import PlaybookMode
from receiver.store import requests
from receiver.store.tables import RequestRow

from .conftest import NAMESPACE, WORKFLOW as NAME, House
from .test_archive_and_delete import Bucket

STEP = timedelta(seconds=20)


def live(house: House, name: str) -> None:
    """Let the house have all shipped playbooks, one of them live."""
    house.rooms = replace(house.rooms, playbooks=load_all({name: PlaybookMode(mode=Mode.LIVE)}))


async def outcome(house: House) -> tuple[str, str]:
    """Outcome and reason of the only run there is; one that was refused or skipped at once counts too."""
    [(found, reason)] = await house.rows("select coalesce(outcome, state), reason from runs")
    return str(found), str(reason)


def of(house: House) -> Json:
    return house.cluster.registry.read(WORKFLOW, NAMESPACE, NAME)


def change(house: House, **parts: Any) -> None:
    """Change parts of the workflow as somebody else would."""
    found = of(house)
    written = found | {part: found[part] | value for part, value in parts.items()}
    house.cluster.registry.replace(WORKFLOW, NAMESPACE, NAME, written)


# restart-stuck-workflow


async def test_a_stuck_workflow_is_run_anew(house: House) -> None:
    live(house, "restart-stuck-workflow")
    stuck_workflow(house.cluster, NAMESPACE, NAME, course="hang, succeed")

    await house.fire()
    await house.live(timedelta(minutes=10), STEP)

    assert (await outcome(house))[0] == "succeeded"
    assert house.effects() == [f"PATCH {NAME}", "POST workflows"]
    assert house.pagerduty.alerts == []


async def test_a_stuck_workflow_with_much_to_lose_is_left_alone_until_somebody_agrees(house: House) -> None:
    live(house, "restart-stuck-workflow")
    stuck_workflow(house.cluster, NAMESPACE, NAME, stuck_for=timedelta(hours=30))

    await house.fire()
    await house.live(timedelta(minutes=2), STEP)

    [(state, verb, reason)] = await house.rows(
        "select r.state, r.steps->(r.cursor::int)->>'action', d.reason from runs r join decisions d on d.run_id = r.id"
    )
    assert (state, verb) == ("waiting", "approve")
    assert "of pod time would be lost, more than 1d" in reason
    assert house.effects() == []


# retry-failed-workflow


@asynccontextmanager
async def with_argo_server(house: House) -> AsyncIterator[None]:
    assert house.rooms.cluster is not None
    async with argo_server.ArgoServer(house.cluster) as stand:
        argo = ArgoServer(stand.origin, lambda: house.cluster.token, cluster=house.rooms.cluster)
        house.rooms = replace(house.rooms, argo=argo)
        yield
        await argo.close()


def failed_workflow(house: House, course: str) -> None:
    house.cluster.adopt(workflow(NAMESPACE, NAME, course=course))
    while of(house).get("status", {}).get("phase") != "Failed":
        house.argo.advance()


async def test_a_failed_workflow_is_retried_once_and_not_again(house: House) -> None:
    live(house, "retry-failed-workflow")
    failed_workflow(house, "fail, hang, fail")

    async with with_argo_server(house):
        alert = await house.fire(alertname="WorkflowFailed", severity="warning")
        await house.live(timedelta(minutes=14), STEP)
        first = await outcome(house)
        await house.resolve(alert)
        failed = {"phase": "Failed", "finishedAt": timestamp(house.clock())}
        change(house, status=failed)
        await house.fire(alertname="WorkflowFailed", severity="warning")
        await house.live(timedelta(minutes=3), STEP)

    assert first[0] == "succeeded"
    assert of(house)["metadata"]["annotations"]["sandbox/retries"].endswith(":1")
    [_, (outcome_, reason)] = await house.rows("select outcome, reason from decisions order by id")
    assert (outcome_, reason.startswith("Guard attempts refused")) == ("blocked", True)


async def test_a_workflow_that_somebody_stopped_is_not_retried(house: House) -> None:
    live(house, "retry-failed-workflow")
    failed_workflow(house, "fail")
    change(house, spec={"shutdown": "Stop"})

    async with with_argo_server(house):
        await house.fire(alertname="WorkflowFailed", severity="warning")
        await house.live(timedelta(minutes=2), STEP)

    assert (await outcome(house))[0] == "skipped"
    assert house.effects() == []


async def test_without_argo_server_nothing_is_retried_and_the_decision_says_what_to_set(house: House) -> None:
    live(house, "retry-failed-workflow")
    failed_workflow(house, "fail")

    await house.fire(alertname="WorkflowFailed", severity="warning")
    await house.live(timedelta(minutes=2), STEP)

    found, reason = await outcome(house)
    assert found == "blocked"
    assert "set argo.server_url and argo.token_file" in reason
    assert house.effects() == []


# delete-stuck-pod


def waiting_pod(house: House, *, node: str) -> str:
    """Let the last pod of the workflow wait for a machine, its step being in the phase *node*; gives its name."""
    registry, nodes = house.cluster.registry, of(house)["status"]["nodes"]
    (step,) = [one for one in nodes.values() if one["type"] == "Pod" and one["phase"] == "Running"]
    change(house, status={"nodes": nodes | {step["id"]: step | {"phase": node}}})
    (pod,) = [one for one in house.cluster.storage.every(POD, NAMESPACE) if one["status"]["phase"] == "Running"]
    name, metadata = str(pod["metadata"]["name"]), pod["metadata"] | {"finalizers": []}
    registry.replace(POD, NAMESPACE, name, pod | {"metadata": metadata})
    registry.delete(POD, NAMESPACE, name, {"gracePeriodSeconds": 0})
    # On no machine, so that it goes at once when it is deleted.
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    house.cluster.adopt(pod | {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
    return name


async def test_a_pod_that_cannot_begin_is_deleted_and_argo_makes_it_anew(house: House) -> None:
    live(house, "delete-stuck-pod")
    stuck_workflow(house.cluster, NAMESPACE, NAME, stuck_for=timedelta(minutes=40), course="succeed")
    pod = waiting_pod(house, node="Pending")

    await house.fire(alertname="WorkflowPodStuck", severity="warning", pod=pod)
    house.clock.pass_by(timedelta(minutes=2))
    await house.sweep()
    await house.live(timedelta(minutes=8), STEP)

    assert await outcome(house) == ("succeeded", "All steps were taken.")
    assert house.effects() == [f"DELETE {pod}"]
    assert of(house)["status"]["phase"] == "Succeeded"


async def test_a_pod_that_argo_would_not_make_anew_is_left_alone(house: House) -> None:
    live(house, "delete-stuck-pod")
    stuck_workflow(house.cluster, NAMESPACE, NAME, stuck_for=timedelta(minutes=40), course="hang")
    pod = waiting_pod(house, node="Running")

    await house.fire(alertname="WorkflowPodStuck", severity="warning", pod=pod)
    await house.live(timedelta(minutes=2), STEP)

    found, reason = await outcome(house)
    assert found == "skipped"
    assert "has no retryStrategy, so the workflow would fail with its pod" in reason
    assert house.effects() == []


# resume-forgotten-suspend


async def answered(house: House, kind: Kind) -> None:
    """Answer the approval that is asked for, at the time of the test."""
    [(run_id,)] = await house.rows("select id from runs")
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, kind, run_id, asked_by="kim")
        given = update(RequestRow).where(RequestRow.id == number).values(at=house.clock())
        await transaction.execute(given)


async def suspended(house: House) -> None:
    """Let the workflow wait for a person since yesterday, and the alert about it fire."""
    running_workflow(house.cluster, NAMESPACE, NAME, running_for=timedelta(hours=30))
    change(house, spec={"suspend": True})
    await house.fire(alertname="WorkflowSuspendedTooLong", severity="info")
    await house.live(timedelta(minutes=1), STEP)


async def test_a_forgotten_workflow_goes_on_once_a_person_agrees(house: House) -> None:
    live(house, "resume-forgotten-suspend")
    await suspended(house)
    before = house.effects()

    await answered(house, Kind.APPROVE)
    await house.live(timedelta(minutes=3), STEP)

    assert before == []
    assert (await outcome(house))[0] == "succeeded"
    assert house.effects() == [f"PATCH {NAME}"]
    assert of(house)["status"]["phase"] == "Succeeded"


async def test_a_forgotten_workflow_stays_suspended_where_a_person_says_so(house: House) -> None:
    live(house, "resume-forgotten-suspend")
    await suspended(house)

    await answered(house, Kind.REJECT)
    await house.live(timedelta(minutes=2), STEP)

    assert (await outcome(house))[0] == "rejected"
    assert of(house)["spec"]["suspend"] is True
    assert house.effects() == []


# archive-finished-workflow


async def ended_long_ago(house: House) -> None:
    """Let a workflow have ended eight days ago, and the alert about it fire."""
    house.cluster.adopt(workflow(NAMESPACE, NAME, course="succeed"))
    while of(house).get("status", {}).get("phase") != "Succeeded":
        house.argo.advance()
    house.clock.pass_by(timedelta(days=8))
    await house.fire(alertname="WorkflowFinishedNotArchived", severity="info")
    await house.live(timedelta(minutes=7), STEP)


async def test_a_workflow_that_ended_long_ago_is_archived_and_deleted(house: House) -> None:
    live(house, "archive-finished-workflow")
    archivist = Archivist(
        house.rooms.database, Bucket(), cluster=house.rooms.cluster, prefix="workflow-archives", now=house.clock
    )
    house.rooms = replace(house.rooms, archivist=archivist)

    await ended_long_ago(house)

    assert (await outcome(house))[0] == "succeeded"
    assert await house.rows("select name from archives") == [(NAME,)]
    assert house.effects() == [f"DELETE {NAME}"]


async def test_without_a_bucket_nothing_is_archived_or_deleted(house: House) -> None:
    live(house, "archive-finished-workflow")

    await ended_long_ago(house)

    found, reason = await outcome(house)
    assert found == "blocked"
    assert "set archive.bucket" in reason
    assert house.effects() == []


# restart-unhealthy-agent


AGENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"namespace": NAMESPACE, "name": "cleo-agent"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "taskmaster-agent"}},
        "template": {
            "metadata": {"labels": {"app": "taskmaster-agent"}},
            "spec": {"containers": [{"name": "agent", "image": "none.invalid/agent"}]},
        },
    },
}


async def unhealthy(house: House, agent: str, **more: str) -> Firing:
    """Let an agent fail a check: an alert that names no workflow."""
    labels = {"agent_type": agent, "check_name": "git_access", "severity": "warning", "namespace": NAMESPACE} | more
    alert = Firing(labels={"alertname": "AgentHealthCheckFailing"} | labels, annotations={}, starts_at=house.clock())
    await house.deliver(alert)
    return alert


async def pass_by(house: House, length: timedelta) -> None:
    """Let time pass in which Deployments replace their pods."""
    end, workloads = house.clock() + length, WorkloadController(house.cluster)
    while house.clock() < end:
        workloads.advance()
        await house.live(STEP, STEP)


async def test_an_unhealthy_agent_is_restarted_and_its_alert_has_to_end_for_good(house: House) -> None:
    live(house, "restart-unhealthy-agent")
    house.cluster.adopt(AGENT)

    alert = await unhealthy(house, "cleo")
    await pass_by(house, timedelta(minutes=4))
    [(kind, name, uid, lineage)] = await house.rows(
        "select target->>'kind', target->>'name', target->>'uid', lineage from runs"
    )
    waiting = await outcome(house)
    await house.resolve(alert)
    await pass_by(house, timedelta(minutes=9))

    assert (kind, name) == ("deployment", "cleo-agent")
    assert uid == lineage == house.cluster.registry.read(DEPLOYMENT, NAMESPACE, "cleo-agent")["metadata"]["uid"]
    assert waiting[0] == "waiting"
    assert (await outcome(house))[0] == "succeeded"
    assert house.effects() == ["PATCH cleo-agent"]
    assert house.pagerduty.alerts == []


async def test_an_agent_is_restarted_by_hand_and_whether_that_helped_nobody_claims(house: House) -> None:
    live(house, "restart-unhealthy-agent")
    house.cluster.adopt(AGENT)

    asked = await by_hand(house, deployment="cleo-agent")
    await pass_by(house, timedelta(minutes=12))
    again = await by_hand(house, deployment="cleo-agent")
    refused = [await by_hand(house, **named) for named in ({"deployment": "database"}, {"workflow": "cleo-agent"})]

    assert asked.startswith("goes ahead as remediation 1")
    assert await house.rows("select outcome from runs order by id") == [("succeeded",), ("blocked",)]
    assert house.effects() == ["PATCH cleo-agent"]
    assert again.startswith("blocked. Guard cooldown refused"), "guards count for a person as for an alert"
    told = "restart-unhealthy-agent acts on deployments named {agent_type}-agent, and "
    assert refused == [
        f"{told}deployment 'database' was named; nothing was done",
        f"{told}a workflow was named; nothing was done",
    ]
    assert await house.rows("select count(*) from alerts") == [(0,)]
    said = " ".join(message.text for message in house.slack.messages("#taskmaster-alerts"))
    assert "It has no step that checks whether this helped" in said


async def by_hand(house: House, **named: str) -> str:
    """Ask for a restart of an agent, and let the pipeline act on it; gives the answer."""
    detail = {"playbook": "restart-unhealthy-agent", "namespace": NAMESPACE, **named}
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, Kind.RUN, None, asked_by="kim", detail=detail)
    await act_on(house.rooms, number)
    await house.work()
    async with house.rooms.database.transaction() as transaction:
        found = await requests.get(transaction, number)
    return found.answer if found else ""


async def test_an_agent_whose_new_pod_is_no_better_is_somebodys_business(house: House) -> None:
    live(house, "restart-unhealthy-agent")
    house.cluster.adopt(AGENT)

    alert = await unhealthy(house, "cleo", pod="cleo-agent-1")
    await pass_by(house, timedelta(minutes=4))
    await house.resolve(alert)
    await unhealthy(house, "cleo", pod="cleo-agent-2")
    await pass_by(house, timedelta(minutes=20))

    [(found, reason)] = await house.rows("select outcome, reason from runs where id = 1")
    assert found == "failed"
    assert "incident.quiet is false" in reason
    assert [page.status.value for page in house.pagerduty.alerts] == ["triggered"]


@pytest.mark.parametrize(
    ("agent", "labels", "why"),
    [
        ("rex", {}, "there is no such deployment"),
        ("cleo; kubectl", {}, "the labels of the alert give no name for {agent_type}-agent"),
        ("cleo", {"receiver/remediate": "false"}, "the deployment does not agree"),
    ],
)
async def test_a_deployment_that_is_not_there_or_does_not_agree_is_left_alone(
    house: House, agent: str, labels: dict[str, str], why: str
) -> None:
    live(house, "restart-unhealthy-agent")
    house.cluster.adopt(AGENT | {"metadata": AGENT["metadata"] | {"labels": labels}})

    await unhealthy(house, agent)
    await house.live(timedelta(minutes=2), STEP)

    found, reason = await outcome(house)
    assert found == "blocked"
    assert why in reason
    assert house.effects() == []
