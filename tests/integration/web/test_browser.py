"""The console in a real browser: Debian's Chromium, one server, axe, and nobody else on the network."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Route, expect

from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.backtests import as_json
from receiver.store.database import Database
from receiver.store.evidence_tables import BacktestRow
from tests.integration.web.listeners import listened_to
from tests.integration.web.past import played
from tests.seat import PATIENCE, chromium, seat

EVIL: Final = "<script>document.title='x'</script><img src=x onerror=alert(1)>\u202e" + "long" * 2_500
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def url(site: Any) -> str:
    return str(site.client.base_url)


def graph() -> dict[str, Any]:
    """Steps as a look keeps them: hundreds that are done, one that hangs, and one that nobody can read."""
    done = [{"name": f"part({number})", "type": "Pod", "phase": "Succeeded", "within": 0} for number in range(190)]
    hangs = {"name": "train(0)", "type": "Pod", "phase": "Running", "within": 0}
    return {
        "steps": [{"name": EVIL, "type": "DAG", "phase": "Running", "then": [*range(1, 192)]}, hangs, *done],
        "stuck": 1,
        "left_out": {"Succeeded": 9_000},
    }


async def furnish(records: Any) -> int:
    """Fill the service with something of each kind, hostile text included; returns the incident's number."""
    at = datetime.now(UTC) - timedelta(hours=2)
    number = await records.incident(title=EVIL, opened_at=at)
    labels = {"alertname": EVIL, "severity": "critical"}
    alert = await records.alert(incident_id=number, labels=labels, starts_at=at, first_seen_at=at)
    steps = [{"action": "approve"}, {"action": "workflow.restart"}, {"action": "verify"}]
    run = await records.run(incident_id=number, alert_id=alert, state="waiting", steps=steps, reason="a person decides")
    await records.decision(incident_id=number, alert_id=alert, run_id=run)
    await records.finding(
        incident_id=number,
        summary="Running for 7h, no progress for 6h",
        detail={
            "running": [{"name": "train(0)", "type": "Pod", "phase": "Running", "template": "train", "for": "6h"}],
            "graph": graph(),
        },
    )
    await records.finding(incident_id=number, source="log", summary=EVIL, detail={"lines": ["one", EVIL]})
    checks = [{"guard": "cooldown", "passed": False, "measured": "5m", "limit": "1h", "reason": EVIL}]
    await records.event(incident_id=number, at=at, kind="alert.fired", text="WorkflowStuck fires")
    await records.event(incident_id=number, at=at, kind="playbook.decided", text=EVIL, detail={"checks": checks})
    await records.message(incident_id=number, cause=EVIL)
    await records.message(incident_id=number, key="dead", cause=EVIL, state="dead", due_at=None, error=EVIL)
    await records.playbook(summary=EVIL)
    played_at = datetime.now(UTC)
    row = {"request_id": 1, "at": played_at, "playbook": "restart-stuck-workflow", "version": "1"}
    await records.insert(BacktestRow, row | {"result": as_json(played(played_at))})
    await records.archive(name=EVIL)
    await records.dead_letter(reason=EVIL, body=b"{")
    return int(number)


@pytest.mark.parametrize(
    "how", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}]
)
async def test_no_page_shuts_anybody_out(
    browser: Browser, url: str, site: Any, records: Any, how: dict[str, Any]
) -> None:
    number = await furnish(records)
    paths = ["/", f"/incidents/{number}", "/history", "/history?kind=incidents", "/playbooks", "/system"]
    paths += ["/playbooks/restart-stuck-workflow", "/archives", "/outbox", "/deadletters"]
    paths += [f"/alerts/{one['id']}" for one in (await site.get("/api/v1/alerts")).json()["items"]]

    async with seat(browser, url, **how) as somebody:
        wrong = await somebody.faults(["/login"])
        await somebody.log_in("admin-token")
        wrong |= await somebody.faults([*paths, "/nothing"])
        somebody.trouble = [said for said in somebody.trouble if "404" not in said]

    assert wrong == {}


