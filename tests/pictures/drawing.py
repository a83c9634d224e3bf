"""Draws Block Kit as a page of our own: what is in the blocks, in our style. It is not what Slack looks like."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

Json = Mapping[str, Any]

STYLE: Final = """
* { box-sizing: border-box; }
body { margin: 0; padding: 20px; width: 760px; background: #f4f4f1; color: #22252a;
  font: 15px/1.5 "DejaVu Sans", sans-serif; }
p:last-child { margin-bottom: 0; }
.message { background: #fff; border: 1px solid #d9d9d2; border-radius: 8px; padding: 14px 18px; margin-bottom: 12px; }
.who { font-weight: bold; } .who small { font-weight: normal; color: #6a6f76; }
.thread { margin: -4px 0 8px 34px; padding: 2px 16px 8px; border-left: 3px solid #d9d9d2; border-radius: 0 8px 8px 0; }
h1 { font-size: 18px; line-height: 1.3; margin: 6px 0 10px; } p { margin: 8px 0; }
.context { font-size: 12.5px; color: #565b62; } a { color: #1a5fa8; text-decoration: none; }
code { font: 13px "DejaVu Sans Mono", monospace; background: #f1f1ed; padding: 1px 4px; border-radius: 3px; }
pre { font: 12.5px/1.45 "DejaVu Sans Mono", monospace; background: #f1f1ed; padding: 8px 10px; margin: 6px 0;
  border-radius: 4px; }
.actions span { display: inline-block; border: 1px solid #b9bcc1; border-radius: 5px; padding: 4px 12px;
  margin: 0 8px 0 0; }
.actions .primary { background: #1d7a53; border-color: #1d7a53; color: #fff; }
.actions .danger { background: #b3261e; border-color: #b3261e; color: #fff; }
.mark { display: inline-block; width: 13px; height: 13px; border-radius: 50%; margin-right: 3px; vertical-align: -1px; }
footer { font-size: 12px; color: #6a6f76; }
"""
_MARKS: Final = {
    "🔴": "#c62828",
    "🟢": "#2e7d32",
    "🟡": "#f2b705",
    "⚪": "#b9bcc1",
    "🆘": "#7b1fa2",
    "🗒": "#1a5fa8",
    "📋": "#1a5fa8",
}
"""Emoji that messages begin with, as dots: not every machine that draws has letters for them."""
_NOTE: Final = "Drawn from the blocks that Receiver sends. This is not a screenshot of Slack."


def page(messages: Sequence[tuple[Json, bool]]) -> str:
    """Draw messages, each with whether it stands in a thread, as one page of HTML."""
    drawn = "".join(_message(payload, in_thread=in_thread) for payload, in_thread in messages)
    head = f"<meta charset='utf-8'><title>Messages</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{drawn}<footer>{_NOTE}</footer></body></html>"


def _message(payload: Json, *, in_thread: bool) -> str:
    blocks = payload["blocks"] or [{"type": "section", "text": {"type": "mrkdwn", "text": payload["text"]}}]
    body = "".join(_BLOCKS[block["type"]](block) for block in blocks)
    who = "" if in_thread else "<div class='who'>Receiver <small>app</small></div>"
    return f"<div class='message{' thread' if in_thread else ''}'>{who}{body}</div>"


def _header(block: Json) -> str:
    return f"<h1>{_marked(escape(block['text']['text']))}</h1>"


def _section(block: Json) -> str:
    return f"<p>{_mrkdwn(block['text']['text'])}</p>"


def _context(block: Json) -> str:
    return "".join(f"<p class='context'>{_mrkdwn(one['text'])}</p>" for one in block["elements"])


def _actions(block: Json) -> str:
    return f"<p class='actions'>{''.join(_element(one) for one in block['elements'])}</p>"


def _element(element: Json) -> str:
    if element["type"] == "static_select":
        return f"<span>{escape(element['placeholder']['text'])} ▾</span>"
    return f"<span class='{escape(element.get('style', ''))}'>{escape(element['text']['text'])}</span>"


_BLOCKS: Final = {"header": _header, "section": _section, "context": _context, "actions": _actions}


def _mrkdwn(text: str) -> str:
    """Read the part of Slack's notation that messages use; what is escaped in it stays so."""
    parts = re.split(r"```(.*?)```", text, flags=re.DOTALL)
    return "".join(f"<pre>{part}</pre>" if place % 2 else _inline(part) for place, part in enumerate(parts))


def _inline(text: str) -> str:
    linked = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", lambda found: f"<a href='{found[1]}'>{found[2]}</a>", text)
    coded = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", linked)
    bold = re.sub(r"(^|\s)\*([^*\n]+)\*", r"\1<b>\2</b>", coded, flags=re.MULTILINE)
    return _marked(bold.strip("\n")).replace("\n", "<br>")


def _marked(text: str) -> str:
    for mark, colour in _MARKS.items():
        text = text.replace(mark, f"<span class='mark' style='background:{colour}'></span>")
    return text
