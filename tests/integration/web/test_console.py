import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.database import Database

LATER = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def origin(site: Any) -> dict[str, str]:
    """What a browser says of a form on a page of the service itself."""
    return {**BROWSER, "origin": str(site.client.base_url).rstrip("/")}


async def logged_in(site: Any, role: str = "viewer") -> httpx.AsyncClient:
    """Log in as a browser does; the client keeps the cookie."""
    client: httpx.AsyncClient = site.client
    answer = await client.post("/login", data={"token": f"{role}-token"}, headers=origin(site))
    assert answer.status_code == 303, answer.text
    client.headers.update(origin(site))
    return client


async def test_a_browser_without_a_session_is_led_to_log_in_and_back_again(site: Any) -> None:
    led = await site.client.get("/", headers=BROWSER)
    asked = await site.client.get(led.headers["location"], headers=BROWSER)
    opened = await site.client.post("/login", data={"token": "viewer-token", "next": "/system"}, headers=origin(site))
    page = await site.client.get("/", headers=BROWSER)

    assert (led.status_code, led.headers["location"]) == (303, "/login?next=%2F")
    assert 'type="password"' in asked.text
    assert (opened.status_code, opened.headers["location"]) == (303, "/system")
    assert page.status_code == 200
    assert "viewers" in page.text


async def test_a_session_is_kept_where_no_script_and_no_other_site_reaches_it(site: Any) -> None:
    opened = await site.client.post("/login", data={"token": "viewer-token"}, headers=origin(site))

    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "viewer-token" not in cookie


@pytest.mark.parametrize("token", ["wrong", "ingest-token", ""])
async def test_who_may_not_look_does_not_get_in(site: Any, token: str) -> None:
    answer = await site.client.post("/login", data={"token": token}, headers=origin(site))

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_nobody_is_led_away_by_logging_in(site: Any) -> None:
    for goal in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = await site.client.post("/login", data={"token": "viewer-token", "next": goal}, headers=origin(site))
        assert answer.headers["location"] == "/", goal


async def test_a_form_of_another_site_is_refused_although_the_cookie_comes_along(site: Any) -> None:
    client = await logged_in(site, "admin")

    pause = {"reason": "evil"}
    elsewhere = await client.post("/api/v1/remediations/pause", json=pause, headers={"origin": "https://evil.example"})
    nowhere = await client.post("/api/v1/remediations/pause", json=pause, headers={"origin": "null"})
    ours = await client.post("/api/v1/remediations/pause", json=pause)

    assert [answer.status_code for answer in (elsewhere, nowhere, ours)] == [403, 403, 200]


async def test_logging_out_ends_it(site: Any) -> None:
    client = await logged_in(site)

    answer = await client.post("/logout")
    after = await client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert after.status_code == 303


async def test_a_page_runs_and_loads_nothing_but_what_is_ours(site: Any) -> None:
    client = await logged_in(site)

    page = await client.get("/")
    loaded = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    files = [await client.get(one) for one in loaded]

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page.text
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=", page.text)
    assert len(loaded) == 4
    assert {one.status_code for one in files} == {200}
    assert all("immutable" in one.headers["cache-control"] for one in files)


async def test_what_is_open_stands_by_urgency_with_what_is_done_about_it(site: Any, records: Any) -> None:
    quiet = await records.incident(key="a", title="Quiet one", firing=0, quiet_since=LATER)
    fires = await records.incident(key="b", title="Fires one", severity="warning")
    asks = await records.incident(key="c", title="Asks one", severity="warning")
    await records.run(incident_id=asks, state="waiting", steps=[{"action": "approve"}, {"action": "verify"}])
    await records.decision(incident_id=fires)
    client = await logged_in(site)

    page = (await client.get("/")).text

    places = [page.index(f'href="/incidents/{one}"') for one in (asks, fires, quiet)]
    assert places == sorted(places)
    assert "Waiting for your decision" in page
    assert "held back by cooldown: too soon" in page
    assert "3 incidents open" in page


async def test_strangers_text_is_shown_and_becomes_nothing_else(site: Any, records: Any) -> None:
    await records.incident(title="<script>alert(1)</script>\"'\u202e" + "x" * 10_000)
    client = await logged_in(site)

    page = (await client.get("/")).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_an_open_page_is_rung_for_when_something_happens(site: Any, database: Database, records: Any) -> None:
    client = await logged_in(site)
    mine = await records.incident()

    rings = 0
    async with client.stream("GET", f"/live?incident={mine}") as answer:
        async for line in answer.aiter_lines():
            rings += line == "event: news"
            if rings == 2:
                break
            if line == "event: news":
                async with database.transaction() as tx:
                    event = Event(at=LATER, kind=Kind.INCIDENT_OPENED, text="x", incident_id=mine)
                    await timeline.add(tx, event)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert rings == 2


async def test_a_browser_is_told_on_a_page_what_is_wrong_and_a_program_in_json(site: Any) -> None:
    client = await logged_in(site)

    page = await client.get("/nothing")
    told = await client.get("/nothing", headers={"accept": "*/*"})

    assert (page.status_code, told.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert told.headers["content-type"] == "application/problem+json"
