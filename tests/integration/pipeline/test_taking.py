"""A person takes an incident on: every place hears who has it, and nobody else is woken."""

from datetime import timedelta

from receiver.model.request import Kind
from receiver.pipeline.asked import act_on
from receiver.store import requests

from .conftest import House

CHANNEL = "#taskmaster-alerts"


async def tell(house: House, incident: int, *, by: str = "ann", note: str = "") -> str:
    """Give a person's word, and let the pipeline act on it; gives the answer."""
    detail = {"incident": incident, "note": note}
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, Kind.ACKNOWLEDGE, None, asked_by=by, detail=detail)
    await act_on(house.rooms, number)
    await act_on(house.rooms, number)  # a job may come twice
    await house.work()
    async with house.rooms.database.transaction() as transaction:
        found = await requests.get(transaction, number)
    assert found is not None
    return found.answer


async def test_taking_an_incident_on_ends_its_escalation_until_it_fires_after_its_end(house: House) -> None:
    alert = await house.fire("no-such-workflow", alertname="QueueFull")
    await house.work()
    house.clock.pass_by(timedelta(minutes=1))

    answered = await tell(house, 1, note="on it")
    house.clock.pass_by(timedelta(minutes=1))
    handed = await tell(house, 1, by="bob")

    [own] = [one for one in house.slack.messages(CHANNEL) if one.thread_ts is None]
    thread = house.slack.replies(CHANNEL, own.ts)
    assert (answered, handed) == ("incident 1 is taken on by ann", "incident 1 is taken on by bob")
    assert "Taken on by bob." in str(own.blocks)
    assert "Taken on by ann." in str(own.edits)
    assert [one.text for one in thread if "taken it on" in one.text] == [
        "2026-11-24 09:01 UTC ann has taken it on: on it",
        "2026-11-24 09:02 UTC bob has taken it on from ann",
    ]
    assert [(one.action, one.dropped) for one in house.pagerduty.events] == [("trigger", False), ("acknowledge", False)]
    assert await house.rows("select acknowledged_by, acknowledged_at from incidents") == [("bob", house.clock())]

    await house.resolve(alert)
    await house.live(timedelta(minutes=7), timedelta(minutes=1))
    late = await tell(house, 1)
    await house.fire("no-such-workflow", alertname="QueueFull")
    await house.work()

    assert (
        late
        == "nobody has taken it on: incident 1 is over since 2026-11-24 09:07:00 UTC; what fires later is a new one"
    )
    assert await tell(house, 99) == "nobody has taken it on: there is no incident 99 any more"
    assert [one.action for one in house.pagerduty.events] == ["trigger", "acknowledge", "resolve", "trigger"]
    assert [page.dedup_key for page in house.pagerduty.alerts] == ["receiver-incident-1", "receiver-incident-2"]
