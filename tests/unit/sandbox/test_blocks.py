from typing import Any

import pytest

from receiver.sandbox.blocks import block_errors, total_characters

Block = dict[str, Any]


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x", **more: Any) -> Block:
    return {"type": "section", "text": mrkdwn(text), **more}


def button(**more: Any) -> Block:
    return {"type": "button", "text": plain("Go"), "action_id": "go", **more}


def actions(*elements: Block, **more: Any) -> Block:
    return {"type": "actions", "elements": list(elements), **more}


def options(count: int) -> list[Block]:
    return [{"text": plain(f"{n} h"), "value": str(n)} for n in range(count)]


CONFIRM = {"title": plain("Sure?"), "text": mrkdwn("It *restarts*."), "confirm": plain("Yes"), "deny": plain("No")}
IMAGE = {"type": "image", "image_url": "https://x/y.png", "alt_text": "a graph"}


@pytest.mark.parametrize(
    "block",
    [
        section("x" * 3000, block_id="b" * 255),
        {"type": "section", "fields": [mrkdwn("x" * 2000)] * 10},
        section(accessory=button(value="v" * 2000, url="https://x", style="danger", confirm=CONFIRM)),
        section(accessory=IMAGE),
        {"type": "header", "text": plain("x" * 150)},
        {"type": "divider"},
        {"type": "context", "elements": [mrkdwn("x"), IMAGE] * 5},
        actions(*(button(action_id=str(n)) for n in range(25))),
        actions({"type": "static_select", "placeholder": plain("For"), "options": options(100), "action_id": "s"}),
        actions({"type": "overflow", "options": options(5), "action_id": "more"}),
        {**IMAGE, "title": plain("Graph")},
        {"type": "markdown", "text": "**x**" * 2000},
    ],
)
def test_a_block_within_its_limits_is_shown(block: Block) -> None:
    assert block_errors([block]) == []


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ({"type": "carousel"}, "unsupported type: carousel [json-pointer:/blocks/0]"),
        ({}, "unsupported type: None [json-pointer:/blocks/0]"),
        ({"type": ["section"]}, "unsupported type: ['section'] [json-pointer:/blocks/0]"),
        ({"type": "section"}, "missing required field: text or fields [json-pointer:/blocks/0]"),
        (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (section(colour="red"), "invalid additional property: colour [json-pointer:/blocks/0]"),
        (section(block_id="b" * 256), "must be less than 256 characters [json-pointer:/blocks/0/block_id]"),
        (section(fields=[mrkdwn("x")] * 11), "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
        (section(fields=[]), "must be a list that is not empty [json-pointer:/blocks/0/fields]"),
        (section(fields=["x"]), "must be an object [json-pointer:/blocks/0/fields/0]"),
        (
            section(fields=[mrkdwn("x" * 2001)]),
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            {"type": "header", "text": mrkdwn("x")},
            "must be a text object of type plain_text [json-pointer:/blocks/0/text]",
        ),
        (
            {"type": "header", "text": plain("x" * 151)},
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            {"type": "header", "text": {"type": "plain_text"}},
            "missing required field: text [json-pointer:/blocks/0/text]",
        ),
        (
            {"type": "context", "elements": [mrkdwn("x")] * 11},
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(*(button(action_id=str(n)) for n in range(26))),
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            actions(button(), button()),
            "action_id must be unique in its block [json-pointer:/blocks/0/elements/1/action_id]",
        ),
        (
            actions(button(text=plain("x" * 76))),
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            actions(button(value="x" * 2001)),
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (actions(button(style="green")), "must be primary or danger [json-pointer:/blocks/0/elements/0/style]"),
        (
            actions(button(confirm={**CONFIRM, "deny": plain("x" * 31)})),
            "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/deny/text]",
        ),
        (
            actions({"type": "overflow", "options": options(6)}),
            "no more than 5 items allowed [json-pointer:/blocks/0/elements/0/options]",
        ),
        (actions({"type": "checkboxes"}), "unsupported type: checkboxes [json-pointer:/blocks/0/elements/0]"),
        (
            {"type": "markdown", "text": "x" * 12_001},
            "must be less than 12001 characters [json-pointer:/blocks/0/text]",
        ),
        ({"type": "markdown", "text": 7}, "must provide a string [json-pointer:/blocks/0/text]"),
    ],
)
def test_a_block_beyond_its_limits_is_refused_with_its_place(block: Block, error: str) -> None:
    assert error in block_errors([block])


def test_a_message_has_fifty_blocks_at_most() -> None:
    assert block_errors([{"type": "divider"}] * 50) == []
    assert block_errors([{"type": "divider"}] * 51) == ["no more than 50 items allowed [json-pointer:/blocks]"]


def test_no_two_blocks_share_an_identity() -> None:
    twins = [section(block_id="same"), {"type": "divider", "block_id": "same"}]

    assert block_errors(twins) == ["block_id must be unique [json-pointer:/blocks/1/block_id]"]


def test_the_total_counts_characters_not_bytes() -> None:
    assert total_characters([section("я" * 100)]) == total_characters([section("x" * 100)])
