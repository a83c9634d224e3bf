"""A person takes an incident on or silences it: every place hears of it, and nobody else is woken."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp

from receiver.clients.alertmanager import AlertmanagerClient
from receiver.model.request import Kind
from receiver.pipeline.asked import act_on
from receiver.store import requests
from tests.integration.upkeep.asking.alertmanager import Alertmanager

from .conftest import NAMESPACE, House

CHANNEL = "#taskmaster-alerts"


async def tell(house: House, incident: int, kind: Kind = Kind.ACKNOWLEDGE, *, by: str = "ann", **detail: str) -> str:
    """Give a person's word, and let the pipeline act on it; gives the answer."""
    async with house.rooms.database.transaction() as transaction:
        number = await requests.ask(transaction, kind, None, asked_by=by, detail={"incident": incident, **detail})
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


async def test_an_incident_is_silenced_in_a_persons_name_at_the_first_alertmanager_that_answers(
    house: House, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        server = await Alertmanager(tmp_path / "am", session, webhook="http://127.0.0.1:9/").start()
        async with AlertmanagerClient("http://127.0.0.1:9") as away, AlertmanagerClient(server.url) as there:
            house.rooms = replace(house.rooms, alertmanagers=(away, there))
            await house.fire("no-such-workflow")
            await house.work()

            answered = await tell(house, 1, Kind.SILENCE, **{"for": "4h", "reason": "the queue is known"})
            [made] = await there.silences()
        await server.stop()

    assert answered.startswith(
        f"incident 1 is silenced until {made.ends_at:%Y-%m-%d %H:%M:%S} UTC by silence {made.id}"
    )
    assert made.ends_at - made.starts_at > timedelta(hours=3, minutes=58)
    assert (made.creator, made.comment.startswith("the queue is known (incident 1) [request ")) == ("ann", True)
    assert sorted(map(str, made.matchers)) == [f'namespace="{NAMESPACE}"', 'workflow_name="no-such-workflow"']
    [own] = [one for one in house.slack.messages(CHANNEL) if one.thread_ts is None]
    [said] = [one.text for one in house.slack.replies(CHANNEL, own.ts) if "silence" in one.text]
    assert "ann asked to silence it: the queue is known. Incident 1 is silenced until" in said


async def test_a_silence_that_nobody_takes_is_told_to_whoever_asked_and_in_the_thread(house: House) -> None:
    wanted = {"for": "1h", "reason": "known"}
    await house.fire("no-such-workflow")
    await house.work()

    unset = await tell(house, 1, Kind.SILENCE, **wanted)
    async with AlertmanagerClient("http://127.0.0.1:9") as away:
        house.rooms = replace(house.rooms, alertmanagers=(away,))
        house.clock.pass_by(timedelta(minutes=1))
        refused = await tell(house, 1, Kind.SILENCE, **wanted)
        house.clock.pass_by(timedelta(days=900))
        late = await tell(house, 1, Kind.SILENCE, **wanted)

    assert unset == "it is not silenced: no Alertmanager is configured; set alertmanager.url"
    assert refused.startswith("it is not silenced: no Alertmanager took the silence: http://127.0.0.1:9")
    assert late == "it is not silenced: its time was over before anybody could act on it"
    kinds = await house.rows("select kind, text from timeline where kind like 'incident.not_%' order by at, id")
    assert [kind for kind, _ in kinds] == ["incident.not_silenced"] * 3
    assert "ann asked to silence it: known. It is not silenced: no Alertmanager" in kinds[0][1]
