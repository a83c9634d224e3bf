"""A whole service by hand: real Postgres, stand-ins, one clock, and jobs that run only when the test says so."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from receiver.clients.kubernetes import Cluster
from receiver.clients.pagerduty import PagerDutyClient
from receiver.clients.slack import SlackClient
from receiver.model.document import Document
from receiver.model.duration import Duration
from receiver.model.incident import LabelNames
from receiver.model.remediation import Mode
from receiver.pipeline.look import look
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.send import send
from receiver.pipeline.tick import tick
from receiver.remediate.language import Playbook, load
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import ApiServer
from receiver.sandbox.pagerduty import EXAMPLE_KEY, PagerDutyStandIn
from receiver.sandbox.slack import SlackStandIn
from receiver.settings import Kubernetes, Settings
from receiver.store import looks, sweeps
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.webhook.message import parse
from tests.integration.acceptable import objections

NAMESPACE = "taskmaster"
WORKFLOW = "rex-implements-login"

PLAYBOOK = """
name: restart-stuck-workflow
mode: live
summary: Run a workflow anew that has stopped making progress
on: {matchers: ['alertname="WorkflowStuckDetection"']}
confirm: workflow.phase in ["Running", "Pending"] && !workflow.suspended && workflow.idle > duration("30m")
guards: {cooldown: 1h, attempts: {max: 2, per: 24h}}
steps:
  - workflow.terminate: {}
  - wait: {until: workflow.finished, timeout: 5m}
  - workflow.resubmit: {}
  - verify:
      that: workflow.phase == "Succeeded" || (workflow.phase == "Running" && workflow.idle < duration("5m"))
      hold: 6m
      within: 10m
hold_notifications: 20m
"""


@dataclass
class Clock:
    """The one clock of a test."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, length: timedelta) -> None:
        self.at += length


@dataclass
class House:
    """The service and its world."""

    rooms: Rooms
    intake: Intake
    clock: Clock
    cluster: ApiServer
    argo: ArgoController
    slack: SlackStandIn
    pagerduty: PagerDutyStandIn
    said: list[str]

    async def fire(self, workflow: str = WORKFLOW, **more: str) -> Firing:
        """Deliver a firing alert about a workflow."""
        labels = {
            "alertname": "WorkflowStuckDetection",
            "severity": "critical",
            "namespace": NAMESPACE,
            "workflow_name": workflow,
        } | more
        alert = Firing(labels=labels, annotations={"summary": f"{workflow} is stuck"}, starts_at=self.clock())
        await self.deliver(alert)
        return alert

    async def resolve(self, alert: Firing) -> None:
        """Deliver its end."""
        over = Firing(
            labels=alert.labels, annotations=alert.annotations, starts_at=alert.starts_at, ends_at=self.clock()
        )
        await self.deliver(over)

    async def deliver(self, *alerts: Firing) -> None:
        await self.intake.record(parse(delivery(*alerts), self.clock()))

    async def work(self) -> None:
        """Do all jobs that are there, and those that follow from them."""
        while jobs := await self.take_jobs():
            for job in jobs:
                await self.do(*job)

    async def take_jobs(self) -> list[tuple[str, dict[str, Any]]]:
        """Take all jobs out of the queue without doing them."""
        async with self.rooms.database.transaction() as transaction:
            taken = await transaction.execute(
                text("delete from procrastinate_jobs where status = 'todo' returning id, task_name, args")
            )
            return [(row.task_name, row.args) for row in sorted(taken, key=lambda row: row.id)]

    async def do(self, name: str, arguments: Mapping[str, Any]) -> None:
        match name:
            case "look":
                await look(self.rooms, **arguments)
            case "tick":
                await tick(self.rooms, **arguments)
            case "send":
                await send(self.rooms, **arguments)
            case _:
                raise AssertionError(f"nobody does {name}")

    async def sweep(self) -> None:
        """Do what the sweep does once, and the work that follows."""
        now = self.clock()
        async with self.rooms.database.transaction() as transaction:
            await sweeps.enqueue_due(transaction, self.rooms.queue, now)
            closed = await looks.close_quiet(transaction, now - self.rooms.linger, now, most=100)
            for number in closed:
                await looks.demand(transaction, number, now)
        await self.work()

    async def live(self, length: timedelta, step: timedelta = timedelta(seconds=5)) -> None:
        """Let time pass, Argo move and due work be done, step by step."""
        end = self.clock() + length
        while self.clock() < end:
            self.clock.pass_by(step)
            self.argo.advance()
            await self.sweep()

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.rooms.database.transaction() as transaction:
            return [tuple(row) for row in await transaction.execute(text(query))]

    def effects(self) -> list[str]:
        """What was changed in the cluster from outside, in order: method and path of each accepted change."""
        return [
            f"{seen.method} {seen.path.rsplit('/', 1)[-1]}"
            for seen in self.cluster.faults.effects()
            if seen.method != "GET"
        ]


def playbook(mode: Mode = Mode.LIVE, **changes: Any) -> Playbook:
    """The restart playbook, in a mode, with other parts exchanged."""
    loaded = load(Document(PLAYBOOK, file="test.yaml"))
    return msgspec.structs.replace(loaded, mode=mode, **changes)


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    """A service in which the restart playbook is live."""
    clock = Clock()
    said: list[str] = []
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(ApiServer(clock=clock))
        slack = await stack.enter_async_context(SlackStandIn())
        pagerduty = await stack.enter_async_context(PagerDutyStandIn())
        client = Cluster.at(cluster.url, cluster.token, timeout=timedelta(seconds=5))
        stack.push_async_callback(client.close)
        chat = SlackClient(token=slack.token, api_url=slack.url)
        stack.push_async_callback(chat.close)
        pager = PagerDutyClient(routing_key=EXAMPLE_KEY, events_url=pagerduty.url)
        stack.push_async_callback(pager.close)
        queue = Queue(database)
        await queue.open()
        rooms = Rooms(
            database=database,
            queue=queue,
            playbooks=(playbook(),),
            kubernetes=Kubernetes(namespaces=(NAMESPACE,)),
            routes=Settings().routes,
            paces={},
            linger=Duration(minutes=5),
            cluster=client,
            slack=chat,
            slack_channel="#taskmaster-alerts",
            pagerduty=pager,
            now=clock,
            say=said.append,
        )
        intake = Intake(database, queue, LabelNames())
        house = House(
            rooms=rooms,
            intake=intake,
            clock=clock,
            cluster=cluster,
            argo=ArgoController(cluster),
            slack=slack,
            pagerduty=pagerduty,
            said=said,
        )
        yield house
        assert objections(house.slack, house.pagerduty) == []
