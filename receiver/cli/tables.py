"""What people read of a command: words, and tables that fit the terminal.

Nearly every text in them was written by others. Nothing of it may move the cursor, colour the terminal, change its
title or turn the direction of the line around: such characters are replaced before anything is printed.
"""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from receiver.model.duration import format_duration

_TURNS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that change the direction of what follows, or cannot be seen."""

_MOVES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that a terminal takes for orders, or that end a line."""

_NARROWEST: Final = 40
_UNBOUNDED: Final = 100_000
"""Width of what is no terminal."""
_LEAST: Final = 12
"""Cells that a text gets at the least."""
_GAP: Final = 3
"""Cells between two columns."""


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
    """Print a table that fits the terminal: texts that do not fit are continued below.

    Where not even ids, times and a little of each text fit beside each other, the rows are printed as blocks, one
    value a line. What is printed into a pipe or a file is as wide as it wants to be, one row a line.

    Args:
        columns: Heads; one that ends in `>` is aligned to the right.
        rows: A value for each column.
        empty: What is said where there is no row.
    """
    found = list(rows)
    console = _console()
    if not found:
        console.print(Text(empty))
        return
    heads = [name.removesuffix(">") for name in columns]
    rigid = [_is_rigid(row[at] for row in found) for at in range(len(heads))]
    least = [
        _width(head, (row[at] for row in found), most=None if rigid[at] else _LEAST) for at, head in enumerate(heads)
    ]
    if sum(least) + _GAP * len(least) > console.width:
        _blocks(heads, found)
        return
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, head, fixed in zip(columns, heads, rigid, strict=True):
        justify: Any = "right" if name.endswith(">") else "left"
        made.add_column(Text(head), justify=justify, overflow="fold", no_wrap=fixed)
    for row in found:
        made.add_row(*(Text(cell(value)) for value in row))
    _print_trimmed(console, made)


def members(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; pairs without a value are left out."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None and value != "":
            made.add_row(Text(name), Text(cell(value)))
    _console().print(made)


def _console() -> Console:
    width = max(shutil.get_terminal_size((_UNBOUNDED, 24)).columns, _NARROWEST)
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _print_trimmed(console: Console, made: Table) -> None:
    """Print a table without the blanks that fill its last column up."""
    with console.capture() as capture:
        console.print(made)
    for line in capture.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print each row as a block of names and values, a blank line between two."""
    for number, row in enumerate(rows):
        if number:
            say()
        members(zip(heads, row, strict=True))


def _is_rigid(values: Iterable[object]) -> bool:
    """Answer whether a column holds only what loses its sense when it is broken: times, numbers and states."""
    return all(value is None or not isinstance(value, str) or isinstance(value, Enum) for value in values)


def _width(head: str, values: Iterable[object], *, most: int | None) -> int:
    """Measure a column, in cells of the terminal; not beyond what a text needs at the least."""
    widest = max(cell_len(head), *(cell_len(cell(value)) for value in values))
    return widest if most is None else min(widest, max(most, cell_len(head)))


def _harmless(character: str) -> str:
    if character in "\n\t":
        return " "
    orders = unicodedata.category(character) in _MOVES or character in _TURNS
    return "\ufffd" if orders else character
