"""What a delivery leaves open is asked of Alertmanager: the rest of its group, and whether a late firing is true."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from receiver.clients.alertmanager import AlertmanagerClient, HeldAlert
from receiver.model.alert import AlertStatus
from receiver.model.matcher import Matcher
from receiver.upkeep.inquire import TRIES, Inquirer
from receiver.webhook.message import parse

from .alertmanager import free_port, until
from .conftest import MINUTE, Desk

SLOW = {"alertname": "WorkflowSlow", "severity": "warning", "namespace": "taskmaster", "workflow_name": "rex-1"}
LATER = timedelta(seconds=20)


async def has_group(desk: Desk, url: str, number: int) -> None:
    """Wait until the group is formed, since the API tells of groups as they are told."""
    client = desk.clients(url)[0]

    async def formed() -> bool:
        return len(await client.group({"alertname": "WorkflowSlow"}, receiver="receiver")) == number

    await until(formed, f"a group of {number}")


async def test_a_late_firing_that_alertmanager_still_has_reopens_with_the_evidence(desk: Desk) -> None:
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    desk.clock.pass_by(MINUTE)
    over = (
        desk.told[0]
        .replace(b'"status":"firing"', b'"status":"resolved"')
        .replace(b'"endsAt":"0001-01-01T00:00:00Z"', f'"endsAt":"{desk.clock():%Y-%m-%dT%H:%M:%SZ}"'.encode())
    )
    await desk.take(over)
    desk.clock.pass_by(MINUTE)
    await desk.take(desk.told[0])
    assert await desk.rows("select status from alerts") == [("resolved",)], "the answer waited for nobody"
    assert await desk.rows("select jsonb_array_length(late), truncated from inquiries") == [(1, 0)]

    desk.clock.pass_by(LATER)
    assert await desk.inquirer(server.url).round() == 1

    assert await desk.rows("select status, inferred, firings from alerts") == [("firing", False, 2)]
    [(peer, said)] = await desk.rows("select detail->>'peer', text from timeline where kind = 'alert.refired'")
    assert peer == server.url
    assert "fires again" in said
    assert await desk.rows("select firing, flaps from incidents") == [(1, 1)]
    assert await desk.rows("select count(*) from inquiries") == [(0,)]
    assert await desk.rows("select count(*) from deliveries") == [(4,)]


async def test_a_late_firing_that_alertmanager_does_not_have_stays_recorded_only(desk: Desk) -> None:
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    await server.fire(SLOW, over=True)
    await desk.heard(2)
    await desk.take(desk.told[0])
    desk.clock.pass_by(LATER)

    assert await desk.inquirer(server.url).round() == 1

    assert await desk.rows("select status, firings from alerts") == [("resolved", 1)]
    assert await desk.rows("select count(*) from inquiries") == [(0,)]
    assert "alert.undecided" not in {kind for (kind,) in await desk.rows("select kind from timeline")}


async def test_a_silenced_alert_is_no_evidence(desk: Desk) -> None:
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.take(desk.told[0].replace(b'"status":"firing"', b'"status":"resolved"'))
    await server.silence("alertname", "WorkflowSlow")
    await desk.take(desk.told[0])
    desk.clock.pass_by(LATER)

    await desk.inquirer(server.url).round()

    assert await desk.rows("select status from alerts") == [("resolved",)]


async def test_without_a_peer_the_rule_of_ten_minutes_holds(desk: Desk) -> None:
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.take(desk.told[0].replace(b'"status":"firing"', b'"status":"resolved"'))
    await desk.take(desk.told[0])
    desk.clock.pass_by(LATER)

    assert await desk.inquirer().round() == 1
    assert await desk.rows("select status from alerts") == [("resolved",)]
    assert await desk.rows("select count(*) from inquiries") == [(0,)]

    desk.clock.pass_by(11 * MINUTE)
    await desk.take(desk.told[0])
    assert await desk.rows("select status from alerts") == [("firing",)]


async def test_a_peer_that_is_down_is_asked_again_and_in_the_end_it_is_said_that_nobody_knows(desk: Desk) -> None:
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.take(desk.told[0].replace(b'"status":"firing"', b'"status":"resolved"'))
    await desk.take(desk.told[0])
    inquirer = desk.inquirer(f"http://127.0.0.1:{free_port()}")

    rounds = 0
    while await desk.rows("select 1 from inquiries"):
        rounds += 1
        desk.clock.pass_by(5 * MINUTE)
        assert await inquirer.round() == 1

    assert rounds == TRIES
    assert await desk.rows("select status from alerts") == [("resolved",)]
    [(said, alert)] = await desk.rows("select text, alert_id from timeline where kind = 'alert.undecided'")
    assert "could not be checked" in said
    assert alert is not None


async def test_evidence_that_is_older_than_the_resolve_reopens_nothing(desk: Desk) -> None:
    """The resolve arrives while the question travels."""
    server = await desk.alertmanager()
    await server.fire(SLOW)
    await desk.heard(1)
    await desk.take(desk.told[0].replace(b'"status":"firing"', b'"status":"resolved"'))
    await desk.take(desk.told[0])

    class Slow(AlertmanagerClient):
        async def alerts(
            self, matchers: Sequence[Matcher] = (), *, receiver: str | None = None, suppressed: bool = True
        ) -> list[HeldAlert]:
            held = await super().alerts(matchers, receiver=receiver, suppressed=suppressed)
            desk.clock.pass_by(LATER)
            await desk.take(desk.told[0].replace(b'"status":"firing"', b'"status":"resolved"'))
            return held

    client = Slow(server.url)
    desk.stack.push_async_callback(client.close)
    desk.clock.pass_by(LATER)
    await Inquirer(database=desk.database, record=desk.intake.record, clients=[client], now=desk.clock).round()

    assert await desk.rows("select status from alerts") == [("resolved",)]


async def test_the_rest_of_a_truncated_group_is_fetched_once(desk: Desk) -> None:
    server = await desk.alertmanager(max_alerts=3)
    await server.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(10)))
    await desk.heard(1)
    await has_group(desk, server.url, 10)
    told = parse(desk.told[0], desk.clock())
    assert (len(told.alerts), told.truncated_alerts) == (3, 7)
    desk.clock.pass_by(LATER)

    inquirer = desk.inquirer(server.url)
    assert await inquirer.round() == 1
    assert await inquirer.round() == 0

    assert await desk.rows("select count(*), count(distinct incident_id) from alerts where status = 'firing'") == [
        (10, 10)
    ]
    assert await desk.rows("select count(*) from deliveries") == [(2,)]
    said = await desk.rows("select distinct text from timeline where kind = 'group.completed'")
    assert said == [("7 alerts of the group were not told; asking brought 7 that fire",)]
    assert await desk.rows("select count(*) from timeline where kind = 'group.completed'") == [(3,)]
    assert await desk.rows("select count(*) from inquiries") == [(0,)]


async def test_of_the_rest_nobody_hears_of_what_is_silenced(desk: Desk) -> None:
    server = await desk.alertmanager(max_alerts=1)
    await server.silence("workflow_name", "rex-2")
    await server.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(3)))
    await desk.heard(1)
    await has_group(desk, server.url, 2)
    desk.clock.pass_by(LATER)

    await desk.inquirer(server.url).round()

    assert await desk.rows("select count(*) from alerts where workflow = 'rex-2'") == [(0,)]
    assert await desk.rows("select count(*) from alerts") == [(2,)]


async def test_what_is_known_already_is_known_by_its_exact_start(desk: Desk) -> None:
    """Told whole before, truncated later: the second telling adds no occurrence."""
    server = await desk.alertmanager()
    await server.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(4)))
    await desk.heard(1)
    await has_group(desk, server.url, 4)
    before = await desk.rows("select fingerprint, starts_at from alerts order by 1")
    assert len(before) == 4
    assert any(starts_at.microsecond % 1000 for _, starts_at in before)
    whole = parse(desk.told[0], desk.clock())
    cut = desk.told[0].replace(b'"truncatedAlerts":0', b'"truncatedAlerts":4')
    first = cut.index(b'"alerts":[') + len(b'"alerts":[')
    last = cut.index(b'],"groupLabels"')
    await desk.take(cut[:first] + cut[last:])
    desk.clock.pass_by(LATER)

    assert await desk.inquirer(server.url).round() == 1

    assert all(alert.status is AlertStatus.FIRING for alert in whole.alerts)
    assert await desk.rows("select fingerprint, starts_at from alerts order by 1") == before
    assert await desk.rows("select distinct deliveries from alerts") == [(2,)]


async def test_what_was_learnt_by_asking_gives_way_when_it_is_told_exactly(desk: Desk) -> None:
    server = await desk.alertmanager(max_alerts=1)
    reconciler = desk.reconciler(server.url)
    await server.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(2)))
    await desk.heard(1)
    await has_group(desk, server.url, 2)
    desk.clock.pass_by(LATER)
    await desk.inquirer(server.url).round()
    [(body, text)] = await desk.rows(
        "select d.body, a.starts_at_text from deliveries d, alerts a where d.external_url <> '' and a.starts_at = "
        "date_trunc('milliseconds', a.starts_at) order by d.id desc limit 1"
    )
    exact = bytes(body).replace(text.encode(), text.replace("Z", "777Z").encode())
    await desk.take(exact)
    assert await desk.rows("select count(*) from alerts where status = 'firing'") == [(3,)]

    closed = await desk.rounds(reconciler, 7)

    assert [reason for reason in closed if "exact start" in reason] == closed
    assert len(closed) == 1
    assert await desk.rows("select count(*) from alerts where status = 'firing'") == [(2,)]


async def test_a_group_that_cannot_be_asked_for_is_said_to_be_incomplete(desk: Desk) -> None:
    server = await desk.alertmanager(max_alerts=3)
    await server.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(5)))
    await desk.heard(1)
    desk.clock.pass_by(LATER)

    assert await desk.inquirer().round() == 1

    said = await desk.rows("select distinct text from timeline where kind = 'group.incomplete'")
    [(text,)] = said
    assert text.startswith("2 alerts of the group were not told, and could not be asked for")
    assert "alertmanager.url is not set" in text


async def test_a_question_about_a_delivery_that_is_kept_no_more_is_settled(desk: Desk) -> None:
    await desk.rows(
        "insert into inquiries (received_at, key, late, truncated, tries, due_at) "  # noqa: S608 - our own values
        f"values (now(), '{uuid4()}', '[]', 7, 0, now() - interval '1 minute') returning 1"
    )
    desk.clock.pass_by(MINUTE)

    assert await desk.inquirer().round() == 1
    assert await desk.rows("select count(*) from inquiries") == [(0,)]
