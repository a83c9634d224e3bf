"""The pictures of the console are there, stand in its documentation, and are small enough to be looked at."""

from pathlib import Path

import pytest

from tests.pictures.console import HEIGHTS

DOCS = Path(__file__).parents[3] / "docs"
MOST_BYTES = 150_000


@pytest.mark.parametrize("name", HEIGHTS)
def test_each_page_has_its_picture_in_the_documentation(name: str) -> None:
    picture = DOCS / f"images/console-{name}.png"

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_BYTES
    assert f"images/console-{name}.png" in (DOCS / "console.md").read_text()
