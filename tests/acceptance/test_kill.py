"""`kill -9` at any moment: a new process on the same database ends what was begun, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg
import pytest

from receiver.sandbox.argo import Course
from receiver.sandbox.kubernetes import WORKFLOW
from receiver.sandbox.scenario import stuck_workflow

from .conftest import Service, Stage, until

BEFORE_WRITING: Final = "terminate-not-written-down"
ARRIVED: Final = "terminate-arrived-without-effect"
UNANSWERED: Final = "terminate-took-effect-unanswered"
UNWRITTEN: Final = "terminate-answered-not-written-down"
WAITING: Final = "waits-for-the-end"
BETWEEN: Final = "ended-not-yet-resubmitted"
MAKING: Final = "resubmit-arrived-without-effect"
MADE: Final = "resubmit-took-effect-unanswered"
VERIFYING: Final = "verifies"
DELIVERED: Final = "webhook-answered"
EFFECTS_BEFORE: Final = {
    BEFORE_WRITING: 0,
    ARRIVED: 0,
    UNANSWERED: 1,
    UNWRITTEN: 1,
    WAITING: 1,
    BETWEEN: 1,
    MAKING: 1,
    MADE: 2,
    VERIFYING: 2,
    DELIVERED: 0,
}
POINTS: Final = tuple(EFFECTS_BEFORE)


@dataclass(kw_only=True)
class Scene:
    """One service in which the restart of each workflow stands at a point of its own; namespace and name are that."""

    stage: Stage
    service: Service

    async def fire(self, point: str) -> None:
        answer = await self.service.deliver(self.stage.alert(point, namespace=point))
        assert answer.status == 200, answer.text

    async def seen(self, point: str, method: str, path: str = "") -> None:
        async with asyncio.timeout(60):
            await self.stage.cluster.faults.until_seen(method=method, path=f"/namespaces/{point}/workflows{path}")

    async def stands(self, point: str, cursor: int) -> None:
        async def there() -> bool:
            waiting = await self.stage.rows("select target->>'name', cursor from runs where state = 'waiting'")
            return (point, cursor) in waiting

        await until(there, f"{point} waits at step {cursor}")


@pytest.mark.timeout(400)
async def test_a_restart_that_was_killed_anywhere_is_finished_once_by_a_new_process(stage: Stage) -> None:
    for point in POINTS:
        stuck_workflow(stage.cluster, point, point, course="hang, succeed")
    order_faults(stage)
    scene = Scene(stage=stage, service=await stage.serve())

    await reach_all_points(scene)
    await scene.service.kill()
    before = effects_at_the_points(stage)
    await stage.serve()
    async with stage.argo:
        await until(lambda: all_finished(stage), "every run is finished", within=150)
        await until(lambda: len(stage.posts()) >= len(POINTS), "Slack has heard of each", within=90)

    assert {point: len(effects) for point, effects in before.items()} == EFFECTS_BEFORE
    for point in POINTS:
        assert stage.effects(f"/namespaces/{point}/") == [f"PATCH {point}", "POST workflows"], point
        assert len(stage.cluster.storage.every(WORKFLOW, point)) == 2, point
        assert len(stage.posts(point)) == 1, point
    assert await stage.rows("select count(*), min(outcome), max(outcome) from runs") == [(10, "succeeded", "succeeded")]
    assert stage.pagerduty.events == []


def order_faults(stage: Stage) -> None:
    """Let each request hang at whose arrival, or after whose effect, the process is to be killed."""
    faults = stage.cluster.faults
    faults.hang(method="PATCH", path=f"/namespaces/{ARRIVED}/")
    faults.hang_after_effect(method="PATCH", path=f"/namespaces/{UNANSWERED}/")
    faults.slow(timedelta(seconds=5), method="PATCH", path=f"/namespaces/{UNWRITTEN}/")
    faults.hang(method="GET", path=f"/namespaces/{BETWEEN}/workflows/{BETWEEN}-r")
    faults.hang(method="POST", path=f"/namespaces/{MAKING}/workflows$")
    faults.hang_after_effect(method="POST", path=f"/namespaces/{MADE}/workflows$")


async def reach_all_points(scene: Scene) -> None:
    """Bring each restart to its point; Argo rests where it would carry one beyond."""
    stage = scene.stage
    stage.argo.follow(VERIFYING, VERIFYING, Course.HANG, Course.WAIT)
    async with stage.argo:
        for point in (BETWEEN, MAKING, MADE, VERIFYING):
            await scene.fire(point)
        await scene.seen(BETWEEN, "GET", f"/{BETWEEN}-r")
        await scene.seen(MAKING, "POST")
        await scene.seen(MADE, "POST")
        await scene.stands(VERIFYING, 3)
    stage.argo.follow(VERIFYING, VERIFYING, Course.HANG, Course.SUCCEED)
    for point in (ARRIVED, UNANSWERED, WAITING):
        await scene.fire(point)
    await scene.seen(ARRIVED, "PATCH", f"/{ARRIVED}")
    await scene.seen(UNANSWERED, "PATCH", f"/{UNANSWERED}")
    await scene.stands(WAITING, 1)
    await scene.fire(UNWRITTEN)
    await scene.seen(UNWRITTEN, "PATCH", f"/{UNWRITTEN}")
    async with nothing_written_to_the_journal(stage):
        await scene.fire(BEFORE_WRITING)
        await until(lambda: held_up(stage, 2), "two steps wait to be written down")
        await scene.fire(DELIVERED)
        await scene.service.kill()


@asynccontextmanager
async def nothing_written_to_the_journal(stage: Stage) -> AsyncIterator[None]:
    """Hold up whoever is about to write down a step, before or after its effect."""
    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        await connection.execute("lock table journal in share mode")
        yield


async def held_up(stage: Stage, number: int) -> bool:
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return await stage.rows(query) == [(number,)]


def effects_at_the_points(stage: Stage) -> dict[str, list[str]]:
    return {point: stage.effects(f"/namespaces/{point}/") for point in POINTS}


async def all_finished(stage: Stage) -> bool:
    return await stage.rows("select count(*) from runs where state = 'finished'") == [(len(POINTS),)]
