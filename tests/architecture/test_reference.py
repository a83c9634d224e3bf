"""The reference says what the code says, and the menu of the site leads to each page."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.handbook.places import BESIDE, CONFIGURATION, ROOT
from tests.handbook.reference import FOLDER, PAGES, written

DOCS = FOLDER.parent


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    page = FOLDER / f"{name}.md"
    committed = page.read_text(encoding="utf-8") if page.exists() else ""

    now = written(name).splitlines()

    assert committed.splitlines() == now, f"docs/reference/{name}.md is stale. Run: make reference"


@pytest.mark.parametrize("name", ["settings", "playbook"])
def test_each_key_says_what_it_is_for(name: str) -> None:
    rows = [line for line in written(name).splitlines() if line.startswith("| `")]

    assert [row for row in rows if row.split(" | ")[1].strip() == ""] == []


def test_the_menu_leads_to_each_page_once() -> None:
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} | {str(page) for page in BESIDE.values()}
    menu = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["project"]["nav"]

    assert sorted(leaves(menu)) == sorted(pages), "zensical.toml names the pages of the site under `nav`"


def test_the_site_is_made_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.handbook", "site", str(tmp_path / "site")]

    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert made.returncode == 0, made.stdout + made.stderr
    assert "state" in (tmp_path / "site/pages/states-0.svg").read_text(encoding="utf-8")


def leaves(menu: Any) -> Iterator[str]:
    if isinstance(menu, str):
        yield menu
        return
    for below in menu.values() if isinstance(menu, dict) else menu:
        yield from leaves(below)
