"""Which buttons stand beneath a card, and what each of them says it is about."""

from dataclasses import replace

import pytest

from receiver.model.message import Act, Story
from tests.unit.notify.stories import BOTH, after, ask, asking, closed, only, quiet, story

SILENCE = ("silence", "7:1h 7:4h 7:1d")
WHY = ("why", "7")


def shown(told: Story, act: Act = Act.POST) -> list[tuple[str, str]]:
    """What can be pressed: name and value of each button, all values of a menu."""
    rows = [block for block in only(ask(told), act)["blocks"] if block["type"] == "actions"]
    return [
        (one["action_id"], one.get("value") or " ".join(option["value"] for option in one["options"]))
        for row in rows
        for one in row["elements"]
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(story(), [("acknowledge", "7"), SILENCE, WHY], id="it fires"),
        pytest.param(
            story(runs=[asking()]),
            [("approve", "7:12:0"), ("reject", "7:12:0"), ("acknowledge", "7"), SILENCE, WHY],
            id="a run waits for a person",
        ),
    ],
)
def test_there_is_a_button_for_what_can_be_done(told: Story, expected: list[tuple[str, str]]) -> None:
    assert shown(told) == expected


def test_what_is_quiet_is_not_silenced_and_what_is_over_has_no_buttons() -> None:
    told = after(story(), ask(story()))

    assert shown(quiet(told), Act.UPDATE) == [("acknowledge", "7"), WHY]
    assert shown(closed(told), Act.UPDATE) == []


def test_without_somebody_who_takes_presses_there_are_no_buttons() -> None:
    planned = ask(story(), places=replace(BOTH, buttons=False))

    assert all(block["type"] != "actions" for block in only(planned, Act.POST)["blocks"])
