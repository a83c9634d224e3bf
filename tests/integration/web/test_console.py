import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from receiver.model.timeline import Event, Kind
from receiver.store import backtests, requests, timeline
from receiver.store.database import Database
from tests.integration.web.past import played

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


async def test_a_session_is_kept_where_no_script_reaches_it_and_the_link_of_a_message_does(site: Any) -> None:
    opened = await site.client.post("/login", data={"token": "viewer-token"}, headers=origin(site))

    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "viewer-token" not in cookie


@pytest.mark.parametrize("token", ["wrong", "ingest-token", ""])
async def test_who_may_not_look_does_not_get_in(site: Any, token: str) -> None:
    answer = await site.client.post("/login", data={"token": token}, headers=origin(site))

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_logging_in_leads_back_to_what_was_searched(site: Any) -> None:
    search = "/history?label=team%3Ddata&q=lost+workspace&from=2026-11-24T10:00:00Z"

    led = await site.client.get(search, headers=BROWSER)
    goal = parse_qs(urlsplit(led.headers["location"]).query)["next"][0]
    opened = await site.client.post("/login", data={"token": "viewer-token", "next": goal}, headers=origin(site))

    assert opened.headers["location"] == search


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
    assert len(loaded) == 5
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


async def incident_with_a_question(records: Any) -> tuple[int, int]:
    """An incident about which a playbook waits for a person; returns its number and that of the run."""
    evil = "<img src=x onerror=alert(1)> | `x` \u202e[a](javascript:alert(1))"
    number = await records.incident(title=evil)
    alert = await records.alert(incident_id=number, annotations={"summary": evil}, labels={"alertname": evil})
    steps = [{"action": "approve"}, {"action": "workflow.restart"}]
    run = await records.run(incident_id=number, alert_id=alert, state="waiting", steps=steps)
    await records.decision(incident_id=number, alert_id=alert, run_id=run)
    nodes = [
        {"name": evil, "type": "DAG", "then": [1]},
        {"name": "train", "type": "Pod", "phase": "Running", "within": 0},
    ]
    running = [{"name": "train", "type": "Pod", "phase": "Running", "template": "", "message": evil}]
    await records.finding(
        incident_id=number,
        detail={"running": running, "graph": {"steps": nodes, "stuck": 1, "left_out": {"Succeeded": 4711}}},
    )
    await records.finding(incident_id=number, source="links", detail={"Argo": "https://argo/x", "Bad": "javascript:x"})
    checks = [{"guard": "cooldown", "passed": False, "measured": "5m", "limit": "1h", "reason": evil}]
    await records.event(incident_id=number, kind="playbook.decided", text=evil, detail={"checks": checks})
    await records.message(incident_id=number, cause=evil)
    return number, run


async def test_the_story_of_an_incident_stands_on_one_page(site: Any, records: Any) -> None:
    number, _ = await incident_with_a_question(records)
    client = await logged_in(site)

    page = (await client.get(f"/incidents/{number}")).text

    for told in ("playbook.decided", "cooldown", "5m", "1h", "train", "stuck here", "https://argo/x", "#ops"):
        assert told in page, told
    drawn = page.split("<svg", 1)[1].split("</section>")[0]
    assert "It is stuck at train." in drawn
    assert drawn.count("<rect") == 2
    assert "4711 Succeeded" in drawn
    assert "<img" not in page
    assert 'href="javascript:' not in page
    assert "formaction" not in page
    assert " style=" not in page


async def test_an_alert_has_a_page_with_its_labels_and_all_of_its_series(site: Any, records: Any) -> None:
    number, run = await incident_with_a_question(records)
    told = (await site.client.get("/api/v1/alerts", headers={"authorization": "Bearer viewer-token"})).json()["items"]
    mine = told[0]["id"]
    url = "javascript:alert(1)"
    for day in range(1, 61):
        at = LATER - timedelta(days=day)
        ends = at + timedelta(hours=1)
        await records.alert(starts_at=at, ends_at=ends, status="resolved", generator_url=url, incident_id=number)
    await records.event(incident_id=number, alert_id=mine, text="It was told of once more")
    await records.decision(incident_id=number, alert_id="request-7", run_id=run)
    client = await logged_in(site)

    page = (await client.get(f"/alerts/{mine}")).text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    rest = (await client.get(html.unescape(older[1]))).text
    story = (await client.get(f"/incidents/{number}")).text
    absent = await client.get("/alerts/202611-4711")

    assert "It was told of once more" in page
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert 'href="javascript:' not in page + rest
    assert (page.count('data-name="Lasted"'), rest.count('data-name="Lasted"')) == (50, 11)
    assert f'href="/alerts/{mine}"' in story
    assert "about request-7" in story
    assert f'href="/alerts/{mine}"' in (await client.get("/history")).text
    assert absent.status_code == 404


