"""`make pictures`: make the pictures of the documentation anew, with the Chromium of this machine."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.async_api import Browser

from tests.pictures.console import photograph
from tests.pictures.drawing import page
from tests.pictures.scenes import scenes
from tests.seat import chromium

IMAGES: Final = Path(__file__).parents[2] / "docs/images"


async def draw() -> int:
    """Draw what people are told, and photograph the console; the exit code."""
    async with chromium() as browser:
        await _draw_messages(browser)
    wrong = await photograph(IMAGES)
    for path, found in wrong.items():
        sys.stderr.write(f"{path}: {'; '.join(found)}\n")
    return 1 if wrong else 0


async def _draw_messages(browser: Browser) -> None:
    for name, told in scenes().items():
        sheet = await browser.new_page(viewport={"width": 760, "height": 100})
        await sheet.set_content(page(told))
        await sheet.screenshot(path=IMAGES / f"slack-{name}.png", full_page=True)


if __name__ == "__main__":
    if shutil.which("chromium") is None:
        sys.exit("make pictures needs a browser, and none was found: install chromium (Debian: apt install chromium)")
    sys.exit(asyncio.run(draw()))