async def test_an_incident_appears_on_an_open_page_and_is_approved_by_keyboard(
    browser: Browser, url: str, site: Any, records: Any, database: Database
) -> None:
    async with seat(browser, url) as somebody:
        page = somebody.page
        await somebody.log_in("operator-token")
        await page.get_by_text("Nothing is open").wait_for()
        number = await furnish(records)
        async with database.transaction() as tx:
            await timeline.add(
                tx, Event(at=datetime.now(UTC), kind=Kind.INCIDENT_OPENED, text="it begins", incident_id=number)
            )
        await page.locator(f"#incident-{number}").wait_for()
        await page.keyboard.press("Tab")
        while await page.evaluate("document.activeElement.id") != f"incident-{number}":
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.locator(f"#note-{number}").fill("it is safe")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("operators asked for: approve")).to_be_visible(timeout=PATIENCE)

    assert len(site.woken) == 1


async def test_a_page_listens_however_late_a_part_of_its_scripts_comes(browser: Browser, url: str, site: Any) -> None:
    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    async with seat(browser, url) as somebody:
        await somebody.page.route("**/hx-sse.min.js", late)
        await somebody.log_in("viewer-token")
        await listened_to(site.feed)
        listening = len(site.feed._listeners)

    assert listening == 1


async def test_a_page_that_cannot_ask_anew_keeps_what_it_shows_and_says_so(
    browser: Browser, url: str, site: Any, records: Any, database: Database
) -> None:
    number = await furnish(records)
    happened = Event(at=datetime.now(UTC), kind=Kind.INCIDENT_OPENED, text="it begins", incident_id=number)

    async with seat(browser, url) as somebody:
        page = somebody.page
        await somebody.log_in("viewer-token")
        # A stream that is just being asked for may be held up for ever when the browser begins to intercept.
        await listened_to(site.feed)
        await page.route(somebody.url + "/", lambda route: route.fulfill(status=503, body="away"))
        async with database.transaction() as tx:
            await timeline.add(tx, happened)
        await expect(page.locator("#stale")).to_be_visible(timeout=PATIENCE)
        kept = await page.locator(f"#incident-{number}").count()
        await page.unroute(somebody.url + "/")
        async with database.transaction() as tx:
            await timeline.add(tx, happened)
        await expect(page.locator("#stale")).to_be_hidden(timeout=PATIENCE)
        somebody.trouble = [said for said in somebody.trouble if "503" not in said]

    assert kept == 1


async def test_a_login_link_logs_in_and_leaves_no_token_in_the_address(browser: Browser, url: str) -> None:
    async with seat(browser, url) as somebody:
        await somebody.go("/login#viewer-token")
        await somebody.page.get_by_role("heading", name="Now").wait_for()
        await somebody.page.go_back()

        assert "viewer-token" not in somebody.page.url


async def test_everything_is_read_searched_and_paged_without_javascript(
    browser: Browser, url: str, records: Any
) -> None:
    number = await furnish(records)
    for day in range(60):
        at = datetime.now(UTC) - timedelta(days=day)
        await records.alert(labels={"alertname": "Loud", "team": "red"}, fingerprint=f"{day:016x}", starts_at=at)

    async with seat(browser, url, java_script_enabled=False) as somebody:
        await somebody.log_in("viewer-token")
        await somebody.page.locator(f"#incident-{number}").click()
        told = await somebody.page.locator(".timeline").inner_text()
        await somebody.go("/history")
        await somebody.page.get_by_label("Label").fill("team=red")
        await somebody.page.keyboard.press("Enter")
        await somebody.page.get_by_role("link", name="Older").click()
        await somebody.page.get_by_role("link", name="Newer").wait_for()
        older = await somebody.page.locator("#found ~ .wide tbody tr").count()

    assert "WorkflowStuck fires" in told
    assert older == 10
