"""Whole playbooks of other actions through the pipeline: people, steps that take their time, the mildest restart."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from receiver.model.document import Document
from receiver.model.request import Kind
from receiver.remediate.language import load
from receiver.sandbox.kubernetes import JOB
from receiver.sandbox.scenario import stuck_workflow
from receiver.store import requests, runs
from receiver.store.tables import RequestRow
from tests.integration.pipeline.conftest import NAMESPACE, PLAYBOOK, WORKFLOW, House

HEAD = PLAYBOOK[: PLAYBOOK.index("steps:")]
JOB_SPEC = "{template: {spec: {restartPolicy: Never, containers: [{name: main, image: none.invalid/none}]}}}"


def plays(house: House, steps: str, more: str = "") -> None:
    written = load(Document(f"{HEAD}{more}\nsteps: [{steps}]\n", file="p.yaml"))
    house.rooms = replace(house.rooms, playbooks=(written,))


async def approve(house: House, who: str) -> None:
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, Kind.APPROVE, 1, asked_by=who)
        # The database dates what is asked; in this house another clock counts.
        await transaction.execute(update(RequestRow).where(RequestRow.id == number).values(at=house.clock()))
        await runs.wake(transaction, 1, house.clock())
    await house.live(timedelta(seconds=5))


async def test_a_run_that_needs_two_people_goes_on_with_the_second_one(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    plays(house, "{workflow.suspend: {}}", "approval: required\napprovals: 2")
    await house.fire()
    await house.work()

    await approve(house, "ada")
    await approve(house, "ada")
    after_one = house.effects()
    await approve(house, "ben")

    assert after_one == []
    assert house.effects() == [f"PATCH {WORKFLOW}"]
    assert await house.rows("select outcome from runs") == [("succeeded",)]


async def test_a_step_that_takes_its_time_is_waited_for_and_told_once(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    plays(house, f"{{job.run: {{timeout: 1h, spec: {JOB_SPEC}}}}}")
    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=1))
    waiting = await house.rows("select state, cursor from runs")

    (made,) = house.cluster.storage.every(JOB, NAMESPACE)
    done = made | {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
    house.cluster.registry.replace(JOB, NAMESPACE, made["metadata"]["name"], done, subresource="status")
    await house.live(timedelta(minutes=1))

    assert waiting == [("waiting", 0)]
    assert await house.rows("select outcome from runs") == [("succeeded",)]
    assert await house.rows("select count(*), min(state), min(result->>'state') from journal") == [
        (1, "done", "succeeded")
    ]


async def test_a_restart_stops_first_and_terminates_only_what_does_not_end_by_that(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    plays(house, "{workflow.restart: {}}")

    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=3))

    assert house.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    [(outcome, made)] = await house.rows("select outcome, vars->'workflow'->>'name' from runs")
    assert outcome == "succeeded"
    assert made != WORKFLOW
