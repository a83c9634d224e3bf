"""Looking around an alert on the stand-in of a cluster, well and unwell."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.clients.kubernetes import Cluster
from receiver.enrich import Around, Mask, Past, Survey, look
from receiver.enrich.survey import PATIENCE
from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Occurrence, Subject
from receiver.model.workflow import Phase
from receiver.sandbox.kubernetes import POD, ApiServer, Line, reader
from receiver.sandbox.kubernetes.manifest import load, load_logs

ARGO = Path(__file__).parents[2] / "data" / "argo"
STUCK_POD = "etl-running-7h-work-3926848418"
SOURCES = ["workflow", "pods", "events", "log", "past", "links"]


def now() -> datetime:
    return datetime.now(UTC)


def around(workflow: str, namespace: str = "argo") -> Around:
    subject = Subject(namespace=namespace, workflow=workflow)
    alert = Occurrence(
        id="202611-1",
        fingerprint=Fingerprint("0123456789abcdef"),
        status=AlertStatus.FIRING,
        inferred=False,
        subject=subject,
        alertname="WorkflowStuckDetection",
        severity="critical",
        labels={"alertname": "WorkflowStuckDetection"},
        annotations={"runbook_url": "https://user:secret@runbooks.example.org/x"},
        starts_at=now(),
        starts_at_text="",
        ends_at=None,
        first_seen_at=now(),
        last_seen_at=now(),
        deliveries=1,
        firings=1,
        group_key="",
        receiver="receiver",
        generator_url="http://prometheus:9090/graph",
        incident_id=1,
    )
    return Around(
        subject=subject, alert=alert, past=Past(), argo_url="https://argo.example.org", mask=Mask(["dataset-[0-9]+"])
    )


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer(identities={"reader": reader("argo")}) as server:
        load(server, sorted((ARGO / "fixtures").glob("*.yaml")))
        load_logs(server, ARGO / "logs")
        yield server


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    cluster = Cluster.at(server.url, server.token, timeout=timedelta(seconds=30))
    yield cluster
    await cluster.close()


def finding(survey: Survey, source: str) -> Finding:
    return next(finding for finding in survey.findings if finding.source == source)


def states(survey: Survey) -> dict[str, FindingState]:
    return {finding.source: finding.state for finding in survey.findings}


async def test_a_stuck_workflow_is_seen_whole(server: ApiServer, cluster: Cluster) -> None:
    survey = await look(around("etl-running-7h"), cluster, now=now)

    assert [finding.source for finding in survey.findings] == SOURCES
    assert survey.workflow is not None
    assert survey.workflow.phase is Phase.RUNNING
    assert STUCK_POD in {pod.name for pod in survey.pods}
    assert "no progress for 6h5" in finding(survey, "workflow").summary
    assert "at step train" in finding(survey, "workflow").summary
    assert finding(survey, "log").detail["pod"] == STUCK_POD
    assert finding(survey, "log").detail["lines"]
    assert finding(survey, "links").detail["argo"] == "https://argo.example.org/workflows/argo/etl-running-7h"
    assert finding(survey, "links").detail["runbook"] == "https://***@runbooks.example.org/x"
    assert {request.method for request in server.faults.requests} == {"GET"}


async def test_warnings_are_told(cluster: Cluster) -> None:
    survey = await look(around("etl-imagepull-8h"), cluster, now=now)

    assert finding(survey, "events").state is FindingState.FOUND
    assert "BackOff" in finding(survey, "events").summary
    assert finding(survey, "log").state is FindingState.EMPTY
    assert "ImagePullBackOff" in finding(survey, "pods").summary


async def test_secrets_in_a_log_are_masked(server: ApiServer, cluster: Cluster) -> None:
    pod = server.registry.read(POD, "argo", STUCK_POD)
    server.logs.write(pod, "main", [Line(at=now(), text=text) for text in ("password=hunter2", "dataset-4711 \0")])

    survey = await look(around("etl-running-7h"), cluster, now=now)

    assert finding(survey, "log").detail["lines"][-2:] == ["password=***", "*** \ufffd"]


async def test_a_workflow_that_is_gone_is_no_failure(cluster: Cluster) -> None:
    survey = await look(around("etl-gone"), cluster, now=now)

    assert [states(survey)[source] for source in SOURCES[:4]] == [FindingState.EMPTY] * 4
    assert "etl-gone" in finding(survey, "workflow").summary
    assert survey.workflow is None


@pytest.mark.parametrize("name", ["../../secrets", "a b", "etl?x=1", "ETL", "é" * 300])
async def test_a_name_that_cannot_be_one_is_never_sent(server: ApiServer, cluster: Cluster, name: str) -> None:
    survey = await look(around(name), cluster, now=now)

    assert finding(survey, "workflow").state is FindingState.FAILED
    assert "RFC 1123" in finding(survey, "workflow").summary
    assert server.faults.requests == []


async def test_an_alert_about_no_workflow_asks_nobody(server: ApiServer, cluster: Cluster) -> None:
    survey = await look(around("", namespace="argo"), cluster, now=now)

    assert [states(survey)[source] for source in SOURCES[:4]] == [FindingState.EMPTY] * 4
    assert server.faults.requests == []


async def test_without_a_cluster_the_setting_is_named_and_the_rest_is_told() -> None:
    survey = await look(around("etl"), None, now=now)

    assert [states(survey)[source] for source in SOURCES[:4]] == [FindingState.DISABLED] * 4
    assert "kubernetes.kubeconfig" in finding(survey, "workflow").summary
    assert states(survey)["links"] is FindingState.FOUND


@pytest.mark.parametrize(
    ("path", "source"),
    [("/workflows/", "workflow"), ("/pods$", "pods"), ("/events$", "events"), ("/log$", "log")],
)
@pytest.mark.parametrize("status", [403, 503])
async def test_a_source_that_fails_is_named_and_left_out(
    server: ApiServer, cluster: Cluster, path: str, source: str, status: int
) -> None:
    server.faults.answer(status, path=path, body={"kind": "Status", "code": status, "message": "no"}, times=None)

    survey = await look(around("etl-running-7h"), cluster, now=now)

    assert states(survey)[source] is FindingState.FAILED
    assert finding(survey, source).summary
    assert [finding.source for finding in survey.findings] == SOURCES


async def test_the_log_is_still_read_where_events_are_refused(server: ApiServer, cluster: Cluster) -> None:
    server.faults.answer(403, path="/events$", body={"kind": "Status", "code": 403, "message": "no"}, times=None)

    survey = await look(around("etl-running-7h"), cluster, now=now)

    assert states(survey)["log"] is FindingState.FOUND


@pytest.mark.parametrize(
    ("path", "source"),
    [("/workflows/", "workflow"), ("/pods$", "pods"), ("/events$", "events"), ("/log$", "log")],
)
async def test_a_source_that_hangs_is_not_waited_for(
    server: ApiServer, cluster: Cluster, path: str, source: str
) -> None:
    server.faults.hang(path=path, times=None)
    patience: dict[str, Any] = {**PATIENCE, source: timedelta(milliseconds=50)}

    async with asyncio.timeout(25):  # the cluster alone would wait for 30 s
        survey = await look(around("etl-running-7h"), cluster, now=now, patience=patience)
    server.faults.release()

    assert states(survey)[source] is FindingState.FAILED
    assert "did not answer within" in finding(survey, source).summary
    assert finding(survey, source).took >= timedelta(milliseconds=50)


async def test_a_cluster_that_cannot_be_reached_is_told(server: ApiServer, cluster: Cluster) -> None:
    await server.stop()

    survey = await look(around("etl-running-7h"), cluster, now=now)

    assert states(survey)["workflow"] is FindingState.FAILED
    assert states(survey)["past"] is FindingState.EMPTY
