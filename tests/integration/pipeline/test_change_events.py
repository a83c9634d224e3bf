"""A remediation among the recent changes of a PagerDuty service, and a page that does not wait for it."""

from dataclasses import replace
from datetime import timedelta

from receiver.sandbox.scenario import stuck_workflow

from .conftest import NAMESPACE, WORKFLOW, House


async def test_a_healed_workflow_is_told_as_a_change_while_nobody_is_woken(house: House) -> None:
    house.rooms = replace(house.rooms, change_events=True)
    house.pagerduty.faults.reset_after_effect(path="/v2/change/enqueue")
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.live(timedelta(minutes=12), timedelta(seconds=20))

    first, again = house.pagerduty.events
    assert {first.action, again.action} == {"change"}
    assert first.document == again.document  # the answer was lost, and the API knows no keys
    assert first.document["payload"]["custom_details"]["id"] == "changes:run:1"
    assert house.pagerduty.alerts == []
    assert await house.rows("select place, state from outbox where act = 'change'") == [("pagerduty_changes", "sent")]


async def test_a_page_does_not_wait_for_a_change_that_is_not_taken(house: House) -> None:
    house.rooms = replace(house.rooms, change_events=True)
    house.pagerduty.faults.answer(500, path="/v2/change/enqueue", times=None)
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, hang")

    await house.fire()
    await house.live(timedelta(minutes=40), timedelta(minutes=1))

    assert await house.rows("select state from outbox where act = 'change'") == [("pending",)]
    assert [event.action for event in house.pagerduty.events][:1] == ["trigger"]
