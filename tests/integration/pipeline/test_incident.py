"""Whole incidents, from the delivery to Slack and PagerDuty, with every row in between."""

from dataclasses import replace
from datetime import timedelta

import pytest

from receiver.model.remediation import Mode
from receiver.sandbox.scenario import FAKE_SECRET, stuck_workflow
from receiver.settings import Kubernetes

from .conftest import NAMESPACE, WORKFLOW, House, playbook

CHANNEL = "#taskmaster-alerts"


async def test_a_restart_that_helps_makes_one_quiet_line_and_wakes_nobody(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    alert = await house.fire()
    await house.work()
    await house.live(timedelta(minutes=12))

    assert await house.rows("select outcome, cursor from runs") == [("succeeded", 4)]
    assert house.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    assert len(house.slack.messages(CHANNEL)) == 1
    assert house.slack.messages(CHANNEL)[0].edits == ()
    assert house.pagerduty.alerts == []

    await house.resolve(alert)
    await house.live(timedelta(minutes=6))

    assert await house.rows("select state from incidents") == [("closed",)]
    assert len(house.slack.messages(CHANNEL)) == 1
    assert house.pagerduty.events == []


async def test_a_restart_that_does_not_help_ends_with_a_page_which_is_resolved_with_the_incident(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang")

    alert = await house.fire()
    await house.work()
    await house.live(timedelta(minutes=18))

    assert await house.rows("select outcome from runs") == [("failed",)]
    assert house.effects() == [f"PATCH {WORKFLOW}", "POST workflows"]
    assert [page.status.value for page in house.pagerduty.alerts] == ["triggered"]

    await house.resolve(alert)
    await house.live(timedelta(minutes=6))

    assert [page.status.value for page in house.pagerduty.alerts] == ["resolved"]
    own = [message for message in house.slack.messages(CHANNEL) if message.thread_ts is None]
    assert len(own) == 1, "one message of its own, updated in place"
    assert own[0].edits


async def test_a_dry_run_decides_everything_and_does_nothing(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, playbooks=(playbook(Mode.DRY_RUN),))

    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=1))

    [(outcome, would)] = await house.rows("select outcome, would from decisions")
    assert outcome == "simulated"
    assert len(would) == 4
    assert house.effects() == []
    assert len(house.pagerduty.alerts) == 1, "a dry run holds nothing: people are told at once"


@pytest.mark.parametrize("namespaces", [(), ("elsewhere",)])
async def test_a_namespace_that_is_not_allowed_is_left_alone_and_people_are_told(
    house: House, namespaces: tuple[str, ...]
) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.rooms = replace(house.rooms, kubernetes=Kubernetes(namespaces=namespaces))

    await house.fire()
    await house.work()

    [(outcome, reason)] = await house.rows("select outcome, reason from decisions")
    assert outcome == "blocked"
    assert "namespace" in reason
    assert house.effects() == []
    assert len(house.pagerduty.alerts) == 1


async def test_the_same_workflow_is_not_restarted_again_within_the_cooldown(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang")
    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=18))
    made = (await house.rows("select vars->'workflow'->>'name' from runs"))[0][0]

    house.clock.pass_by(timedelta(minutes=31))
    await house.fire(made)
    await house.work()

    outcomes = await house.rows("select outcome, lineage from runs order by id")
    assert [outcome for outcome, _ in outcomes] == ["failed", "blocked"]
    assert outcomes[0][1] == outcomes[1][1], "a resubmit does not reset its own limits"
    [(checks,)] = await house.rows("select checks from decisions where outcome = 'blocked'")
    assert [check["guard"] for check in checks if not check["passed"]] == ["cooldown"]


async def test_a_repeated_delivery_decides_and_says_nothing_new(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    alert = await house.fire()
    await house.work()
    for _ in range(5):
        await house.deliver(alert)
        await house.work()
    await house.live(timedelta(minutes=12))

    assert await house.rows("select count(*) from decisions") == [(1,)]
    assert await house.rows("select count(*) from runs") == [(1,)]
    assert len(house.slack.messages(CHANNEL)) == 1


async def test_without_slack_and_pagerduty_the_console_says_what_they_would_have_been_told(house: House) -> None:
    house.rooms = replace(house.rooms, slack=None, pagerduty=None, cluster=None)

    await house.fire()
    await house.work()

    assert any("slack would be told" in line for line in house.said)
    assert any("pagerduty would be told" in line for line in house.said)
    [(outcome, reason)] = await house.rows("select outcome, reason from decisions")
    assert outcome == "blocked"
    assert "a Kubernetes cluster is not configured" in reason


async def test_each_line_of_the_story_is_in_the_timeline_in_order(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")

    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=12))

    kinds = [kind for (kind,) in await house.rows("select kind from timeline order by at, id")]
    wanted = [
        "incident.opened",
        "alert.fired",
        "context.found",
        "playbook.decided",
        "run.started",
        "step.intended",
        "step.done",
        "step.intended",
        "step.done",
        "run.finished",
        "message.queued",
        "message.sent",
    ]
    remaining = iter(kinds)
    assert all(kind in remaining for kind in wanted), kinds


async def test_no_secret_of_a_log_is_kept_or_told(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang")

    await house.fire()
    await house.work()
    await house.live(timedelta(minutes=18))

    kept = await house.rows("select summary, detail::text from findings where source = 'log'")
    assert kept
    tables = ("findings", "timeline", "outbox", "decisions")
    everything = [str(row) for table in tables for row in await house.rows(f"select t::text from {table} t")]  # noqa: S608 - our own names
    assert not any(FAKE_SECRET in row for row in everything)
