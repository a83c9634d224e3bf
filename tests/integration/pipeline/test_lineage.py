"""Which incident an alert belongs to once the workflow itself was looked at: merged, split, echoed, ended."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.model.errors import StoreError
from receiver.pipeline.echo import NO_PLAYBOOK
from receiver.pipeline.lineage import lineage_of
from receiver.sandbox import argo_objects as argo
from receiver.sandbox.kubernetes import Json
from receiver.sandbox.kubernetes.kind import WORKFLOW as KIND
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.scenario import stuck_workflow, workflow
from receiver.store.history import incidents, stories, timeline
from receiver.store.history.incidents import IncidentFilter

from .conftest import NAMESPACE, WORKFLOW, House

CHANNEL = "#taskmaster-alerts"
AGAIN = f"{WORKFLOW}-again"


@pytest.fixture
def quiet(house: House) -> House:
    """A service without playbooks: what is seen below is not the doing of any."""
    house.rooms = replace(house.rooms, playbooks=())
    return house


def put(house: House, name: str, *, origin: str = "") -> Json:
    """Put a workflow there that begins now; with an origin, resubmitted from it as Argo's own command does."""
    found = workflow(NAMESPACE, name)
    found["metadata"]["creationTimestamp"] = timestamp(house.clock())
    if origin:
        found["metadata"]["labels"][argo.FROM] = origin
    [made] = house.cluster.adopt(argo.labelled(found | {"status": {"phase": "Running"}}, "Running"))
    return made


def forget(house: House, found: Json) -> None:
    """Let the cluster forget a workflow."""
    house.cluster.storage.remove(KIND, found)


async def lineage(house: House, name: str) -> str:
    assert house.rooms.cluster is not None
    found = await house.rooms.cluster.get_workflow(NAMESPACE, name)
    return await lineage_of(house.rooms.database, house.rooms.cluster, found, house.clock())


async def standing(house: House) -> list[tuple[Any, ...]]:
    return await house.rows("select id, state, merged_into, firing, flaps from incidents order by id")


async def test_an_alert_about_a_resubmit_joins_the_incident_of_the_first_run(quiet: House) -> None:
    first = put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    put(quiet, AGAIN, origin=WORKFLOW)
    quiet.clock.pass_by(timedelta(minutes=1))

    await quiet.fire(AGAIN)
    await quiet.work()

    assert await standing(quiet) == [(1, "open", None, 2, 0), (2, "merged", 1, 0, 0)]
    assert await quiet.rows("select distinct incident_id from alerts") == [(1,)]
    assert await quiet.rows("select lineage from incidents where id = 1") == [(first["metadata"]["uid"],)]
    told = await quiet.rows(
        "select incident_id, detail->>'from' from timeline where kind = 'incident.merged' order by 1"
    )
    assert told == [(1, "2"), (2, "2")]


async def test_the_story_of_the_older_incident_is_the_story_of_both(quiet: House) -> None:
    put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    put(quiet, AGAIN, origin=WORKFLOW)
    quiet.clock.pass_by(timedelta(minutes=1))
    await quiet.fire(AGAIN)
    await quiet.work()

    async with quiet.rooms.database.transaction() as transaction:
        whole = await stories.story(transaction, 1)
        lines = (await timeline.of_incident(transaction, 1, limit=500)).items
        listed = (await incidents.page(transaction, IncidentFilter())).items
        gone = await incidents.get(transaction, 2)

    assert {alert.subject.workflow for alert in whole.alerts} == {WORKFLOW, AGAIN}
    assert [line.incident_id for line in lines if line.kind.value == "alert.fired"] == [1, 2]
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert [incident.id for incident in listed] == [1], "merged incidents are listed only when they are asked for"
    assert gone is not None
    assert gone.merged_into == 1


async def test_alerts_with_the_key_of_a_merged_incident_go_to_the_one_that_survived(quiet: House) -> None:
    put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    put(quiet, AGAIN, origin=WORKFLOW)
    await quiet.fire(AGAIN)
    await quiet.work()

    later = await quiet.fire(AGAIN, alertname="AgentHealthCheckFailing")

    assert await quiet.rows("select count(*) from incidents") == [(2,)]
    assert await quiet.rows("select firing from incidents where id = 1") == [(3,)]
    await quiet.resolve(later)
    assert await quiet.rows("select firing from incidents where id = 1") == [(2,)]


