"""Words of others made fit to be shown: printable, bounded, and unable to become anything but words."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

ELLIPSIS: Final = "…"
LONGEST_LINK: Final = 1500
"""Characters of a link that is shown; a longer one, such as a huge expression, would crowd out what is said."""

_JOINER: Final = "\u200d"
"""Holds the parts of one emoji together; the only invisible character that is kept."""
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""https://docs.slack.dev/messaging/formatting-message-text/#escaping"""
_LOOKALIKES: Final = str.maketrans({"&": "＆", "<": "‹", ">": "›"})  # noqa: RUF001 - that they look alike is the point
_DOUBLE: Final = frozenset('"\\\n')
_BASIC_PLANE: Final = 0xFFFF
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9.:-]+")
_URL_MARKS: Final = ":/?#[]@!$&()*+,;=%~-._"


def clean(text: str) -> str:
    """Bring a text into one line without anything invisible.

    Controls, NUL, lone surrogates and the marks that turn the direction of writing become spaces: with them a label
    could make a line read as another one.
    """
    return " ".join("".join(c if c.isprintable() or c == _JOINER else " " for c in text).split())


def clean_lines(text: str) -> str:
    """Do the same line by line; blank lines are left out."""
    lines = (clean(line) for line in re.split(r"\r\n|\r|\n", text))
    return "\n".join(line for line in lines if line)


def cut(text: str, longest: int) -> str:
    """Shorten a plain text to at most *longest* characters, the ellipsis included."""
    return _fit(text, longest)


def markup(text: str, longest: int) -> str:
    """Escape a text for Slack's mrkdwn, shortened to *longest* characters after escaping; no entity is cut apart."""
    return _fit((_ENTITIES.get(c, c) for c in text[: longest + 1]), longest)


def code(text: str, longest: int) -> str:
    """Do the same for a text that is put between backticks, so that it cannot end them."""
    return markup(text.replace("`", "'"), longest)


def plain(text: str, longest: int) -> str:
    """Shorten a text for Slack's plain_text, where entities may be shown as they are: look-alikes stand for them."""
    return cut(text.translate(_LOOKALIKES), longest)


def weblink(url: str) -> str:
    """Return an http(s) link, encoded so that it stays one wherever it is put; empty for anything else.

    Links with a user or a password are refused: nobody means to show those in a channel.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return ""
    if not _WEB.match(url) or not _HOST.fullmatch(host) or "@" in parts.netloc:
        return ""
    encoded = quote(url, safe=_URL_MARKS, errors="replace")
    return encoded if len(encoded) <= LONGEST_LINK else ""


def slack_link(url: str, label: str) -> str:
    """Write a link in Slack's notation; only the label where the link cannot be shown."""
    safe = weblink(url)
    shown = markup(clean(label).replace("|", "/"), 60)
    return f"<{safe.replace('&', '&amp;')}|{shown}>" if safe else shown


def moment(at: datetime) -> str:
    """Write a time for people of any time zone."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def cost(text: str) -> int:
    """Count characters as the strictest reader of a limit would: UTF-16 units, and as JSON writes them."""
    return sum(2 if c in _DOUBLE or ord(c) > _BASIC_PLANE else 1 for c in text)


def _fit(pieces: Iterable[str], longest: int) -> str:
    """Join pieces, none of which may be cut apart, up to a limit."""
    kept: list[str] = []
    spent, fitting = 0, 0
    for piece in pieces:
        spent += cost(piece)
        if spent > longest:
            return "".join(kept[:fitting]).rstrip(f" {_JOINER}") + ELLIPSIS
        kept.append(piece)
        if spent < longest:
            fitting = len(kept)
    return "".join(kept)
