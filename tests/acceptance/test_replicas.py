"""The same delivery many times, to one process and to two: one occurrence, one restart, one message."""

import asyncio
from datetime import timedelta

import pytest

from receiver.sandbox.alertmanager import delivery
from receiver.sandbox.scenario import stuck_workflow

from .conftest import CHANNEL, NAMESPACE, Stage, complaints, free_port, until

WORKFLOW = "rex-implements-login"


async def test_twenty_identical_deliveries_at_once_are_one_occurrence_one_restart_and_one_message(stage: Stage) -> None:
    stuck_workflow(stage.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    service = await stage.serve()
    body = delivery(stage.alert(WORKFLOW))

    async with stage.argo:
        answers = await asyncio.gather(*(service.post(body) for _ in range(20)))
        await healed_once(stage)

    assert [answer.status for answer in answers] == [200] * 20
    counts = [answer.json["alerts"] for answer in answers]
    assert sum(count["new"] for count in counts) == 1
    assert sum(count["repeated"] for count in counts) == 19
    assert await stage.rows("select count(*), max(deliveries) from alerts") == [(1, 20)]
    assert complaints(service.said) == []


async def test_two_replicas_that_get_the_same_deliveries_restart_once_and_say_it_once(stage: Stage) -> None:
    stuck_workflow(stage.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    replicas = await asyncio.gather(stage.serve(), stage.serve())
    body = delivery(stage.alert(WORKFLOW))

    async with stage.argo:
        answers = await asyncio.gather(*(replica.post(body) for _ in range(10) for replica in replicas))
        await healed_once(stage)

    assert [answer.status for answer in answers] == [200] * 20
    assert sum(answer.json["alerts"]["new"] for answer in answers) == 1
    assert await stage.rows("select count(*), max(deliveries) from alerts") == [(1, 20)]
    assert [complaints(replica.said) for replica in replicas] == [[], []]


@pytest.mark.timeout(240)
async def test_a_worker_ends_what_a_killed_service_began_and_is_itself_stopped_quietly(stage: Stage) -> None:
    stuck_workflow(stage.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    service = await stage.serve()
    port = free_port()
    worker = await stage.start("worker", "--port", str(port), settings=stage.settings())
    worker.url = f"http://127.0.0.1:{port}"
    stage.cluster.faults.slow(timedelta(seconds=2), method="PATCH")

    assert (await service.deliver(stage.alert(WORKFLOW))).status == 200
    async with asyncio.timeout(60):
        await stage.cluster.faults.until_seen(method="PATCH")
    await service.kill()
    async with stage.argo:
        await healed_once(stage, within=150)

    await worker.ready()
    assert "receiver_parts_failing 0.0" in (await worker.ask("/metrics", role=None)).text
    assert (await worker.ask("/api/v1/incidents", role="admin")).status == 404
    assert await worker.stop() == 0
    assert complaints(worker.said) == []


async def healed_once(stage: Stage, *, within: float = 60) -> None:
    """Wait until the workflow runs anew and people know it; nothing of it may have happened twice."""

    async def told() -> bool:
        finished = await stage.rows("select outcome from runs where state = 'finished'")
        return bool(finished and stage.posts())

    await until(told, "the workflow is healed, and Slack knows", within=within)
    assert await stage.rows("select outcome from runs") == [("succeeded",)]
    assert await stage.rows("select count(*) from incidents") == [(1,)]
    assert await stage.rows("select state, count(*) from outbox group by state") == [("sent", 1)]
    assert stage.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    assert len(stage.slack.room(CHANNEL).messages) == 1
    assert stage.pagerduty.events == []
