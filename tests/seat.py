"""A person before the console, in a real browser: Debian's Chromium, axe, and nobody else on the network."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.conftest import tool

AXE: Final = (Path(__file__).parent / "data/axe/axe.min.js").read_text()
"""axe-core 4.14.1 as npm has it; its licence is beside it."""

PATIENCE: Final = 60_000
"""Milliseconds for which a busy machine is waited for."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start Chromium as the distribution brings it; none is downloaded."""
    async with async_playwright() as player:
        program = tool("chromium")
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

    async def log_in(self, token: str) -> None:
        await self.go("/login")
        await self.page.get_by_label("Token").fill(token)
        await self.page.keyboard.press("Enter")
        await self.page.get_by_role("heading", name="Now").wait_for()

    async def violations(self) -> list[str]:
        """Look for what WCAG 2.2 AA forbids, as axe sees it."""
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        await self.page.evaluate(AXE)
        found = await self.page.evaluate(f"axe.run({{runOnly: {json.dumps(tags)}}})")
        return [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found["violations"]]

    async def faults(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """Walk over pages; returns what is wrong on each on which something is."""
        wrong = {}
        for path in paths:
            await self.go(path)
            found = await self.violations()
            if await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append("it is wider than the window")
            wrong[path] = found
        return {path: found for path, found in wrong.items() if found}


@asynccontextmanager
async def seat(browser: Browser, url: str, **how: Any) -> AsyncIterator[Seat]:
    """Sit down before a page of the service at an address, and see that nothing went wrong there."""
    context: BrowserContext = await browser.new_context(**how)
    seat = Seat(await context.new_page(), url.rstrip("/"))
    yield seat
    await context.close()
    assert seat.trouble == []
