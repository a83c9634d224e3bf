from typing import Any

import pytest

from receiver.model.request import Kind
from receiver.store import requests
from receiver.store.database import Database


@pytest.mark.parametrize("kind", [Kind.APPROVE, Kind.REJECT, Kind.CANCEL])
async def test_a_word_about_a_remediation_is_written_down_and_somebody_is_woken(
    site: Any, records: Any, database: Database, kind: Kind
) -> None:
    run = await records.run()
    address = f"/api/v1/remediations/{run}/{kind.value}"

    plain = await site.ask("POST", address, role="operator")
    noted = await site.ask("POST", address, role="admin", json={"note": "looks safe \0"})
    async with database.transaction() as tx:
        asked = await requests.open_for_run(tx, run)

    assert (plain.status_code, noted.status_code) == (202, 202)
    assert plain.json() == {"request_id": asked[0].id, "run_id": run}
    assert [(one.kind, one.asked_by, one.detail) for one in asked] == [
        (kind, "operators", {"note": ""}),
        (kind, "admins", {"note": "looks safe \ufffd"}),
    ]
    assert site.woken == [run, run]


async def test_nothing_can_be_asked_of_what_has_ended_or_never_was(site: Any, records: Any, database: Database) -> None:
    run = await records.run(state="finished", outcome="succeeded")

    ended = await site.ask("POST", f"/api/v1/remediations/{run}/cancel", role="operator")
    never = await site.ask("POST", f"/api/v1/remediations/{run + 1}/approve", role="operator")
    async with database.transaction() as tx:
        asked = await requests.open_for_run(tx, run)

    assert (ended.status_code, never.status_code) == (409, 404)
    assert "succeeded" in ended.json()["detail"]
    assert (asked, site.woken) == ((), [])


async def test_a_playbook_is_asked_for_by_hand(site: Any, records: Any, database: Database) -> None:
    await records.playbook()

    answer = await site.ask(
        "POST",
        "/api/v1/playbooks/restart-stuck-workflow/runs",
        role="operator",
        json={"workflow": "taskmaster/etl-42", "live": True},
    )
    async with database.transaction() as tx:
        asked = await requests.get(tx, answer.json()["request_id"])

    assert answer.status_code == 202
    assert asked is not None
    assert (asked.kind, asked.run_id, asked.asked_by) == (Kind.RUN, None, "operators")
    assert asked.detail == {
        "playbook": "restart-stuck-workflow",
        "namespace": "taskmaster",
        "workflow": "etl-42",
        "live": True,
        "note": "",
    }
    assert site.woken == [None]


async def test_a_playbook_that_is_unknown_or_cannot_work_is_not_asked_for(site: Any, records: Any) -> None:
    await records.playbook(name="retry", disabled="it needs Argo Server")
    wish = {"workflow": "taskmaster/etl-42"}

    disabled = await site.ask("POST", "/api/v1/playbooks/retry/runs", role="operator", json=wish)
    unknown = await site.ask("POST", "/api/v1/playbooks/none/runs", role="operator", json=wish)

    assert (disabled.status_code, unknown.status_code) == (409, 404)
    assert "Argo Server" in disabled.json()["detail"]
    assert site.woken == []


async def test_a_wish_that_is_not_understood_is_refused_with_its_place(site: Any, records: Any) -> None:
    await records.playbook()
    address = "/api/v1/playbooks/restart-stuck-workflow/runs"
    bodies = [
        b"{",
        b"",
        b"[]",
        b'{"workflow": "taskmaster"}',
        b'{"workflow": "../etc/x"}',
        b'{"workflow": "a/b", "lve": true}',
        b'{"workflow": "a/b", "note": "' + b"x" * 501 + b'"}',
    ]

    answers = [await site.ask("POST", address, role="operator", content=body) for body in bodies]
    huge = await site.ask("POST", address, role="operator", content=b" " * 100_000)

    assert [answer.status_code for answer in answers] == [400] * len(bodies)
    assert {answer.headers["content-type"] for answer in [*answers, huge]} == {"application/problem+json"}
    assert "lve" in answers[5].text
    assert huge.status_code == 413
    assert site.woken == []
