"""What commands print: tables that fit the terminal, and JSON for programs.

Nearly every text in them was written by others. Nothing of it may move the cursor, colour the terminal, change its
title or turn the direction of the line around: such characters are replaced before anything is printed.
"""

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from receiver.model.duration import format_duration

_TURNS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that change the direction of what follows, or cannot be seen."""

_MOVES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a terminal takes for orders, or that end a line."""

_NARROWEST: Final = 40


class Form(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"


def clean(text: str) -> str:
    """Make a text harmless for a terminal: one line, and nothing in it that is an order."""
    return "".join(_harmless(character) for character in text)


def cell(value: object) -> str:
    """Write a value as people read it: times in UTC to the second, lengths as Prometheus does, nothing as a dash."""
    match value:
        case None | "":
            return "-"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case timedelta():
            return format_duration(value)
        case Enum():
            return str(value.value)
        case _:
            return clean(str(value))


def say(text: str = "") -> None:
    """Print one line."""
    _console().print(Text(clean(text)), soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "nothing") -> None:
    """Print a table as wide as the terminal at most; what does not fit is continued below.

    Args:
        columns: Heads; one that ends in `>` is aligned to the right.
        rows: A value for each column.
        empty: What is said where there is no row.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        justify: Any = "right" if name.endswith(">") else "left"
        made.add_column(Text(name.removesuffix(">")), justify=justify, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell(value)) for value in row))
    console = _console()
    console.print(made if made.row_count else Text(empty))


def members(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; pairs without a value are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            made.add_row(Text(name), Text(cell(value)))
    _console().print(made)


def dump(value: object) -> None:
    """Print a value as JSON, in ASCII: no terminal finds an order in it."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value), indent=2) + "\n")


def dump_line(value: object) -> None:
    """Print a value as one line of JSON, at once."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value)) + "\n")
    sys.stdout.flush()


def _console() -> Console:
    width = max(shutil.get_terminal_size((120, 24)).columns, _NARROWEST)
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _harmless(character: str) -> str:
    if character in "\n\t":
        return " "
    orders = unicodedata.category(character) in _MOVES or character in _TURNS
    return "\ufffd" if orders else character
