"""What fires here and nowhere else is closed, slowly; what is there stays open."""

from datetime import timedelta

import pytest

from receiver.clients.kubernetes import Cluster
from receiver.model.matcher import Matcher
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.sandbox.argo_objects import labelled
from receiver.sandbox.kubernetes import WORKFLOW, ApiServer
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.scenario import stuck_workflow
from receiver.store.turns import Turn, alone
from tests.integration.conftest import Records

from .alertmanager import free_port
from .conftest import MINUTE, Desk

SLOW = {"alertname": "WorkflowSlow", "severity": "warning", "namespace": "taskmaster", "workflow_name": "rex-1"}
STATE = "select status, inferred from alerts order by id"


async def test_a_resolve_that_never_comes_since_it_was_silenced_is_concluded(desk: Desk) -> None:
    server = await desk.alertmanager()
    reconciler = desk.reconciler(server.url)
    await server.fire(SLOW)
    await desk.heard(1)
    assert await desk.rounds(reconciler, 11) == []

    silence = await server.silence("alertname", "WorkflowSlow")
    assert await desk.rounds(reconciler, 6) == []
    assert await desk.rows(STATE) == [("firing", False)], "a silenced alert still holds"

    await server.fire(SLOW, over=True)
    closed = await desk.rounds(reconciler, 7)

    assert len(desk.told) == 1, "Alertmanager tells nobody that it is over"
    assert await desk.rows(STATE) == [("resolved", True)]
    assert len(closed) == 1
    assert f"it had been silenced by {silence}" in closed[0]
    kinds = [kind for (kind,) in await desk.rows("select kind from timeline order by at, id")]
    assert kinds == ["incident.opened", "alert.fired", "alert.suppressed", "alert.closed"]
    assert await desk.rows("select firing, quiet_since is not null, look_at is not null from incidents") == [
        (0, True, True)
    ]
    assert await desk.rows("select count(*) from sightings") == [(0,)]
    [(late,)] = await desk.rows("select extract(epoch from i.quiet_since - a.ends_at) from alerts a, incidents i")
    assert late == pytest.approx(5 * 60, abs=90), "it was over when it was first missed"


async def test_three_rounds_are_not_enough_before_the_resolve_itself_could_have_come(desk: Desk) -> None:
    server = await desk.alertmanager()
    reconciler = desk.reconciler(server.url)
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.rounds(reconciler, 11)
    desk.deaf = True
    await server.fire(SLOW, over=True)
    await desk.heard(2)

    assert await desk.rounds(reconciler, 5) == []
    assert await desk.rows("select missed from sightings") == [(5,)]

    desk.deaf = False
    await desk.take(desk.told[-1])
    await desk.rounds(reconciler, 3)
    assert await desk.rows(STATE) == [("resolved", False)]
    assert await desk.rows("select count(*) from sightings") == [(0,)]


async def test_an_alertmanager_that_lost_everything_in_a_restart_closes_nothing_for_ten_minutes(desk: Desk) -> None:
    server = await desk.alertmanager()
    reconciler = desk.reconciler(server.url)
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.rounds(reconciler, 11)

    await server.restart()
    assert await desk.rounds(reconciler, 10) == []
    assert await desk.rows("select count(*) from sightings") == [(0,)], "these absences do not count"

    await server.fire(SLOW)
    assert await desk.rounds(reconciler, 10) == []
    assert await desk.rows(STATE) == [("firing", False)]


async def test_what_prometheus_does_not_send_again_after_a_restart_is_closed_in_the_end(desk: Desk) -> None:
    server = await desk.alertmanager()
    reconciler = desk.reconciler(server.url)
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.rounds(reconciler, 11)

    await server.restart()
    assert await desk.rounds(reconciler, 15) == []
    assert len(await desk.rounds(reconciler, 3)) == 1


async def test_while_one_peer_of_a_pair_is_down_nothing_is_closed(desk: Desk) -> None:
    one, other = await desk.alertmanager(), await desk.alertmanager()
    reconciler = desk.reconciler(one.url, other.url)
    await one.fire(SLOW)
    await desk.heard(1)
    await desk.rounds(reconciler, 11)
    await one.restart()
    await other.stop()

    assert await desk.rounds(reconciler, 30) == []
    [(error,)] = await desk.rows("select error from peers where answers = 0")
    assert other.url in error

    await other.start()
    assert await desk.rounds(reconciler, 10) == []
    assert len(await desk.rounds(reconciler, 8)) == 1


async def test_what_one_peer_has_is_there(desk: Desk) -> None:
    one, other = await desk.alertmanager(), await desk.alertmanager()
    reconciler = desk.reconciler(one.url, other.url)
    await one.fire(SLOW)
    await desk.heard(1)

    assert await desk.rounds(reconciler, 30) == []
    assert await desk.rows(STATE) == [("firing", False)]


async def test_a_firing_after_a_conclusion_reopens(desk: Desk) -> None:
    server = await desk.alertmanager()
    reconciler = desk.reconciler(server.url)
    await server.fire(SLOW)
    await desk.heard(1)
    await server.restart()
    assert len(await desk.rounds(reconciler, 20)) == 1

    await desk.take(desk.told[0])

    assert await desk.rows("select status, inferred, firings from alerts") == [("firing", False, 2)]
    assert await desk.rows("select firing, flaps from incidents") == [(1, 1)]


