"""The named statements of `statements.sql`, each with the sentence that says what it is for."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, LiteralString

import msgspec

_NAMED: Final = re.compile(r"^-- (?P<name>[a-z_]+): (?P<purpose>.+)\n(?P<text>(?:(?!-- ).*\n?)+)", re.MULTILINE)


@cache
def statements() -> Mapping[str, LiteralString]:
    """Read all statements, by name. Their text is ours alone: values reach it as parameters only.

    They come without indentation, since psycopg reads a statement of more than 4,096 characters anew each time.
    """
    text = files("receiver.store").joinpath("statements.sql").read_text(encoding="utf-8")
    return {found["name"]: _flat(found["text"]) for found in _NAMED.finditer(text)}


def _flat(text: str) -> LiteralString:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def document(rows: Sequence[msgspec.Struct]) -> str:
    """Write rows as the one JSON document that a statement takes."""
    return msgspec.json.encode(rows).decode()
