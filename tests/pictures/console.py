"""The pictures of the console: each page in a browser, over what the demo leaves and three more alerts.

Each page is looked at as the tests look at it: no violation of WCAG AA, nothing said in the browser's console, and no
request that leaves the machine.
"""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec.structs import replace
from playwright.async_api import Browser, FloatRect, ViewportSize
from rich.console import Console

from receiver.cli.demo import CHAPTERS, keeping, ready, tell
from receiver.cli.process import running
from receiver.cli.stage import NAMESPACE, Stage, build_stage
from receiver.sandbox.alertmanager import Firing, delivery, post
from receiver.sandbox.scenario import stuck_workflow
from tests.pictures.palette import with_few_colours
from tests.seat import Seat, chromium, seat

TELEPHONE: Final = ViewportSize(width=390, height=1180)
DESK: Final = ViewportSize(width=1200, height=900)

UNHEALED: Final = "tess-runs-the-tests"
"""The workflow whose story is shown: a restart did not help."""

HEIGHTS: Final = {
    "now": 620,
    "incident": 1300,
    "alert": 1000,
    "history": 1150,
    "playbooks": 640,
    "backtest": 1350,
    "archives": 330,
    "outbox": 700,
    "deadletters": 330,
    "system": 800,
    "phone": 1180,
}
"""Pictures by name, with their most pixels; what stands further down on the page is left out."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A demo that has been played.

    Attributes:
        url: Where the service answers.
        paths: Of the page of each picture.
    """

    url: str
    admin: str
    paths: dict[str, str]


async def photograph(folder: Path) -> dict[str, list[str]]:
    """Play the demo, and write all pictures into a folder; returns what is wrong on pages on which something is."""
    async with performed() as played, chromium() as browser:
        wrong = await _at_the_desk(browser, played, folder)
        async with seat(browser, played.url, viewport=TELEPHONE, color_scheme="dark") as somebody:
            await somebody.log_in(played.admin)
            return wrong | await _shoot(browser, somebody, {"phone": played.paths["incident"]}, folder)


@asynccontextmanager
async def performed() -> AsyncIterator[Performance]:
    """Play the demo to its end, and let something be open then."""
    with keeping() as folder:
        async with build_stage(folder, port=0) as stage:
            settings = replace(stage.settings, playbooks=(*_playbooks(stage), _asking(stage)))
            async with running(settings) as url:
                await ready(stage, url)
                for chapter in CHAPTERS:
                    await tell(Console(file=io.StringIO()), stage, url, chapter)
                await _go_on(stage, url)
                paths = await _paths(stage, url)
                yield Performance(url=url, admin=stage.tokens["admin"], paths=paths)


def _playbooks(stage: Stage) -> tuple[dict[str, Any], ...]:
    found = stage.settings.playbooks
    assert isinstance(found, tuple)
    return found


def _asking(stage: Stage) -> dict[str, Any]:
    """Give the demo's playbook as one that asks, about another alert."""
    matchers = ['alertname="WorkflowIdle"']
    told = {"name": "restart-idle-workflow", "mode": "propose", "on": {"matchers": matchers, "for": "1s"}}
    return {**_playbooks(stage)[0], **told}


async def _go_on(stage: Stage, url: str) -> None:
    """Let a workflow hang about which a playbook asks, and let two more alerts fire that nothing heals."""
    stuck_workflow(stage.cluster, NAMESPACE, "cleo-reviews-the-change", agent="cleo")
    about = {"namespace": NAMESPACE, "severity": "warning"}
    told = [
        ({"alertname": "WorkflowIdle", "workflow_name": "cleo-reviews-the-change"}, "No progress for 7h"),
        ({"alertname": "PVCUsageHigh", "pvc_name": "ws-rex"}, "PVC ws-rex is 93% full"),
        ({"alertname": "AgentHealthCheckFailing", "agent": "cleo"}, "Agent cleo: check cargo_tools fails"),
    ]
    at = datetime.now(UTC) - timedelta(minutes=12)
    bodies = [
        delivery(Firing(labels=about | labels, annotations={"summary": summary}, starts_at=at))
        for labels, summary in told
    ]
    for body in (*bodies, b'{"version": "4", "alerts": ["cut off"'):
        await post(f"{url}/api/v1/webhooks/alertmanager", stage.tokens["ingest"], body)


async def _paths(stage: Stage, url: str) -> dict[str, str]:
    """Name the page of each picture."""
    headers = {"Authorization": f"Bearer {stage.tokens['viewer']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/api/v1/alerts", params={"workflow": UNHEALED}) as answer,
    ):
        alert = (await answer.json())["items"][0]
    named = {
        "now": "/",
        "incident": f"/incidents/{alert['incident_id']}",
        "alert": f"/alerts/{alert['id']}",
        "backtest": "/playbooks/restart-stuck-workflow",
    }
    return {name: named.get(name, f"/{name}") for name in HEIGHTS if name != "phone"}


async def _at_the_desk(browser: Browser, played: Performance, folder: Path) -> dict[str, list[str]]:
    async with seat(browser, played.url, viewport=DESK, color_scheme="light") as somebody:
        await somebody.log_in(played.admin)
        await somebody.page.get_by_text("Waiting for your decision").wait_for()
        await somebody.go(played.paths["backtest"])
        await somebody.page.get_by_role("button", name="Play it").click()
        await somebody.page.locator(".calendar").wait_for()
        return await _shoot(browser, somebody, played.paths, folder)


async def _shoot(browser: Browser, somebody: Seat, paths: dict[str, str], folder: Path) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    for name, path in paths.items():
        wrong |= await somebody.faults([path])
        size = await somebody.page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        part = FloatRect(x=0, y=0, width=size[0], height=min(size[1], HEIGHTS[name]))
        taken = await somebody.page.screenshot(full_page=True, clip=part)
        (folder / f"console-{name}.png").write_bytes(await with_few_colours(browser, taken))
    return wrong