async def test_only_what_came_from_an_alertmanager_and_from_these_is_compared(desk: Desk) -> None:
    server = await desk.alertmanager()
    theirs = [Matcher.parse('cluster="a"')]
    for cluster in ("a", "b"):
        alert = Firing(labels={**SLOW, "cluster": cluster}, annotations={}, starts_at=desk.clock())
        await desk.take(delivery(alert))
    ours = Firing(labels={**SLOW, "cluster": "a", "of": "ours"}, annotations={}, starts_at=desk.clock())
    await desk.take(delivery(ours).replace(b'"groupKey": "{}:', b'"groupKey": "receiver/'))

    closed = await desk.rounds(desk.reconciler(server.url, matchers=theirs), 20)

    assert len(closed) == 1
    assert await desk.rows("select labels->>'cluster', labels->>'of', status from alerts order by id") == [
        ("a", None, "resolved"),
        ("b", None, "firing"),
        ("a", "ours", "firing"),
    ]


async def test_two_replicas_ask_once_a_minute_between_them(desk: Desk) -> None:
    server = await desk.alertmanager()
    one, other = desk.reconciler(server.url), desk.reconciler(server.url)

    for _ in range(4):
        desk.clock.pass_by(MINUTE)
        await one.round()
        await other.round()

    assert await desk.rows("select answers from peers") == [(4,)]
    async with alone(desk.database, Turn.RECONCILE) as ours:
        desk.clock.pass_by(MINUTE)
        await one.round()
        assert ours
    assert await desk.rows("select answers from peers") == [(4,)]


async def test_where_nothing_listens_the_peer_is_known_by_its_error(desk: Desk) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert await desk.rounds(desk.reconciler(url), 1) == []

    [(answers, error, version)] = await desk.rows("select answers, error, version from peers")
    assert (answers, version) == (0, "")
    assert "cannot be reached" in error


async def test_the_end_of_its_workflow_settles_an_alert_that_cannot_be_true_any_more(desk: Desk) -> None:
    stuck = SLOW | {"alertname": "WorkflowStuckDetection", "workflow_name": "rex-2"}
    failed = stuck | {"alertname": "WorkflowFailed"}
    async with ApiServer(clock=desk.clock) as cluster:
        stuck_workflow(cluster, "taskmaster", "rex-2")
        client = Cluster.at(cluster.url, cluster.token, timeout=timedelta(seconds=5))
        desk.stack.push_async_callback(client.close)
        reconciler = desk.reconciler(cluster=client)
        for labels in (stuck, failed):
            await desk.take(delivery(Firing(labels=labels, annotations={}, starts_at=desk.clock())))
        desk.clock.pass_by(6 * MINUTE)
        assert await reconciler.settle() == [], "nobody has seen yet which workflow it is about"
        await desk.rows("update incidents set lineage = 'uid-1' returning id")
        assert await reconciler.settle() == [], "it is unfinished"

        finish(cluster, "taskmaster", "rex-2")
        desk.clock.pass_by(6 * MINUTE)
        closed = await reconciler.settle()

    assert [one.candidate.alertname for one in closed] == ["WorkflowStuckDetection"]
    assert await desk.rows("select alertname, status, inferred from alerts order by 1") == [
        ("WorkflowFailed", "firing", False),
        ("WorkflowStuckDetection", "resolved", True),
    ]
    [(said, cause)] = await desk.rows("select text, detail->>'cause' from timeline where kind = 'alert.closed'")
    assert "workflow taskmaster/rex-2 is Succeeded since" in said
    assert cause == "workflow"


async def test_the_end_of_a_workflow_settles_nothing_while_a_run_works_on_its_incident(
    desk: Desk, records: Records
) -> None:
    stuck = SLOW | {"alertname": "WorkflowStuckDetection"}
    async with ApiServer(clock=desk.clock) as cluster:
        client = Cluster.at(cluster.url, cluster.token, timeout=timedelta(seconds=5))
        desk.stack.push_async_callback(client.close)
        reconciler = desk.reconciler(cluster=client)
        await desk.take(delivery(Firing(labels=stuck, annotations={}, starts_at=desk.clock())))
        [(incident,)] = await desk.rows("update incidents set lineage = 'uid-1' returning id")
        run = await records.run(incident_id=incident)
        desk.clock.pass_by(6 * MINUTE)

        assert await reconciler.settle() == []

        await desk.rows(f"update runs set state = 'finished' where id = {run} returning id")  # noqa: S608 - our number
        assert [one.reason for one in await reconciler.settle()] == [
            "workflow taskmaster/rex-1 is not in the cluster any more"
        ]


def finish(cluster: ApiServer, namespace: str, name: str) -> None:
    """Let a workflow succeed now."""
    ended = {"phase": "Succeeded", "finishedAt": timestamp(cluster.clock())}
    cluster.registry.patch(
        WORKFLOW, namespace, name, lambda found: labelled(found | {"status": found["status"] | ended}, "Succeeded")
    )
