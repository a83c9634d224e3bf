"""The whole chain with the real tools: what the cluster shows fires, is healed, resolves and closes.

And what becomes of alerts about Receiver itself while it is away. One test, since what it needs costs more to start
than everything that it then shows.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from receiver.sandbox.argo import Course
from receiver.sandbox.kubernetes import POD
from receiver.sandbox.pagerduty import EXAMPLE_KEY
from receiver.sandbox.scenario import running_workflow, stuck_workflow

from .conftest import NAMESPACE, Service, Stage, complaints, free_port, until
from .shipped import (
    Mailbox,
    answering,
    asked_by_dashboards,
    asked_by_rules,
    has_result,
    kubelet,
    mailbox,
    start_alertmanager,
    start_prometheus,
    start_pushgateway,
)

RECEIVER: Final = str(Path(sys.executable).with_name("receiver"))
STUCK, BUSY = "rex-implements-login", "tess-runs-the-tests"

EMPTY = {
    "workflow-health: WorkflowPodStuck workflow_pod_waiting_start_time": "no pod waits",
    "workflow-health: TestAlert test_metric": "it is there only while somebody tests",
}
"""What has no result here, each with the reason."""


@dataclass(kw_only=True)
class Chain:
    """All that runs.

    Attributes:
        workspace: Of the agent rex; without it, rex is not healthy.
    """

    stage: Stage
    receiver: Service
    agent: Service
    pushgateway: Service
    prometheus: Service
    mail: Mailbox
    workspace: Path

    async def occurrences(self, alertname: str) -> list[tuple[str, ...]]:
        """What Receiver has recorded of an alert: status, state of the incident, which workflow, check or job."""
        found = await self.stage.rows(
            "select alertname, status, state, "
            "coalesce(nullif(alerts.workflow, ''), labels ->> 'check_name', labels ->> 'job') "
            "from alerts left join incidents on incidents.id = incident_id order by 4"
        )
        return [(status, state, about) for name, status, state, about in found if name == alertname]

    async def stop_receiver(self) -> None:
        assert await self.receiver.stop() == 0

    async def start_receiver(self) -> None:
        """Start it where it was: Alertmanager and Prometheus know the address."""
        url = self.receiver.url
        self.receiver = await self.stage.start("serve", "--config", settings_of(self.stage, self.receiver))
        self.receiver.url = url
        await self.receiver.ready()


@asynccontextmanager
async def build_chain(stage: Stage) -> AsyncIterator[Chain]:
    """Start everything: a stuck workflow and a busy one in the cluster, and all that watches them."""
    stuck_workflow(stage.cluster, NAMESPACE, STUCK, course="hang, succeed")
    running_workflow(stage.cluster, NAMESPACE, BUSY, agent="tess")
    stage.argo.follow(NAMESPACE, BUSY, Course.HANG)
    [at_work] = [
        pod["metadata"]["name"]
        for pod in stage.cluster.storage.every(POD)
        if pod["metadata"]["name"].startswith(BUSY) and pod["status"]["phase"] == "Running"
    ]
    workspace = stage.folder / "workspace"
    workspace.mkdir()
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(mailbox())
        busy = await stack.enter_async_context(kubelet(at_work, namespace=NAMESPACE, claim="work"))
        pushgateway = await start_pushgateway(stage)
        alertmanager_port = free_port()
        settings = stage.settings(
            alertmanager={"url": f"http://127.0.0.1:{alertmanager_port}", "interval": "2s"},
            watchdog={"interval": "5m"},
        )
        receiver = await stage.start("serve", settings=settings)
        await receiver.ready()
        exporter = await start_exporter(stage, receiver)
        agent = await start_agent(stage, workspace)
        alertmanager = await start_alertmanager(
            stage,
            receiver.url,
            mail.port,
            port=alertmanager_port,
            beside={"receiver-token": stage.tokens["ingest"], "pagerduty-routing-key": EXAMPLE_KEY},
        )
        await check_once(stage, agent, pushgateway)
        targets = {
            "receiver": receiver.url,
            "receiver-exporter": exporter.url,
            "agents": agent.url,
            "pushgateway": pushgateway.url,
            "kubelet": busy,
        }
        prometheus = await start_prometheus(stage, alertmanager, targets)
        stack.push_async_callback(tell, stage)
        yield Chain(
            stage=stage,
            receiver=receiver,
            agent=agent,
            pushgateway=pushgateway,
            prometheus=prometheus,
            mail=mail,
            workspace=workspace,
        )


def settings_of(stage: Stage, service: Service) -> str:
    """Give the file with the settings of a service."""
    return str(next(stage.folder.glob(f"receiver-{service.url.rpartition(':')[2]}.yaml")))


async def start_exporter(stage: Stage, receiver: Service) -> Service:
    """Start what follows the cluster for Prometheus, with the settings of the service."""
    port = free_port()
    command = [RECEIVER, "exporter", "--config", settings_of(stage, receiver), "--port", str(port)]
    started = await stage.launch(command, port=port)
    await answering(started, "/readyz")
    return started


async def tell(stage: Stage) -> None:
    """Print what Receiver recorded; pytest shows it with a failure."""
    for line in await stage.rows("select at, kind, incident_id, text from timeline order by at, id"):
        print(*line)  # noqa: T201


async def check_once(stage: Stage, agent: Service, pushgateway: Service) -> None:
    """Run the synthetic check as its CronJob does, against a healthy agent."""
    command = [RECEIVER, "agent", "synthetic", "--agent", f"rex={agent.url}", "--pushgateway", pushgateway.url]
    checked = await stage.launch(command, port=0)
    assert await checked.ended() == 0, checked.said


async def start_agent(stage: Stage, workspace: Path) -> Service:
    """Start the health endpoint beside rex, which works in this folder and has no MCP server here."""
    assert await (await stage.launch(["git", "init", "--quiet", str(workspace)], port=0)).ended() == 0
    checks = stage.folder / "checks.json"
    checks.write_text(json.dumps({"checks": [{"name": "mcp_connection", "command": ["true"]}]}), encoding="utf-8")
    port = free_port()
    command = [RECEIVER, "agent", "health", "--fresh", "1s", "--host", "127.0.0.1", "--port", str(port)]
    started = await stage.launch(
        [*command, "--checks", str(checks)], port=port, AGENT_TYPE="rex", WORKSPACE_PATH=str(workspace)
    )
    await answering(started, "/metrics")
    return started


@pytest.mark.timeout(300)
async def test_what_fires_is_healed_and_closes_and_what_is_about_receiver_is_mailed_past_it(stage: Stage) -> None:
    async with build_chain(stage) as chain:
        await a_stuck_workflow_is_healed_and_its_incident_closes(chain)
        await an_agent_that_lost_its_workspace_is_told(chain)
        await a_synthetic_check_that_was_pushed_and_not_renewed_is_told(chain)
        await an_outage_of_receiver_is_mailed_and_doubles_nothing(chain)
        await every_query_has_a_result(chain)

    assert complaints(chain.receiver.said) == []


async def a_stuck_workflow_is_healed_and_its_incident_closes(chain: Chain) -> None:
    async def fires() -> bool:
        return bool(await chain.occurrences("WorkflowStuckDetection"))

    async def closed() -> bool:
        return await chain.occurrences("WorkflowStuckDetection") == [("resolved", "closed", STUCK)]

    await until(fires, "Prometheus sees from the exporter that the workflow is stuck, and tells it")
    async with chain.stage.argo:
        await until(closed, "the workflow runs anew, so that the rule resolves and the incident closes")

    stage = chain.stage
    assert await stage.rows("select outcome from runs") == [("succeeded",)]
    assert stage.effects() == [f"PATCH {STUCK}", "POST workflows"]
    assert [alert.summary for alert in stage.pagerduty.alerts if STUCK in alert.summary] == []


async def an_agent_that_lost_its_workspace_is_told(chain: Chain) -> None:
    """It vanishes: who tests as root can write to whatever is only read-only."""
    chain.workspace.rename(chain.workspace.with_name("gone"))

    async def told() -> bool:
        found = await chain.occurrences("AgentHealthCheckFailing")
        return ("firing", "open", "workspace_access") in found and bool(chain.stage.posts("AgentHealthCheckFailing"))

    await until(told, "the failing check is recorded, and Slack knows")


async def a_synthetic_check_that_was_pushed_and_not_renewed_is_told(chain: Chain) -> None:
    async def told() -> bool:
        return ("firing", "open", "synthetic-health-checks") in await chain.occurrences("AgentSilent")

    await until(told, "nothing was pushed for too long, and that is recorded")


async def an_outage_of_receiver_is_mailed_and_doubles_nothing(chain: Chain) -> None:
    stage, mail = chain.stage, chain.mail
    firing = await chain.occurrences("AgentHealthCheckFailing")
    posts, pages = len(stage.posts("AgentHealthCheckFailing")), len(stage.pagerduty.alerts)
    await chain.stop_receiver()
    await until(lambda: mail.about("ReceiverDown"), "Alertmanager mails that Receiver is down")
    await until(lambda: len(stage.pagerduty.alerts) > pages, "and pages somebody itself")
    assert "ReceiverDown (critical) is firing" in mail.about("ReceiverDown")[0]

    await chain.start_receiver()
    await until(lambda: "is resolved" in mail.about("ReceiverDown")[-1], "Alertmanager mails that it is over")
    chain.workspace.with_name("gone").rename(chain.workspace)

    async def over() -> bool:
        found = await chain.occurrences("AgentHealthCheckFailing")
        return {(status, state) for status, state, _ in found} == {("resolved", "closed")}

    await until(over, "what fired all the while ends once")
    mailed = mail.about("ReceiverDown")
    assert len(mailed) == len(set(mailed))
    assert len(await chain.occurrences("AgentHealthCheckFailing")) == len(firing)
    assert len(stage.posts("AgentHealthCheckFailing")) == posts
    assert await stage.rows("select outcome from runs") == [("succeeded",)]


async def every_query_has_a_result(chain: Chain) -> None:
    asked = asked_by_dashboards() | asked_by_rules()
    assert EMPTY.keys() <= asked.keys()

    for place in asked.keys() - EMPTY.keys():

        async def has(query: str = asked[place]) -> bool:
            return await has_result(chain.prometheus, query)

        await until(has, f"there is a result for {place}: {asked[place]}")
