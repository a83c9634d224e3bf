from typing import Any

import pytest


async def test_a_pause_is_set_listed_and_ended_by_an_admin(site: Any) -> None:
    wish = {"reason": "upgrade of Argo", "for": "2h"}

    refused = await site.ask("POST", "/api/v1/remediations/pause", role="operator", json=wish)
    paused = await site.ask("POST", "/api/v1/remediations/pause", role="admin", json=wish)
    listed = await site.get("/api/v1/remediations/pauses")
    ended = await site.ask("POST", "/api/v1/remediations/resume", role="admin")
    after = await site.get("/api/v1/remediations/pauses")

    assert (refused.status_code, paused.status_code, ended.status_code) == (403, 200, 200)
    assert paused.json()["paused_by"] == "admins"
    assert paused.json()["expires_at"] > paused.json()["paused_at"]
    assert listed.json() == {"items": [paused.json()]} == ended.json()
    assert after.json() == {"items": []}


@pytest.mark.parametrize(
    "wish",
    [{}, {"reason": ""}, {"reason": "x", "for": "soon"}, {"reason": "x", "for": "0"}, {"reason": "x", "fro": "2h"}],
)
async def test_a_pause_without_a_reason_or_a_length_is_refused(site: Any, wish: dict[str, str]) -> None:
    answer = await site.ask("POST", "/api/v1/remediations/pause", role="admin", json=wish)

    assert answer.status_code == 400
    assert (await site.get("/api/v1/remediations/pauses")).json() == {"items": []}


async def test_an_admin_closes_the_breaker_of_a_playbook_that_is_there(site: Any, records: Any) -> None:
    await records.playbook()
    path = "/api/v1/playbooks/restart-stuck-workflow/close"

    refused = await site.ask("POST", path, role="operator")
    closed = await site.ask("POST", path, role="admin")
    absent = await site.ask("POST", "/api/v1/playbooks/none/close", role="admin")
    shown = await site.get("/api/v1/playbooks/restart-stuck-workflow")

    assert (refused.status_code, closed.status_code, absent.status_code) == (403, 200, 404)
    assert closed.json()["closed_by"] == "admins"
    assert shown.json()["standing"] == closed.json()
