"""A real Alertmanager in front of the whole service: what it delivers over HTTP ends where it must."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from receiver.sandbox.pagerduty import AlertStatus
from receiver.sandbox.scenario import stuck_workflow

from .alertmanagers import Alertmanager
from .conftest import NAMESPACE, WEBHOOK, Service, Stage, complaints, until


@asynccontextmanager
async def alertmanager(stage: Stage, service: Service, **http_config: Any) -> AsyncIterator[str]:
    """Run the real Alertmanager with one route, to the service; gives its address."""
    started = await Alertmanager(stage=stage, webhook=service.url + WEBHOOK, http_config=http_config).start()
    yield started.url
    await started.kill()


async def raise_alert(stage: Stage, url: str, labels: Mapping[str, str], *, over: bool = False) -> None:
    """Do as Prometheus does: post an alert that fires, or its end."""
    alert = {"labels": labels, "annotations": {"summary": "it is stuck"}, "generatorURL": "http://prometheus.invalid/"}
    ends = {"endsAt": datetime.now(UTC).isoformat()} if over else {}
    async with stage.session.post(f"{url}/api/v2/alerts", json=[alert | ends]) as answer:
        assert answer.status == 200, await answer.text()


async def test_a_page_after_a_restart_in_vain_is_resolved_when_alertmanager_delivers_the_end(stage: Stage) -> None:
    stuck_workflow(stage.cluster, NAMESPACE, "rex-implements-login", course="hang")
    labels = stage.alert("rex-implements-login").labels
    service = await stage.serve(within="4s")
    bearer = {"credentials": stage.tokens["ingest"]}

    async with stage.argo, alertmanager(stage, service, authorization=bearer) as url:
        await raise_alert(stage, url, labels)
        await until(lambda: stage.pagerduty.alerts, "somebody is paged")
        assert await stage.rows("select outcome from runs") == [("failed",)]
        assert stage.effects() == ["PATCH rex-implements-login", "POST workflows"]
        [page] = stage.pagerduty.alerts
        assert page.status is AlertStatus.TRIGGERED

        await raise_alert(stage, url, labels, over=True)
        await closed(stage)

    assert await stage.rows("select status, deliveries >= 2 from alerts") == [("resolved", True)]
    assert complaints(service.said) == []


async def test_an_alert_without_a_playbook_is_told_and_closed_and_basic_authentication_is_taken(stage: Stage) -> None:
    labels = {"alertname": "NodeDiskFull", "severity": "critical", "instance": "node-a"}
    service = await stage.serve()
    basic = {"username": "alertmanager", "password": stage.tokens["ingest"]}

    async with alertmanager(stage, service, basic_auth=basic) as url:
        await raise_alert(stage, url, labels)
        await until(lambda: stage.pagerduty.alerts, "somebody is paged")
        await until(stage.posts, "Slack is told")

        await raise_alert(stage, url, labels, over=True)
        await closed(stage)

    assert await stage.rows("select count(*) from decisions") == [(0,)]


async def test_what_could_not_be_kept_is_delivered_again_by_alertmanager_itself(stage: Stage) -> None:
    """A service that starts after its Alertmanager loses nothing."""
    labels = {"alertname": "NodeDiskFull", "severity": "warning", "instance": "node-a"}
    early = await stage.serve()
    settings = stage.settings() | {"server": {"port": int(early.url.rpartition(":")[2])}}

    async with alertmanager(stage, early, authorization={"credentials": stage.tokens["ingest"]}) as url:
        assert await early.stop() == 0
        await raise_alert(stage, url, labels)
        await until(lambda: has_failed(stage, url), "Alertmanager has tried in vain")
        late = await stage.start("serve", settings=settings)
        late.url = early.url
        await late.ready()
        await until(stage.posts, "Slack is told")

    assert await stage.rows("select alertname, status from alerts") == [("NodeDiskFull", "firing")]


async def has_failed(stage: Stage, url: str) -> bool:
    async with stage.session.get(f"{url}/metrics") as answer:
        said = await answer.text()
    failed = 'alertmanager_notification_requests_failed_total{integration="webhook"} '
    return not said.partition(failed)[2].startswith("0\n")


async def closed(stage: Stage) -> None:
    """Wait until an incident is over everywhere: in the database, in PagerDuty and in Slack."""

    async def in_database() -> bool:
        return await stage.rows("select state from incidents") == [("closed",)]

    def in_pagerduty() -> bool:
        return [page.status for page in stage.pagerduty.alerts] == [AlertStatus.RESOLVED]

    def in_slack() -> bool:
        [message] = stage.posts()
        return bool(message.edits) and "resolved" in message.text

    await until(in_database, "the incident is closed")
    await until(in_pagerduty, "PagerDuty is told that it is over")
    await until(in_slack, "Slack's one message says that it is over")
