"""The console in a real browser: Debian's Chromium, one server, axe, and nobody else on the network."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.backtests import as_json
from receiver.store.database import Database
from receiver.store.evidence_tables import BacktestRow
from tests.conftest import tool
from tests.integration.web.past import played

AXE: Final = (Path(__file__).parents[2] / "data/axe/axe.min.js").read_text()
"""axe-core 4.14.1 as npm has it; its licence is beside it."""

EVIL: Final = "<script>document.title='x'</script><img src=x onerror=alert(1)>\u202e" + "long" * 2_500
pytestmark = pytest.mark.timeout(300)
PATIENCE: Final = 60_000
"""Milliseconds for which a busy machine is waited for."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium as the distribution brings it; none is downloaded."""
    program = tool("chromium")
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        await browser.close()


class Seat:
    """Somebody before a page, and what went wrong there.

    Attributes:
        trouble: Whatever the console said, and each request that left the host.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.trouble: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.trouble.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(url) else self.trouble.append(asked.url))

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def log_in(self, role: str) -> None:
        await self.go("/login")
        await self.page.get_by_label("Token").fill(f"{role}-token")
        await self.page.keyboard.press("Enter")
        await self.page.get_by_role("heading", name="Now").wait_for()

    async def violations(self) -> list[str]:
        """Look for what WCAG 2.2 AA forbids, as axe sees it."""
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        await self.page.evaluate(AXE)
        found = await self.page.evaluate(f"axe.run({{runOnly: {json.dumps(tags)}}})")
        return [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found["violations"]]


@asynccontextmanager
async def seat(browser: Browser, site: Any, **how: Any) -> AsyncIterator[Seat]:
    """Sit down before a page of the service, and see that nothing went wrong there."""
    context: BrowserContext = await browser.new_context(**how)
    seat = Seat(await context.new_page(), str(site.client.base_url).rstrip("/"))
    yield seat
    await context.close()
    assert seat.trouble == []


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
    await records.playbook(summary=EVIL)
    played_at = datetime.now(UTC)
    row = {"request_id": 1, "at": played_at, "playbook": "restart-stuck-workflow", "version": "1"}
    await records.insert(BacktestRow, row | {"result": as_json(played(played_at))})
    await records.dead_letter(reason=EVIL, body=b"{")
    return int(number)


@pytest.mark.parametrize(
    "how", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}]
)
async def test_no_page_shuts_anybody_out(browser: Browser, site: Any, records: Any, how: dict[str, Any]) -> None:
    number = await furnish(records)
    paths = ["/", f"/incidents/{number}", "/history", "/history?kind=incidents", "/playbooks", "/system"]
    paths += ["/playbooks/restart-stuck-workflow", "/archives", "/outbox", "/deadletters"]
    paths += [f"/alerts/{one['id']}" for one in (await site.get("/api/v1/alerts")).json()["items"]]
    wrong: dict[str, Any] = {}

    async with seat(browser, site, **how) as somebody:
        await somebody.go("/login")
        wrong["/login"] = await somebody.violations()
        await somebody.log_in("admin")
        for path in paths:
            await somebody.go(path)
            wrong[path] = await somebody.violations()
            if await somebody.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong[path].append("it is wider than the window")

    assert {path: found for path, found in wrong.items() if found} == {}


async def test_an_incident_appears_on_an_open_page_and_is_approved_by_keyboard(
    browser: Browser, site: Any, records: Any, database: Database
) -> None:
    async with seat(browser, site) as somebody:
        page = somebody.page
        await somebody.log_in("operator")
        await page.get_by_text("Nothing is open").wait_for()
        number = await furnish(records)
        async with database.transaction() as tx:
            await timeline.add(
                tx, Event(at=datetime.now(UTC), kind=Kind.INCIDENT_OPENED, text="it begins", incident_id=number)
            )
        await page.locator(f"#incident-{number}").focus()
        await page.keyboard.press("Enter")
        await page.locator(f"#note-{number}").fill("it is safe")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("operators asked for: approve")).to_be_visible(timeout=PATIENCE)

    assert len(site.woken) == 1


async def test_a_page_that_cannot_ask_anew_keeps_what_it_shows_and_says_so(
    browser: Browser, site: Any, records: Any, database: Database
) -> None:
    number = await furnish(records)
    happened = Event(at=datetime.now(UTC), kind=Kind.INCIDENT_OPENED, text="it begins", incident_id=number)

    async with seat(browser, site) as somebody:
        page = somebody.page
        await somebody.log_in("viewer")
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


async def test_a_login_link_logs_in_and_leaves_no_token_in_the_address(browser: Browser, site: Any) -> None:
    async with seat(browser, site) as somebody:
        await somebody.go("/login#viewer-token")
        await somebody.page.get_by_role("heading", name="Now").wait_for()
        await somebody.page.go_back()

        assert "viewer-token" not in somebody.page.url


async def test_everything_is_read_without_javascript(browser: Browser, site: Any, records: Any) -> None:
    number = await furnish(records)

    async with seat(browser, site, java_script_enabled=False) as somebody:
        await somebody.log_in("viewer")
        await somebody.page.locator(f"#incident-{number}").click()
        told = await somebody.page.locator(".timeline").inner_text()

    assert "WorkflowStuck fires" in told