async def test_an_operator_approves_by_a_form_and_sees_what_comes_of_it(site: Any, records: Any) -> None:
    number, run = await incident_with_a_question(records)
    client = await logged_in(site, "operator")

    page = (await client.get(f"/incidents/{number}")).text
    stale = await client.post(f"/remediations/{run}/approve", data={"cursor": "7"})
    asked = await client.post(f"/remediations/{run}/approve", data={"cursor": "0", "note": "go"})
    after = await client.get(asked.headers["location"])

    assert f'action="/remediations/{run}/approve"' in page
    assert stale.status_code == 409
    assert (asked.status_code, asked.headers["location"]) == (303, f"/incidents/{number}?asked=1")
    assert site.woken == [run]
    assert "operators asked for: approve" in after.text


async def test_an_incident_is_taken_on_and_silenced_by_forms_and_only_by_operators(site: Any, records: Any) -> None:
    number = await records.incident()
    client = await logged_in(site, "operator")

    taken = await client.post(f"/incidents/{number}/acknowledge", data={"note": ""})
    silenced = await client.post(f"/incidents/{number}/silence", data={"for": "4h", "reason": "known"})
    wrong = await client.post(f"/incidents/{number}/silence", data={"for": "4h", "reason": ""})
    await client.post("/login", data={"token": "viewer-token"})
    refused = await client.post(f"/incidents/{number}/acknowledge", data={"note": ""})

    assert [answer.status_code for answer in (taken, silenced, wrong, refused)] == [303, 303, 400, 403]
    assert wrong.headers["content-type"].startswith("text/html")


async def test_the_story_is_exported_as_markdown_in_which_strangers_text_is_only_text(site: Any, records: Any) -> None:
    number, _ = await incident_with_a_question(records)

    answer = await site.get(f"/api/v1/incidents/{number}/export")
    absent = await site.get("/api/v1/incidents/4711/export")

    assert answer.headers["content-type"].startswith("text/markdown")
    assert absent.status_code == 404
    assert answer.text.startswith(f"# Incident {number}: \\<img")
    assert "cooldown **refused**: measured 5m, limit 1h" in answer.text
    assert "\n## For people to write\n" in answer.text
    assert "\u202e" not in answer.text
    assert not re.search(r"(?<!\\)[<`]|(?<!\\)\[a", answer.text)


