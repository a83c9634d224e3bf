"""Postgres goes away under deliveries, and comes back: nothing that was answered with 200 is missing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from receiver.sandbox.scenario import stuck_workflow
from receiver.store.embedded import EmbeddedPostgres, scratch

from .conftest import NAMESPACE, Answer, Service, Stage, build_stage, until

WORKFLOW = "rex-implements-login"


@dataclass(kw_only=True)
class Sender:
    """Posts alerts of one incident, each a series of its own, and remembers what was answered."""

    stage: Stage
    service: Service
    sent: int = 0
    answered: dict[str, Answer] = field(default_factory=dict)

    async def send(self) -> None:
        """Send one after the other until the service is gone."""
        while True:
            self.sent += 1
            name = f"series-{self.sent}"
            alert = self.stage.alert("busy", alertname="Slow", severity="info", series=name)
            try:
                self.answered[name] = await self.service.deliver(alert)
            except (aiohttp.ClientError, ConnectionError):
                return
            await asyncio.sleep(0.02)

    def kept(self) -> set[str]:
        return {name for name, answer in self.answered.items() if answer.status == 200}

    def refused(self) -> list[Answer]:
        return [answer for answer in self.answered.values() if answer.status != 200]

    def spooled(self) -> list[Answer]:
        return [answer for answer in self.answered.values() if answer.status == 200 and "spooled" in answer.json]


@asynccontextmanager
async def sending(stage: Stage, service: Service, *, senders: int) -> AsyncIterator[Sender]:
    sender = Sender(stage=stage, service=service)
    tasks = [asyncio.create_task(sender.send()) for _ in range(senders)]
    try:
        yield sender
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def found(stage: Stage) -> set[str]:
    return {str(name) for (name,) in await stage.rows("select labels->>'series' from alerts where alertname = 'Slow'")}


@pytest.fixture
def postgres_of_its_own() -> Iterator[EmbeddedPostgres]:
    """A Postgres that forgets nothing: one to be stopped and killed."""
    with scratch(durable=True) as server:
        yield server


def stop_fast(server: EmbeddedPostgres) -> None:
    os.kill(server.pid, signal.SIGINT)


def kill(server: EmbeddedPostgres) -> None:
    os.kill(server.pid, signal.SIGKILL)


async def works(service: Service) -> bool:
    checks: dict[str, Any] = (await service.ask("/readyz", role=None)).json["checks"]
    return bool(checks["worker"]["state"] == "ok")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strike", [stop_fast, kill])
async def test_nothing_that_was_answered_is_missing_after_postgres_went_away_and_came_back(
    folder: Path, pycache: Path, postgres_of_its_own: EmbeddedPostgres, strike: Callable[[EmbeddedPostgres], None]
) -> None:
    async with build_stage(folder, postgres_of_its_own.url, pycache) as stage:
        stuck_workflow(stage.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
        service = await stage.serve()
        assert (await service.deliver(stage.alert(WORKFLOW))).status == 200
        await until(stage.effects, "the workflow is being restarted")

        async with sending(stage, service, senders=4) as sender:
            await until(lambda: len(sender.kept()) >= 50, "deliveries are kept")
            strike(postgres_of_its_own)
            await until(lambda: len(sender.spooled()) >= 20, "deliveries are kept on disk")
            await away(service)
            postgres_of_its_own.stop_blocking()
            with server_again(postgres_of_its_own):
                await until(lambda: has_database(service), "it has its database again")
                before = len(sender.kept())
                await until(lambda: len(sender.kept()) >= before + 50, "deliveries are kept again")
                await recovered(stage, service)
                await until(lambda: nothing_missing(stage, sender), "all that was answered is found")
                assert await service.stop() == 0

    print(f"sent {sender.sent}, kept {len(sender.kept())}, of them spooled {len(sender.spooled())}")  # noqa: T201
    assert sender.refused() == []


@contextmanager
def server_again(ended: EmbeddedPostgres) -> Iterator[None]:
    server = EmbeddedPostgres.start_blocking(ended.premises.data_dir)
    try:
        yield
    finally:
        server.stop_blocking()


async def away(service: Service) -> None:
    """Ask a service whose database is away how it is: it receives, and answers no questions."""
    alive, ready = await asyncio.gather(service.ask("/healthz", role=None), service.ask("/readyz", role=None))
    assert alive.status == 200
    assert ready.status == 200, ready.text
    assert ready.json["checks"]["database"]["state"] == "degraded"
    assert ready.json["checks"]["spool"]["state"] == "ok"
    asked = await service.ask("/api/v1/alerts")
    assert asked.status == 503, asked.text


async def has_database(service: Service) -> bool:
    checks: dict[str, Any] = (await service.ask("/readyz", role=None)).json["checks"]
    return bool(checks["database"]["state"] == "ok")


async def nothing_missing(stage: Stage, sender: Sender) -> bool:
    kept = sender.kept()
    return kept <= await found(stage)


async def recovered(stage: Stage, service: Service) -> None:
    """What was begun goes on, and what comes new is done, in the same process."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with stage.argo:
        await until(lambda: stage.posts(WORKFLOW), "the restart under way is finished and told", within=120)
    assert stage.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    assert (await service.deliver(stage.alert("new-one", alertname="New"))).status == 200
    await until(lambda: stage.posts("new-one"), "a new alert is told", within=120)
    await until(lambda: works(service), "the worker is well again, and /readyz says so")
    print(f"at work again {loop.time() - began:.0f} s after it was ready")  # noqa: T201


async def test_whatever_was_answered_is_found_after_the_service_was_killed_under_a_stream_of_deliveries(
    stage: Stage,
) -> None:
    service = await stage.serve()
    async with sending(stage, service, senders=8) as sender:
        await until(lambda: len(sender.kept()) >= 400, "deliveries are kept")
        await service.kill()
    first = await found(stage)
    successor = await stage.serve()
    async with sending(stage, successor, senders=1) as more:
        await until(lambda: len(more.kept()) >= 1, "deliveries are kept again")

    print(f"sent {sender.sent}, answered {len(sender.kept())}, found {len(first)}")  # noqa: T201
    assert sender.kept() <= first
    assert len(first) <= sender.sent
    assert sender.refused() == []
