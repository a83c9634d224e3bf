"""`make pictures`: draw the messages of the documentation anew, with the Chromium of this machine."""

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from tests.pictures.drawing import page
from tests.pictures.scenes import scenes

IMAGES: Final = Path(__file__).parents[2] / "docs/images"


def draw() -> int:
    """Draw all pictures; the exit code."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write(
            "make pictures needs a browser, and none was found: install chromium (Debian: apt install chromium)\n"
        )
        return 1
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, told in scenes().items():
            sheet = browser.new_page(viewport={"width": 760, "height": 100})
            sheet.set_content(page(told))
            sheet.screenshot(path=IMAGES / f"slack-{name}.png", full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(draw())