async def test_the_history_is_searched_and_paged_by_its_address(site: Any, records: Any) -> None:
    for number in range(60):
        at = LATER - timedelta(hours=number)
        labels = {"alertname": "Loud", "severity": "warning", "team": "a"}
        await records.alert(fingerprint=f"{number:016x}", starts_at=at, labels=labels, namespace="taskmaster")
    await records.alert(labels={"alertname": "Other", "severity": "info"})
    await records.incident(title="An incident of the past")
    client = await logged_in(site)
    form = "kind=alerts&state=firing&alertname=Loud&severity=&namespace=taskmaster&label=team%3Da&q=&since=&until="

    first = (await client.get(f"/history?{form}")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = (await client.get(html.unescape(older[1]))).text
    stories = (await client.get("/history?kind=incidents&since=2026-11-01T00:00&until=2026-12-01T00:00")).text
    wrong = await client.get("/history?label=team")

    assert first.count('<td data-name="Since"') == 50
    assert second.count('<td data-name="Since"') == 10
    assert 'value="Loud"' in second
    assert "An incident of the past" in stories
    assert (wrong.status_code, "team" in wrong.text) == (400, True)


async def test_an_admin_pauses_closes_and_sends_again_by_forms(site: Any, records: Any) -> None:
    await records.playbook()
    message = await records.message(incident_id=await records.incident(), state="dead", due_at=None, error="no channel")
    letter = await records.dead_letter()
    client = await logged_in(site, "admin")

    asked = [
        await client.post("/pause", data={"reason": "an upgrade", "for": "2h"}),
        await client.post("/playbooks/restart-stuck-workflow/close"),
        await client.post(f"/outbox/{message}/replay"),
        await client.post(f"/deadletters/{letter}/discard"),
    ]
    paused = (await client.get("/playbooks")).text
    await client.post("/resume")
    resumed = (await client.get("/playbooks")).text

    assert [answer.status_code for answer in asked] == [303] * 4
    assert "an upgrade" in paused
    assert "an upgrade" not in resumed
    assert "admins" in (await client.get("/deadletters")).text
    assert "pending" in (await client.get("/outbox?state=pending&place=slack")).text


async def test_a_backtest_is_asked_for_by_a_form_and_drawn_on_a_calendar(
    site: Any, records: Any, database: Database
) -> None:
    await records.playbook()
    client = await logged_in(site, "operator")
    where = "/playbooks/restart-stuck-workflow"

    asked = await client.post(f"{where}/backtests", data={"since": "2026-11-01", "until": "2026-11-24"})
    pending = (await client.get(asked.headers["location"])).text
    wrong = await client.post(f"{where}/backtests", data={"since": "", "until": "9999-12-31"})
    async with database.transaction() as tx:
        wish = await requests.get(tx, 1)
        await backtests.keep(tx, 1, played(LATER), at=LATER)
    drawn = (await client.get(where)).text
    other = await client.get(f"{where}?asked=4711")
    await client.post("/login", data={"token": "viewer-token"})
    refused = await client.post(f"{where}/backtests", data={})

    assert (asked.status_code, asked.headers["location"]) == (303, f"{where}?asked=1#past")
    assert wish is not None
    assert [at.isoformat() for at in backtests.range_of(wish)] == [
        "2026-11-01T00:00:00+00:00",
        "2026-11-25T00:00:00+00:00",
    ]
    assert "It is being played" in pending
    assert '<span aria-hidden="true">✓ </span>1<span class="unseen"> would have run</span>' in drawn
    assert "It is being played" not in drawn
    assert (wrong.status_code, other.status_code, refused.status_code) == (400, 404, 403)


async def test_an_operator_asks_by_a_form_for_an_archived_workflow(site: Any, records: Any, database: Database) -> None:
    number = await records.archive()
    masked = await records.archive(uid="other", key="argo/etl-43.masked.json.gz")
    client = await logged_in(site, "operator")

    page = (await client.get("/archives")).text
    asked = await client.post(f"/archives/{number}/restore", data={"name": "", "begin": "true"})
    misnamed = await client.post(f"/archives/{number}/restore", data={"name": "../etl", "begin": "false"})
    pending = (await client.get(asked.headers["location"])).text
    async with database.transaction() as tx:
        wish = await requests.get(tx, 1)
        await requests.answer(tx, 1, "it runs as <etl>")
    answered = (await client.get(asked.headers["location"])).text
    await client.post("/login", data={"token": "viewer-token"})
    refused = await client.post(f"/archives/{number}/restore", data={})

    assert f'action="/archives/{number}/restore"' in page
    assert f'action="/archives/{masked}/restore"' not in page
    assert (asked.status_code, asked.headers["location"]) == (303, "/archives?asked=1")
    assert (misnamed.status_code, refused.status_code) == (400, 403)
    assert wish is not None
    assert wish.detail == {"archive": number, "name": None, "begin": True}
    assert "It is written down" in pending
    assert "it runs as &lt;etl&gt;" in answered


async def test_what_was_kept_and_how_the_service_is_stand_on_pages(site: Any, records: Any) -> None:
    await records.playbook()
    await records.run(incident_id=await records.incident(), state="finished", outcome="succeeded", finished_at=LATER)
    client = await logged_in(site)

    pages = {path: await client.get(path) for path in ("/playbooks", "/archives", "/outbox", "/deadletters", "/system")}
    one = await client.get("/playbooks/restart-stuck-workflow")
    absent = await client.get("/playbooks/none")

    assert {path: page.status_code for path, page in pages.items() if page.status_code != 200} == {}
    assert "succeeded" in pages["/playbooks"].text
    assert "migrations" in pages["/system"].text
    assert "name: restart-stuck-workflow" in one.text
    assert absent.status_code == 404
    assert "<form" not in pages["/playbooks"].text.split("<main")[1]