async def test_what_the_younger_incident_has_said_is_ended_when_it_is_merged(quiet: House) -> None:
    put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    assert quiet.rooms.cluster is not None
    cluster, quiet.rooms = quiet.rooms.cluster, replace(quiet.rooms, cluster=None)
    put(quiet, AGAIN, origin=WORKFLOW)
    await quiet.fire(AGAIN)
    await quiet.work()
    assert len(quiet.pagerduty.alerts) == 2, "without a cluster nobody can know that both are one"

    quiet.rooms = replace(quiet.rooms, cluster=cluster)
    quiet.clock.pass_by(timedelta(minutes=1))
    await quiet.fire(AGAIN, alertname="AgentHealthCheckFailing")
    await quiet.work()

    assert (await standing(quiet))[1][:3] == (2, "merged", 1)
    assert [alert.status.value for alert in quiet.pagerduty.alerts] == ["triggered", "resolved"]
    own = [message for message in quiet.slack.messages(CHANNEL) if message.thread_ts is None]
    assert len(own) == 2
    assert "incident 1" in own[1].text
    assert "goes on there" in own[1].text


async def test_what_the_younger_incident_was_about_to_say_is_not_said(quiet: House) -> None:
    put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    put(quiet, AGAIN, origin=WORKFLOW)

    await quiet.fire(AGAIN)
    await quiet.work()

    own = [message for message in quiet.slack.messages(CHANNEL) if message.thread_ts is None]
    assert len(own) == 1
    assert len(quiet.pagerduty.alerts) == 1
    assert await quiet.rows("select count(*) from outbox where incident_id = 2") == [(0,)]


async def test_firing_for_the_repeated_run_within_the_linger_is_a_flap_of_one_story(quiet: House) -> None:
    put(quiet, WORKFLOW)
    alert = await quiet.fire()
    await quiet.work()
    quiet.clock.pass_by(timedelta(minutes=1))
    await quiet.resolve(alert)
    await quiet.work()
    put(quiet, AGAIN, origin=WORKFLOW)
    quiet.clock.pass_by(timedelta(minutes=2))

    await quiet.fire(AGAIN)
    await quiet.work()

    assert (await standing(quiet))[0] == (1, "open", None, 1, 1)


async def test_after_the_linger_the_repeated_run_is_a_new_incident_that_names_the_old_one(quiet: House) -> None:
    put(quiet, WORKFLOW)
    alert = await quiet.fire()
    await quiet.work()
    await quiet.resolve(alert)
    await quiet.live(timedelta(minutes=6), timedelta(minutes=1))
    put(quiet, AGAIN, origin=WORKFLOW)

    await quiet.fire(AGAIN)
    await quiet.work()

    assert [row[:2] for row in await standing(quiet)] == [(1, "closed"), (2, "open")]
    assert await quiet.rows("select previous_id from incidents where id = 2") == [(1,)]


async def test_another_workflow_that_takes_the_name_gets_an_incident_of_its_own(quiet: House) -> None:
    old = put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    quiet.clock.pass_by(timedelta(minutes=5))
    forget(quiet, old)
    new = put(quiet, WORKFLOW)
    quiet.clock.pass_by(timedelta(minutes=1))

    await quiet.fire(alertname="WorkflowFailed")
    await quiet.work()

    assert await standing(quiet) == [(1, "open", None, 1, 0), (2, "open", None, 1, 0)]
    assert await quiet.rows("select alertname, incident_id from alerts order by 2") == [
        ("WorkflowStuckDetection", 1),
        ("WorkflowFailed", 2),
    ]
    assert await quiet.rows("select lineage, previous_id from incidents order by id") == [
        (old["metadata"]["uid"], None),
        (new["metadata"]["uid"], 1),
    ]
    told = await quiet.rows(
        "select incident_id, detail->>'into' from timeline where kind = 'incident.split' order by 1"
    )
    assert told == [(1, "2"), (2, "2")]

    await quiet.fire(alertname="AgentHealthCheckFailing")
    assert (await standing(quiet))[1] == (2, "open", None, 2, 0), "the key went to the newer one"


async def test_the_new_bearer_of_a_name_whose_old_incident_was_merged_leaves_the_survivor(quiet: House) -> None:
    put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    again = put(quiet, AGAIN, origin=WORKFLOW)
    await quiet.fire(AGAIN)
    await quiet.work()
    quiet.clock.pass_by(timedelta(minutes=5))
    forget(quiet, again)
    put(quiet, AGAIN)
    quiet.clock.pass_by(timedelta(minutes=1))

    await quiet.fire(AGAIN, alertname="WorkflowFailed")
    await quiet.work()

    assert await standing(quiet) == [(1, "open", None, 2, 0), (2, "merged", 1, 0, 0), (3, "open", None, 1, 0)]


