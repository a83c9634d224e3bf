from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.model.request import Kind
from receiver.store import backtests, requests
from receiver.store.database import Database
from tests.integration.web.past import played

RUNS = "/api/v1/playbooks/restart-stuck-workflow/runs"
BACKTESTS = "/api/v1/playbooks/restart-stuck-workflow/backtests"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def asked(database: Database, number: int) -> Any:
    async with database.transaction() as tx:
        return await requests.get(tx, number)


async def test_a_run_is_asked_for_by_an_operator_and_followed_by_its_request(
    site: Any, records: Any, database: Database
) -> None:
    await records.playbook()

    answer = await site.ask("POST", RUNS, role="operator", json={"workflow": "argo/etl", "live": True})
    followed = await site.get(f"/api/v1/requests/{answer.json()['request_id']}")
    curious = await site.ask("POST", RUNS, role="viewer", json={"workflow": "argo/etl"})

    assert (answer.status_code, answer.json()["run_id"], curious.status_code) == (202, None, 403)
    assert (followed.json()["kind"], followed.json()["asked_by"], followed.json()["answered_at"]) == (
        "run",
        "operators",
        None,
    )
    assert (await asked(database, answer.json()["request_id"])).detail == {
        "playbook": "restart-stuck-workflow",
        "namespace": "argo",
        "workflow": "etl",
        "live": True,
        "dry_run": False,
        "note": "",
    }


async def test_a_run_on_a_deployment_is_written_down_as_such(site: Any, records: Any, database: Database) -> None:
    await records.playbook()

    answer = await site.ask("POST", RUNS, role="operator", json={"deployment": "argo/cleo-agent"})

    detail = (await asked(database, answer.json()["request_id"])).detail
    assert (detail["namespace"], detail["deployment"], "workflow" in detail) == ("argo", "cleo-agent", False)


@pytest.mark.parametrize(
    "wish",
    [
        {"workflow": "etl"},
        {"workflow": "a/b/c"},
        {"workflow": "a /b"},
        {"workflow": "argo/etl", "live": True, "dry_run": True},
        {"workflow": "argo/etl", "mode": "live"},
        {"workflow": "argo/etl", "deployment": "argo/etl"},
        {},
    ],
)
async def test_a_run_that_is_not_understood_is_refused(site: Any, records: Any, wish: dict[str, Any]) -> None:
    await records.playbook()

    answer = await site.ask("POST", RUNS, role="operator", json=wish)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert site.woken == []


async def test_nothing_can_be_asked_of_a_playbook_that_is_not_loaded(site: Any) -> None:
    run = await site.ask("POST", RUNS, role="operator", json={"workflow": "argo/etl"})
    backtest = await site.ask("POST", BACKTESTS, role="operator")
    request = await site.get("/api/v1/requests/1")

    assert (run.status_code, backtest.status_code, request.status_code) == (404, 404, 404)


async def test_a_backtest_is_asked_for_and_then_shown(site: Any, records: Any, database: Database) -> None:
    await records.playbook()
    answer = await site.ask("POST", BACKTESTS, role="operator")
    number = answer.json()["request_id"]
    pending = await site.get(f"{BACKTESTS}/{number}")
    wish = await asked(database, number)
    since, until = backtests.range_of(wish)
    async with database.transaction() as tx:
        await backtests.keep(tx, number, played(NOW), at=NOW)

    shown = await site.get(f"{BACKTESTS}/{number}")
    other = await site.get(f"/api/v1/playbooks/other/backtests/{number}")

    assert (wish.kind, until - since) == (Kind.BACKTEST, timedelta(days=30))
    assert (pending.status_code, shown.status_code, other.status_code) == (404, 200, 404)
    assert "not there yet" in pending.json()["detail"]
    assert shown.json()["answers"] == {"would_run": 1, "refused": 0, "not_confirmed": 0, "over": 0, "undecidable": 0}
    assert shown.json()["instances"][0]["lasted_seconds"] == 3600
    assert shown.json()["days"] == [{"day": NOW.date().isoformat(), "answers": {"would_run": 1}}]
    assert shown.json()["instead"] == [
        {"what": "acknowledged", "count": 1, "median_seconds": 3600, "longest_seconds": 3600}
    ]


async def test_a_backtest_ends_after_it_begins(site: Any, records: Any) -> None:
    await records.playbook()

    answer = await site.ask("POST", BACKTESTS, role="operator", json={"since": "2999-01-01T00:00:00Z"})

    assert answer.status_code == 400
    assert "since is not before until" in answer.json()["detail"]
