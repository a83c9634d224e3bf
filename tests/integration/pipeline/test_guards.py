"""Guards on real rows: what two deciders may do at once, what a pause reaches, what results make of a playbook."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from receiver.model.document import Document
from receiver.model.remediation import Mode
from receiver.remediate.language import Playbook, load
from receiver.sandbox.kubernetes.kind import WORKFLOW as KIND
from receiver.sandbox.scenario import running_workflow, stuck_workflow
from receiver.settings import Kubernetes
from receiver.store import pauses, standings

from .conftest import NAMESPACE, PLAYBOOK, WORKFLOW, House, playbook

CHANNEL = "#taskmaster-alerts"
NAMES = ("etl-1", "etl-2", "etl-3", "etl-4")


def limited(guards: str, *, mode: str = "live") -> Playbook:
    """The restart playbook with other limits."""
    text = PLAYBOOK.replace("guards: {cooldown: 1h, attempts: {max: 2, per: 24h}}", f"guards: {guards}")
    return load(Document(text.replace("mode: live", f"mode: {mode}"), file="test.yaml"))


_HOPELESS = Document(PLAYBOOK[: PLAYBOOK.index("      that:")] + "      {that: 'false', within: 2m}", file="test.yaml")


async def refusals(house: House) -> list[tuple[str, str]]:
    """The first guard that refused in each blocked decision, with what it measured."""
    return await house.rows(
        "select c->>'guard', c->>'measured' from (select id, jsonb_path_query_first(checks, "
        "'$[*] ? (@.passed == false)') c from decisions where outcome = 'blocked') d order by id"
    )


def terminated(house: House) -> int:
    return sum(effect.startswith("PATCH") for effect in house.effects())


@pytest.mark.parametrize(
    ("guards", "allowed", "guard"),
    [
        ("{budget: {max: 2, per: 10m}}", 2, "budget"),
        ("{concurrency: 1}", 1, "concurrency"),
        ("{blast_radius: 50%}", 2, "blast_radius"),
        ("{blast_radius: {share: 10%, min: 3}}", 3, "blast_radius"),
    ],
)
async def test_deciders_at_the_same_time_never_pass_a_limit(
    house: House, guards: str, allowed: int, guard: str
) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited(guards),))
    for name in NAMES:
        stuck_workflow(house.cluster, NAMESPACE, name)
        await house.fire(name)

    await asyncio.gather(*(house.do(*job) for job in await house.take_jobs()))

    assert await house.rows("select count(*) from runs where state <> 'finished'") == [(allowed,)]
    assert [name for name, _ in await refusals(house)] == [guard] * (len(NAMES) - allowed)
    await house.work()
    assert terminated(house) == allowed


async def test_a_blast_radius_that_cannot_be_measured_refuses(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{blast_radius: 50%}"),))
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    house.cluster.faults.answer(500, method="GET", path="/workflows$", times=None)

    await house.fire()
    await house.work()

    assert await refusals(house) == [("blast_radius", "could not be read")]


async def test_a_dry_run_counts_for_no_guard(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{budget: {max: 1, per: 10m}}", mode="dry_run"),))
    for name in NAMES:
        stuck_workflow(house.cluster, NAMESPACE, name)
        await house.fire(name)
        await house.work()

    assert await house.rows("select distinct outcome from decisions") == [("simulated",)]


async def test_a_ticket_that_waits_for_a_person_holds_its_slot(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{budget: {max: 1, per: 10m}}", mode="propose"),))
    stuck_workflow(house.cluster, NAMESPACE, "etl-1")
    await house.fire("etl-1")
    await house.work()
    house.clock.pass_by(timedelta(minutes=30))
    stuck_workflow(house.cluster, NAMESPACE, "etl-2")

    await house.fire("etl-2")
    await house.work()

    assert await refusals(house) == [("budget", "1 within 10m")]


@pytest.mark.parametrize(
    ("labels", "opt_in", "acted"), [({"receiver/remediate": "false"}, False, 0), ({}, True, 0), ({}, False, 1)]
)
async def test_a_workflow_may_keep_playbooks_away(
    house: House,
    labels: dict[str, str],
    opt_in: bool,  # noqa: FBT001 - a case of the table
    acted: int,
) -> None:
    house.rooms = replace(house.rooms, kubernetes=Kubernetes(namespaces=(NAMESPACE,), opt_in=opt_in))
    found = stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    found["metadata"]["labels"] |= labels
    house.cluster.storage.put(KIND, found)

    await house.fire()
    await house.work()

    assert terminated(house) == acted
    assert [guard for guard, _ in await refusals(house)] == ["label"] * (1 - acted)


async def pause(house: House, **more: Any) -> None:
    async with house.rooms.database.transaction() as transaction:
        await pauses.begin(transaction, reason="upgrade", by="kim", at=house.clock(), **{"expires_at": None, **more})


async def test_nothing_begins_in_a_pause_and_the_refusal_says_whose_it_is(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    await pause(house)

    await house.fire()
    await house.work()

    assert terminated(house) == 0
    [(guard, measured)] = await refusals(house)
    assert guard == "paused"
    assert "paused by kim" in measured
    assert "upgrade" in measured


async def test_a_run_that_has_not_acted_waits_for_the_end_of_a_pause(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    await house.fire()
    [(name, arguments)] = await house.take_jobs()
    await house.do(name, arguments)
    await pause(house, expires_at=house.clock() + timedelta(minutes=3))

    await house.live(timedelta(minutes=2), timedelta(seconds=30))
    assert terminated(house) == 0
    [(state, reason)] = await house.rows("select state, reason from runs")
    assert (state, reason) == ("waiting", "kim has paused everything: upgrade")

    await house.live(timedelta(minutes=2), timedelta(seconds=30))
    assert terminated(house) == 1


async def test_an_attempt_in_vain_is_no_effect_and_is_not_repeated_in_a_pause(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    house.cluster.faults.answer(503, method="PATCH")
    await house.fire()
    await house.work()
    await pause(house, expires_at=house.clock() + timedelta(minutes=3))

    await house.live(timedelta(minutes=2), timedelta(seconds=30))
    assert await house.rows("select state, attempt from journal") == [("failed", 1)]
    assert terminated(house) == 0

    await house.live(timedelta(minutes=2), timedelta(seconds=30))
    assert terminated(house) == 1


async def test_a_run_that_has_acted_is_carried_through_a_pause(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    await house.fire()
    await house.work()
    assert terminated(house) == 1
    await pause(house)

    await house.live(timedelta(minutes=12), timedelta(seconds=30))

    assert await house.rows("select outcome from runs") == [("succeeded",)]


async def test_a_fix_that_does_not_hold_takes_live_away_and_the_channel_hears_of_it(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    first = await house.fire()
    await house.work()
    await house.live(timedelta(minutes=12), timedelta(seconds=30))
    await house.resolve(first)
    [(made,)] = await house.rows("select vars->'workflow'->>'name' from runs")
    house.clock.pass_by(timedelta(hours=2))

    await house.fire(made)
    await house.work()

    async with house.rooms.database.transaction() as transaction:
        standing = await standings.read(transaction, "restart-stuck-workflow")
    assert standing.demoted_because == "run 1 had helped, and WorkflowStuckDetection fires on the same target again"
    assert await house.rows("select mode from decisions order by id") == [("live",), ("propose",)]
    assert await house.rows("select run_id from recurrences") == [(1,)]
    told = [message.text for message in house.slack.messages(CHANNEL) if message.thread_ts is not None]
    assert any("asks before it acts from now on" in text for text in told)

    async with house.rooms.database.transaction() as transaction:
        await standings.close(transaction, "restart-stuck-workflow", house.clock(), "kim")
    house.clock.pass_by(timedelta(hours=2))
    stuck_workflow(house.cluster, NAMESPACE, "another")
    await house.fire("another")
    await house.work()
    assert await house.rows("select mode from decisions order by id desc limit 1") == [("live",)]


async def test_failures_in_a_row_open_the_breaker_until_a_person_closes_it(house: House) -> None:
    hopeless = msgspec.structs.replace(limited("{breaker: {failures: 2}}"), steps=load(_HOPELESS).steps)
    house.rooms = replace(house.rooms, playbooks=(hopeless,))
    for name in ("etl-1", "etl-2"):
        stuck_workflow(house.cluster, NAMESPACE, name, course="hang")
        await house.fire(name)
    await house.work()
    await house.live(timedelta(minutes=5), timedelta(seconds=30))
    assert await house.rows("select outcome from runs") == [("failed",), ("failed",)]
    opened = await house.rows("select text from timeline where kind = 'breaker.opened'")
    assert len(opened) == 1
    assert "2 runs in a row failed" in opened[0][0]

    stuck_workflow(house.cluster, NAMESPACE, "etl-3")
    await house.fire("etl-3")
    await house.work()
    assert await refusals(house) == [("breaker", "2 failures in a row")]

    async with house.rooms.database.transaction() as transaction:
        before = await standings.close(transaction, "restart-stuck-workflow", house.clock(), "kim")
    assert before.opened_at is not None
    stuck_workflow(house.cluster, NAMESPACE, "etl-4")
    await house.fire("etl-4")
    await house.work()
    assert terminated(house) == 3


async def test_a_healthy_fleet_makes_no_storm_of_what_has_matched_long_ago(house: House) -> None:
    house.rooms = replace(house.rooms, playbooks=(limited("{storm: {targets: 1, within: 5m}}", mode="dry_run"),))
    stuck_workflow(house.cluster, NAMESPACE, "etl-1")
    running_workflow(house.cluster, NAMESPACE, "etl-3")
    await house.fire("etl-1")
    await house.work()
    house.clock.pass_by(timedelta(minutes=6))
    stuck_workflow(house.cluster, NAMESPACE, "etl-2")

    await house.fire("etl-2")
    await house.work()
    await house.fire("etl-3")
    await house.work()

    assert await house.rows("select outcome from decisions order by id") == [
        ("simulated",),
        ("simulated",),
        ("blocked",),
    ]
    assert await house.rows("select count(*) from incidents where part_of is not null") == [(0,)], (
        "a dry run holds nothing"
    )
    assert playbook(Mode.DRY_RUN).guards.storm_limit is not None
