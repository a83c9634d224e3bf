"""The console before a whole service: what a person sees and clicks, and what becomes of it in the cluster."""

import pytest
from playwright.async_api import expect

from receiver.model.document import Document
from receiver.sandbox.scenario import stuck_workflow
from tests.seat import PATIENCE, chromium, seat

from .conftest import NAMESPACE, PLAYBOOK, Stage

pytestmark = pytest.mark.timeout(300)

ASKS = PLAYBOOK.replace("mode: live", "mode: propose").replace("within: WITHIN", "within: 4m")


async def test_an_incident_opens_on_an_open_page_and_a_click_heals_it_before_ones_eyes(stage: Stage) -> None:
    stuck_workflow(stage.cluster, NAMESPACE, "rex-implements-login")
    service = await stage.serve(playbooks=[Document(ASKS, file="a playbook that asks").value])
    await service.migrated()

    async with stage.argo, chromium() as browser, seat(browser, service.url) as somebody:
        page = somebody.page
        await somebody.log_in(stage.tokens["operator"])
        await service.deliver(stage.alert("rex-implements-login"))
        await page.get_by_role("link", name="rex-implements-login").click()
        stuck = await page.locator("#graph-stuck").text_content()
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("region", name="Remediations")).to_contain_text("succeeded", timeout=PATIENCE)

    assert "implement" in str(stuck)
    assert "stuck here" in str(stuck)
    assert "POST workflows" in stage.effects()
