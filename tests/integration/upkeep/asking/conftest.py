"""Receiver's store and upkeep by hand, one clock of our own, and real Alertmanagers that run by theirs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from receiver.clients.alertmanager import AlertmanagerClient
from receiver.clients.kubernetes import Cluster
from receiver.model.incident import LabelNames
from receiver.model.matcher import Matcher
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.upkeep.inquire import Inquirer
from receiver.upkeep.reconcile import Habits, Reconciler
from receiver.upkeep.watchdog import Watch, Watchdog
from receiver.webhook.message import parse

from .alertmanager import Alertmanager, listening, until

MINUTE = timedelta(minutes=1)
NAMES = LabelNames(watchdogs=(Matcher.parse('alertname="Watchdog"'),))


@dataclass
class Clock:
    """Our clock: it begins at the real time, since Alertmanager's does, and moves when the test says so."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, length: timedelta) -> None:
        self.at += length


@dataclass
class Desk:
    """What a test of asking works with.

    Attributes:
        webhook: Where an Alertmanager posts to, to be recorded here.
        told: Bodies that came, oldest first.
        deaf: While it is true, what comes is accepted and not recorded, as if it had been lost.
    """

    database: Database
    queue: Queue
    intake: Intake
    clock: Clock
    folder: Path
    stack: AsyncExitStack
    session: aiohttp.ClientSession
    webhook: str = ""
    told: list[bytes] = field(default_factory=list)
    deaf: bool = False

    async def take(self, body: bytes) -> None:
        self.told.append(body)
        if not self.deaf:
            await self.intake.record(parse(body, self.clock()))

    async def alertmanager(self, **webhook_config: Any) -> Alertmanager:
        """Start one that posts here."""
        folder = self.folder / f"am{len(list(self.folder.iterdir()))}"
        started = await Alertmanager(folder, self.session, webhook=self.webhook, **webhook_config).start()
        self.stack.push_async_callback(started.stop)
        return started

    def clients(self, *urls: str) -> list[AlertmanagerClient]:
        made = [AlertmanagerClient(url, timeout=timedelta(seconds=5)) for url in urls]
        for one in made:
            self.stack.push_async_callback(one.close)
        return made

    def reconciler(self, *urls: str, cluster: Cluster | None = None, matchers: Sequence[Matcher] = ()) -> Reconciler:
        habits = Habits(
            interval=MINUTE,
            group_interval=5 * MINUTE,
            matchers=matchers,
            ended_with_workflow=("WorkflowStuckDetection",),
        )
        return Reconciler(
            database=self.database,
            queue=self.queue,
            clients=self.clients(*urls),
            cluster=cluster,
            habits=habits,
            now=self.clock,
        )

    def inquirer(self, *urls: str) -> Inquirer:
        return Inquirer(database=self.database, record=self.intake.record, clients=self.clients(*urls), now=self.clock)

    def watchdog(self, interval: timedelta | None) -> Watchdog:
        watch = Watch(matchers=NAMES.watchdogs, interval=interval) if interval else None
        return Watchdog(database=self.database, record=self.intake.record, watch=watch, now=self.clock)

    async def rounds(self, reconciler: Reconciler, number: int) -> list[str]:
        """Let minutes pass with one round each; returns the reasons of what was closed."""
        closed = []
        for _ in range(number):
            self.clock.pass_by(MINUTE)
            closed += [one.reason for one in await reconciler.round()]
        return closed

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.database.transaction() as transaction:
            return [tuple(row) for row in await transaction.execute(text(query))]

    async def heard(self, deliveries: int) -> None:
        """Wait until so many deliveries came, and are recorded."""

        async def came() -> bool:
            [(kept,)] = await self.rows("select count(*) from deliveries")
            return len(self.told) >= deliveries and (self.deaf or int(kept) >= deliveries)

        await until(came, f"{deliveries} deliveries")


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        queue = Queue(database)
        await queue.open()
        intake = Intake(database, queue, NAMES)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        desk = Desk(
            database=database,
            queue=queue,
            intake=intake,
            clock=Clock(),
            folder=tmp_path,
            stack=stack,
            session=session,
        )
        desk.webhook = await stack.enter_async_context(listening(desk.take))
        yield desk
        await intake.close()