async def test_an_alert_that_began_before_the_other_workflow_stays(quiet: House) -> None:
    old = put(quiet, WORKFLOW)
    await quiet.fire()
    await quiet.work()
    quiet.clock.pass_by(timedelta(minutes=1))
    await quiet.fire(alertname="AgentHealthCheckFailing")
    quiet.clock.pass_by(timedelta(minutes=1))
    forget(quiet, old)
    put(quiet, WORKFLOW)

    await quiet.work()

    assert await standing(quiet) == [(1, "open", None, 2, 0)]


async def test_a_failed_workflow_that_we_ended_is_an_echo_and_tells_nobody(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    alert = await house.fire()
    await house.work()
    await house.live(timedelta(minutes=1))

    await house.fire(alertname="WorkflowFailed", severity="critical")
    await house.work()
    await house.live(timedelta(minutes=12))
    await house.resolve(alert)
    await house.live(timedelta(minutes=40), timedelta(seconds=30))

    refused = await house.rows(
        "select playbook, outcome, reason from decisions where alert_id in "
        "(select to_char(starts_at, 'YYYYMM') || '-' || id from alerts where alertname = 'WorkflowFailed')"
    )
    assert refused == [(NO_PLAYBOOK, "blocked", "it only echoes what run 1 did to the workflow")]
    assert await house.rows("select count(*) from incidents") == [(1,)]
    assert house.pagerduty.events == []
    [line] = [message for message in house.slack.messages(CHANNEL) if message.thread_ts is None]
    assert line.edits == (), "one quiet line about what was healed, and nothing else"


async def test_an_alert_of_an_ended_workflow_that_began_before_we_ended_it_is_no_echo(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    await house.fire(alertname="AgentHealthCheckFailing")
    house.clock.pass_by(timedelta(seconds=30))
    await house.fire()
    await house.work()

    await house.live(timedelta(minutes=2))

    assert await house.rows("select distinct playbook from decisions") == [("restart-stuck-workflow",)]


async def test_an_alert_about_the_run_that_a_restart_made_joins_its_incident(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang")
    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=2))
    [(made,)] = await house.rows("select vars->'workflow'->>'name' from runs")

    await house.fire(made, alertname="AgentHealthCheckFailing")
    await house.work()

    assert [row[:3] for row in await standing(house)] == [(1, "open", None), (2, "merged", 1)]
    assert await house.rows("select count(*) from runs where state <> 'finished'") == [(1,)]


async def test_an_incident_with_a_failure_that_nobody_heard_of_does_not_close(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang")
    alert = await house.fire()
    await house.work()
    house.pagerduty.faults.answer(503, times=None)
    await house.live(timedelta(minutes=18))
    assert await house.rows("select outcome from runs") == [("failed",)]
    await house.resolve(alert)

    await house.live(timedelta(minutes=15), timedelta(seconds=30))
    assert await house.rows("select state from incidents") == [("open",)]
    assert await house.rows("select count(*) from outbox where act = 'resolve'") == [(0,)]

    house.pagerduty.faults.clear()
    await house.live(timedelta(hours=1), timedelta(minutes=1))
    assert await house.rows("select state from incidents") == [("closed",)]
    assert [event.action for event in house.pagerduty.events] == ["trigger", "resolve"]


async def test_what_was_found_stays_when_the_cluster_forgets_the_ancestors(quiet: House) -> None:
    first = put(quiet, WORKFLOW)
    uid = first["metadata"]["uid"]
    assert await lineage(quiet, WORKFLOW) == uid
    forget(quiet, first)
    quiet.clock.pass_by(timedelta(minutes=1))
    second = put(quiet, "second", origin=WORKFLOW)
    quiet.clock.pass_by(timedelta(minutes=1))
    put(quiet, "third", origin="second")

    assert await lineage(quiet, "third") == uid
    forget(quiet, second)
    assert await lineage(quiet, "third") == uid


async def test_a_later_workflow_of_the_ancestors_name_is_no_ancestor(quiet: House) -> None:
    child = put(quiet, AGAIN, origin=WORKFLOW)
    quiet.clock.pass_by(timedelta(hours=1))
    put(quiet, WORKFLOW)

    assert await lineage(quiet, AGAIN) == f"{NAMESPACE}/{WORKFLOW}"
    assert await lineage(quiet, WORKFLOW) != child["metadata"]["uid"]


async def test_an_incident_that_is_not_there_has_no_story(quiet: House) -> None:
    async with quiet.rooms.database.transaction() as transaction:
        with pytest.raises(StoreError, match="no incident 7"):
            await stories.story(transaction, 7)
