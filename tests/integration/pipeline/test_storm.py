"""Many workflows at once: what is acted on, and how few messages tell why the others were not."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.model.document import Document
from receiver.remediate.language import Playbook, load
from receiver.remediate.loader import load_all
from receiver.sandbox.alertmanager import Firing
from receiver.sandbox.scenario import stuck_workflow
from receiver.store.history import decisions
from receiver.store.history.decisions import DecisionFilter

from .conftest import NAMESPACE, PLAYBOOK, House

CHANNEL = "#taskmaster-alerts"
FLEET = 500 if os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"} else 40
"""How many workflows are stuck; each costs a fifth of a second, so that only `make test-long` takes 500."""


def limited(guards: str) -> Playbook:
    """The restart playbook, live, with other limits."""
    text = PLAYBOOK.replace("guards: {cooldown: 1h, attempts: {max: 2, per: 24h}}", f"guards: {guards}")
    return load(Document(text, file="test.yaml"))


async def break_all(house: House) -> list[Firing]:
    """Let a whole fleet hang at once, and Alertmanager say so in one delivery."""
    names = [f"etl-{number:03d}" for number in range(FLEET)]
    for name in names:
        stuck_workflow(house.cluster, NAMESPACE, name, course="hang, succeed")
    alerts = [
        Firing(
            labels={
                "alertname": "WorkflowStuckDetection",
                "severity": "critical",
                "namespace": NAMESPACE,
                "workflow_name": name,
            },
            annotations={},
            starts_at=house.clock(),
        )
        for name in names
    ]
    await house.deliver(*alerts)
    await house.work()
    return alerts


def terminated(house: House) -> int:
    return sum(effect.startswith("PATCH") for effect in house.effects())


async def refused(house: House) -> list[tuple[str, int]]:
    """How many decisions each guard refused first."""
    return await house.rows(
        "select (jsonb_path_query_first(checks, '$[*] ? (@.passed == false)'))->>'guard', count(*) from decisions "
        "where outcome = 'blocked' group by 1"
    )


@pytest.mark.timeout(600)
async def test_a_storm_is_one_incident_and_no_action(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{budget: {max: 5, per: 10m}}"),))

    alerts = await break_all(house)

    assert terminated(house) == 0
    assert await refused(house) == [("storm", FLEET)]
    own = [message for message in house.slack.messages(CHANNEL) if message.thread_ts is None]
    assert len(own) == 1
    assert f"{FLEET} workflows match within 5m" in own[0].text
    assert len(house.pagerduty.alerts) == 1
    assert await house.rows("select count(*) from incidents where part_of is null") == [(1,)]
    told = await house.rows(
        "select count(*) from timeline join incidents on incidents.id = incident_id "
        "where kind = 'incident.gathered' and part_of is null"
    )
    assert told == [(FLEET,)]

    async with house.rooms.database.transaction() as transaction:
        [(one,)] = await house.rows("select id from incidents where part_of is null")
        why = await decisions.page(transaction, DecisionFilter(incident_id=one), limit=500)
    assert len(why.items) == FLEET, "`receiver why` lists every refusal under the one incident"

    for alert in alerts:
        await house.resolve(alert)
    await house.live(timedelta(minutes=20), timedelta(minutes=1))

    assert await house.rows("select distinct state from incidents") == [("closed",)]
    assert [page.status.value for page in house.pagerduty.alerts] == ["resolved"]
    assert len([message for message in house.slack.messages(CHANNEL) if message.thread_ts is None]) == 1


@pytest.mark.timeout(600)
async def test_without_the_brake_the_budget_bounds_a_storm_and_one_incident_tells_of_the_rest(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{storm: false, budget: {max: 5, per: 10m}}"),))

    await break_all(house)

    assert terminated(house) == 5
    assert await house.rows("select count(*) from runs where state <> 'finished'") == [(5,)]
    assert await refused(house) == [("budget", FLEET - 5)]
    own = [message for message in house.slack.messages(CHANNEL) if message.thread_ts is None]
    assert len(own) == 4, "three that were refused first, and one for all that followed"
    assert len(house.pagerduty.alerts) == 4
    assert await house.rows("select count(*) from incidents where part_of is not null") == [(FLEET - 8,)]


async def test_a_storm_of_agents_is_counted_by_their_deployments(house: House) -> None:
    [agents] = [one for one in load_all(None) if one.name == "restart-unhealthy-agent"]
    text = agents.text.replace("mode: dry_run", "mode: live").replace("  cooldown: 1h", "  storm: {targets: 2}")
    house.rooms = replace(house.rooms, playbooks=(load(Document(text, file="test.yaml")),))
    labels = {"alertname": "AgentHealthCheckFailing", "severity": "warning", "namespace": NAMESPACE}
    at = house.clock() - timedelta(minutes=2)

    await house.deliver(
        *(
            Firing(labels=labels | {"agent_type": agent, "check": check}, annotations={}, starts_at=at)
            for agent in ("rex", "bob", "eve")
            for check in ("disk", "network")
        )
    )
    await house.work()

    assert ("storm", 6) in await refused(house)
    assert await house.rows(
        "select distinct reason like '%3 deployments match within 5m%' from decisions where outcome = 'blocked'"
    ) == [(True,)]
    [(title,)] = await house.rows("select title from incidents where key like 'held back: %'")
    assert "deployment" in title


async def test_a_storm_that_comes_up_after_the_decision_stops_the_run_before_its_first_effect(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{storm: {targets: 2, within: 5m}}"),))
    for name in ("etl-1", "etl-2", "etl-3"):
        stuck_workflow(house.cluster, NAMESPACE, name)
    await house.fire("etl-1")
    [(name, arguments)] = await house.take_jobs()
    await house.do(name, arguments)
    assert await house.rows("select state from runs") == [("running",)]

    await house.fire("etl-2")
    await house.fire("etl-3")
    await house.work()

    assert terminated(house) == 0
    assert await house.rows("select outcome, count(*) from runs group by 1") == [("blocked", 3)]
    assert await refused(house) == [("storm", 3)], "the decision to go ahead has become a refusal"
    [(told, checks)] = await house.rows("select reason, checks from decisions order by id limit 1")
    assert told.startswith("Guard storm refused before the first effect: 3 workflows match within 5m")
    assert [(check["guard"], check["passed"]) for check in checks if check["guard"] in {"storm", "confirm"}] == [
        ("confirm", True),
        ("storm", False),
    ]
    assert await house.rows("select count(*) from incidents where part_of is not null") == [(3,)]
    assert len(house.pagerduty.alerts) == 1
