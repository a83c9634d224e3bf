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


async def test_a_wish_that_is_not_understood_is_refused_with_its_place(site: Any, records: Any) -> None:
    address = f"/api/v1/remediations/{await records.run()}/approve"
    bodies = [b"{", b"[]", b'{"note": 1}', b'{"noet": "a"}', b'{"note": "' + b"x" * 501 + b'"}']

    answers = [await site.ask("POST", address, role="operator", content=body) for body in bodies]
    huge = await site.ask("POST", address, role="operator", content=b" " * 100_000)

    assert [answer.status_code for answer in answers] == [400] * len(bodies)
    assert {answer.headers["content-type"] for answer in [*answers, huge]} == {"application/problem+json"}
    assert "noet" in answers[3].text
    assert huge.status_code == 413
    assert site.woken == []
