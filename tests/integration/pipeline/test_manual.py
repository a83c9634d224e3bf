"""A person asks for a run: the same guards, the same record, and no alert that nobody sent."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.model.remediation import Mode
from receiver.model.request import Kind, Request
from receiver.pipeline.asked import act_on
from receiver.sandbox.scenario import stuck_workflow
from receiver.store import requests

from .conftest import NAMESPACE, WORKFLOW, House, playbook


async def wish(house: House, kind: Kind = Kind.RUN, **detail: Any) -> Request:
    """Ask, and let the pipeline act on it."""
    asked = {"playbook": "restart-stuck-workflow", "namespace": NAMESPACE, "workflow": WORKFLOW} | detail
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, kind, None, asked_by="kim", detail=asked)
    await act_on(house.rooms, number)
    await act_on(house.rooms, number)  # a job may come twice
    await house.work()
    async with house.rooms.database.transaction() as transaction:
        found = await requests.get(transaction, number)
    assert found is not None
    return found


async def test_a_run_by_hand_heals_leaves_its_story_and_no_alert(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    answered = await wish(house, note="it hangs again")
    await house.live(timedelta(minutes=20))

    assert answered.answer.startswith("goes ahead as remediation 1. All guards agree")
    assert answered.run_id == 1
    assert await house.rows("select alert_id, outcome from runs") == [(f"request-{answered.id}", "succeeded")]
    assert house.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    assert await house.rows("select count(*) from alerts") == [(0,)]
    assert await house.rows("select state, title from incidents") == [
        ("closed", f"restart-stuck-workflow by hand: {NAMESPACE}/{WORKFLOW}")
    ]
    [(asked,)] = await house.rows("select text from timeline where kind = 'run.asked'")
    assert asked == f"kim asks for restart-stuck-workflow on {NAMESPACE}/{WORKFLOW} (live): it hangs again"
    assert house.pagerduty.events == []


@pytest.mark.parametrize(
    ("mode", "detail", "expected"),
    [
        (Mode.DRY_RUN, {}, "simulated. Dry run"),
        (Mode.DRY_RUN, {"live": True}, "goes ahead"),
        (Mode.LIVE, {"dry_run": True}, "simulated. Dry run"),
    ],
)
async def test_a_run_by_hand_obeys_the_mode_unless_it_is_asked_to_be_live(
    house: House, mode: Mode, detail: dict[str, bool], expected: str
) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, playbooks=(playbook(mode),))

    assert (await wish(house, Kind.RUN, **detail)).answer.startswith(expected)
    assert bool(house.effects()) == (expected == "goes ahead")


async def test_the_guards_refuse_a_person_as_they_refuse_an_alert_and_leave_a_row(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    await wish(house)
    await house.live(timedelta(minutes=12))

    again = await wish(house)

    assert again.answer.startswith("blocked. Guard superseded refused")
    assert again.run_id == 2
    assert await house.rows("select outcome from decisions order by id") == [(None,), ("blocked",)]


async def test_a_workflow_that_is_not_there_or_not_stuck_is_left_alone(house: House) -> None:
    absent = await wish(house, workflow="nobody")
    house.rooms = replace(house.rooms, playbooks=())
    unknown = await wish(house)

    assert absent.answer.startswith("blocked. Guard target refused: there is no such workflow")
    assert unknown.answer == "there is no playbook 'restart-stuck-workflow' any more"
    assert house.effects() == []


async def test_a_run_by_hand_joins_the_story_of_the_workflow(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, playbooks=(playbook(Mode.DRY_RUN),))
    await house.fire()
    await house.work()

    await wish(house)

    assert await house.rows("select distinct incident_id from decisions") == [(1,)]
    assert await house.rows("select count(*) from incidents") == [(1,)]


async def test_a_person_can_cancel_what_a_person_asked_for(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, playbooks=(playbook(Mode.PROPOSE),))
    await wish(house)
    async with house.rooms.database.transaction() as transaction:
        await requests.ask(transaction, Kind.CANCEL, 1, asked_by="kim")

    await house.live(timedelta(minutes=2))

    assert await house.rows("select outcome from runs") == [("cancelled",)]
    assert house.effects() == []


async def test_a_backtest_is_played_from_what_is_stored_and_changes_nothing_but_its_result(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, playbooks=(playbook(Mode.DRY_RUN),))
    await house.fire()
    await house.fire("unknown")
    await house.work()
    before = await house.rows("select count(*) from timeline")

    since = (house.clock() - timedelta(days=1)).isoformat()
    until = (house.clock() + timedelta(hours=1)).isoformat()
    answered = await wish(house, Kind.BACKTEST, since=since, until=until)

    [(result,)] = await house.rows("select result from backtests")
    assert answered.answer == "2 alerts were played through"
    assert {name: count for name, count in result["answers"].items() if count} == {"would_run": 1, "refused": 1}
    assert result["refused_by"] == {"target": 1}
    assert [one["what"] for one in result["instead"]] == ["still fires"]
    assert await house.rows("select count(*) from timeline") == before
