"""What Slack refuses in the blocks of a message, told in the manner of its own `errors`: pure.

Limits from https://docs.slack.dev/reference/block-kit/blocks and the pages of each block and element beneath it. Kinds
of block and element that exist at Slack but are not judged here are refused, so that nothing passes unseen.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

BLOCKS = 50
TOTAL_CHARACTERS = 9_600
"""Slack documents no total. Messages with this many characters were seen to pass, and with 11,300 to be refused
(https://github.com/slackapi/bolt-js/issues/2867)."""

Judge = Callable[["Verdict", str, Mapping[str, Any]], None]


class Verdict:
    """The errors found so far in one message."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._block_ids: set[str] = set()

    def refuse(self, what: str, place: str) -> None:
        """Note an error at a JSON pointer."""
        self.errors.append(f"{what} [json-pointer:{place}]")

    def keys(self, item: Mapping[str, Any], place: str, *, needed: str = "", allowed: str = "") -> bool:
        """Judge the names of fields, given as words; say whether all the needed ones are there."""
        missing = [name for name in needed.split() if item.get(name) is None]
        for name in missing:
            self.refuse(f"missing required field: {name}", place)
        for name in item.keys() - set(f"type {needed} {allowed}".split()):
            self.refuse(f"invalid additional property: {name}", place)
        return not missing

    def length(self, text: Any, place: str, longest: int, *, shortest: int = 1) -> None:
        """Judge a string."""
        if not isinstance(text, str):
            self.refuse("must provide a string", place)
        elif len(text) > longest:
            self.refuse(f"must be less than {longest + 1} characters", place)
        elif len(text) < shortest:
            self.refuse(f"must be more than {shortest - 1} characters", place)

    def text(self, item: Any, place: str, longest: int, *, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> None:
        """Judge a text object."""
        if not isinstance(item, Mapping) or item.get("type") not in kinds:
            self.refuse(f"must be a text object of type {' or '.join(kinds)}", place)
            return
        own = "emoji" if item["type"] == "plain_text" else "verbatim"
        if self.keys(item, place, needed="text", allowed=own):
            self.length(item["text"], f"{place}/text", longest)

    def items(self, value: Any, place: str, most: int) -> list[tuple[str, Mapping[str, Any]]]:
        """Judge a list of objects; return those objects with their places."""
        if not isinstance(value, list) or not value:
            self.refuse("must be a list that is not empty", place)
            return []
        if len(value) > most:
            self.refuse(f"no more than {most} items allowed", place)
        found = []
        for number, item in enumerate(value):
            if isinstance(item, Mapping):
                found.append((f"{place}/{number}", item))
            else:
                self.refuse("must be an object", f"{place}/{number}")
        return found

    def one_of(self, kinds: Mapping[str, Judge], item: Any, place: str) -> None:
        """Judge an object by its `type`."""
        kind = item.get("type") if isinstance(item, Mapping) else None
        judge = kinds.get(kind) if isinstance(kind, str) else None
        if judge is None:
            self.refuse(f"unsupported type: {kind}", place)
        else:
            judge(self, place, item)

    def block_id(self, block: Mapping[str, Any], place: str) -> None:
        """Judge the identity of a block, which no other block of the message may have."""
        identity = block.get("block_id")
        if identity is None:
            return
        self.length(identity, f"{place}/block_id", 255)
        if isinstance(identity, str) and identity in self._block_ids:
            self.refuse("block_id must be unique", f"{place}/block_id")
        self._block_ids.add(str(identity))


def block_errors(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what Slack would refuse; nothing for blocks that it shows."""
    verdict = Verdict()
    if len(blocks) > BLOCKS:
        verdict.refuse(f"no more than {BLOCKS} items allowed", "/blocks")
    for number, block in enumerate(blocks):
        place = f"/blocks/{number}"
        verdict.one_of(_BLOCKS, block, place)
        verdict.block_id(block, place)
    return verdict.errors


def total_characters(blocks: Sequence[Mapping[str, Any]]) -> int:
    """Count the characters of the blocks as compact JSON."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def _section(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    verdict.keys(block, place, allowed="text fields accessory block_id expand")
    if block.get("text") is None and block.get("fields") is None:
        verdict.refuse("missing required field: text or fields", place)
    if block.get("text") is not None:
        verdict.text(block["text"], f"{place}/text", 3000)
    if block.get("fields") is not None:
        for where, item in verdict.items(block["fields"], f"{place}/fields", 10):
            verdict.text(item, where, 2000)
    if block.get("accessory") is not None:
        verdict.one_of({**_ELEMENTS, "image": _image_element}, block["accessory"], f"{place}/accessory")


def _header(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    if verdict.keys(block, place, needed="text", allowed="block_id"):
        verdict.text(block["text"], f"{place}/text", 150, kinds=("plain_text",))


def _divider(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    verdict.keys(block, place, allowed="block_id")


def _context(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    if not verdict.keys(block, place, needed="elements", allowed="block_id"):
        return
    for where, item in verdict.items(block["elements"], f"{place}/elements", 10):
        if item.get("type") == "image":
            _image_element(verdict, where, item)
        else:
            verdict.text(item, where, 3000)


def _actions(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    if not verdict.keys(block, place, needed="elements", allowed="block_id"):
        return
    seen: set[str] = set()
    for where, item in verdict.items(block["elements"], f"{place}/elements", 25):
        verdict.one_of(_ELEMENTS, item, where)
        if (identity := str(item.get("action_id"))) in seen and item.get("action_id") is not None:
            verdict.refuse("action_id must be unique in its block", f"{where}/action_id")
        seen.add(identity)


def _image(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    verdict.keys(block, place, needed="image_url alt_text", allowed="title block_id")
    _picture(verdict, place, block)
    if block.get("title") is not None:
        verdict.text(block["title"], f"{place}/title", 2000, kinds=("plain_text",))


def _image_element(verdict: Verdict, place: str, element: Mapping[str, Any]) -> None:
    verdict.keys(element, place, needed="image_url alt_text")
    _picture(verdict, place, element)


def _picture(verdict: Verdict, place: str, item: Mapping[str, Any]) -> None:
    verdict.length(item.get("image_url"), f"{place}/image_url", 3000)
    verdict.length(item.get("alt_text"), f"{place}/alt_text", 2000)


def _markdown(verdict: Verdict, place: str, block: Mapping[str, Any]) -> None:
    if verdict.keys(block, place, needed="text", allowed="block_id"):
        verdict.length(block["text"], f"{place}/text", 12_000)


def _element(verdict: Verdict, place: str, element: Mapping[str, Any], *, needed: str, allowed: str) -> None:
    verdict.keys(element, place, needed=needed, allowed=f"action_id confirm {allowed}")
    if element.get("action_id") is not None:
        verdict.length(element["action_id"], f"{place}/action_id", 255)
    if element.get("confirm") is not None:
        _confirm(verdict, f"{place}/confirm", element["confirm"])


def _button(verdict: Verdict, place: str, button: Mapping[str, Any]) -> None:
    _element(verdict, place, button, needed="text", allowed="url value style accessibility_label")
    if button.get("text") is not None:
        verdict.text(button["text"], f"{place}/text", 75, kinds=("plain_text",))
    for name, longest in (("url", 3000), ("value", 2000), ("accessibility_label", 75)):
        if button.get(name) is not None:
            verdict.length(button[name], f"{place}/{name}", longest)
    if button.get("style", "primary") not in {"primary", "danger"}:
        verdict.refuse("must be primary or danger", f"{place}/style")


def _select(verdict: Verdict, place: str, select: Mapping[str, Any]) -> None:
    _element(verdict, place, select, needed="options", allowed="placeholder initial_option focus_on_load")
    if select.get("placeholder") is not None:
        verdict.text(select["placeholder"], f"{place}/placeholder", 150, kinds=("plain_text",))
    _options(verdict, f"{place}/options", select.get("options"), most=100)


def _overflow(verdict: Verdict, place: str, menu: Mapping[str, Any]) -> None:
    _element(verdict, place, menu, needed="options", allowed="")
    _options(verdict, f"{place}/options", menu.get("options"), most=5)


def _options(verdict: Verdict, place: str, options: Any, *, most: int) -> None:
    for where, option in verdict.items(options, place, most):
        if verdict.keys(option, where, needed="text value", allowed="description url"):
            verdict.text(option["text"], f"{where}/text", 75)
            verdict.length(option["value"], f"{where}/value", 150)


def _confirm(verdict: Verdict, place: str, dialog: Any) -> None:
    if not isinstance(dialog, Mapping):
        verdict.refuse("must be an object", place)
        return
    verdict.keys(dialog, place, needed="title text confirm deny", allowed="style")
    for name, longest in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        if dialog.get(name) is not None:
            kinds = ("plain_text", "mrkdwn") if name == "text" else ("plain_text",)
            verdict.text(dialog[name], f"{place}/{name}", longest, kinds=kinds)


_ELEMENTS: Mapping[str, Judge] = {"button": _button, "static_select": _select, "overflow": _overflow}
_BLOCKS: Mapping[str, Judge] = {
    "section": _section,
    "header": _header,
    "divider": _divider,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "markdown": _markdown,
}
