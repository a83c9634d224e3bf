"""The pictures of the documentation can be drawn from what is sent today, and are small enough to be looked at."""

from pathlib import Path

import pytest

from receiver.notify import slack
from receiver.notify.situation import assess
from tests.pictures.drawing import page
from tests.pictures.scenes import scenes
from tests.unit.notify.stories import NOW
from tests.unit.notify.test_rendering import hostile_story

DOCS = Path(__file__).parents[3] / "docs"
MOST_BYTES = 150_000


@pytest.mark.parametrize("name", scenes())
def test_each_scene_has_its_picture_in_the_documentation(name: str) -> None:
    picture = DOCS / f"images/slack-{name}.png"
    readers = [(DOCS.parent / "README.md").read_text(), (DOCS / "notifications.md").read_text()]

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MOST_BYTES
    assert any(f"images/slack-{name}.png" in text for text in readers)
    assert "not a screenshot of Slack" in page(scenes()[name])


def test_what_others_wrote_is_drawn_as_words() -> None:
    told = hostile_story("<script>alert(1)</script><img src=x> 'x' \"y\" `<b>`")

    drawn = page([(slack.card(assess(told, NOW), public_url=None, pressed=True), False)])

    assert "<script>" not in drawn
    assert "<img" not in drawn


def test_links_code_and_bold_words_are_drawn_as_such() -> None:
    payload = slack.bulletin("t", "Title & <more>", ["*bold* `code` <https://x.example/?a=1&amp;b=2|here>"], "end")

    drawn = page([(payload, False)])

    assert "<b>bold</b> <code>code</code> <a href='https://x.example/?a=1&amp;b=2'>here</a>" in drawn
