"""The forms in which every command prints what it found: words and tables for people, documents for programs.

One option chooses the form, and one function prints it, whichever command it is. What programs read is in ASCII: a text
that somebody else wrote gives no terminal an order in any form.
"""

import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from io import StringIO
from typing import Annotated, Any, Final, Protocol

import msgspec
import typer
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from receiver.cli.tables import clean, say
from receiver.model.document import nearest


class Form(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    """For people, as wide as the terminal."""
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    """Only what names each item of a list, one a line: for the next command of a pipe."""


class Paged(Protocol):
    """One page of a list, as the API gives it."""

    @property
    def items(self) -> Sequence[Any]:
        """Some of the answers, in order."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A whole list, in the shape in which the API gives pages of one."""

    items: list[Any]


_ONE: Final = (Form.TABLE, Form.JSON, Form.YAML)
_TRUTHS: Final = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false"})
_NUMERIC: Final = frozenset("0123456789+-.")
_UNFOLDED: Final = 1_000_000
"""Width of YAML in which no text is continued on a line of its own."""


def _form_of_one(text: str) -> Form:
    """Read the form of something that is no list, and so has no names to print."""
    known = [form.value for form in _ONE]
    if text not in known:
        hint = "; only lists are printed as names" if text == Form.NAME else nearest(text, known)
        raise typer.BadParameter(f"{text!r} is none of {', '.join(known)}{hint}")
    return Form(text)


def _complete_one(incomplete: str) -> list[str]:
    return [form.value for form in _ONE if form.startswith(incomplete)]


Output = Annotated[
    Form,
    typer.Option(
        "--output",
        "-o",
        parser=_form_of_one,
        metavar="table|json|yaml",
        autocompletion=_complete_one,
        help="How it is printed: json and yaml are for programs.",
    ),
]
ListOutput = Annotated[
    Form,
    typer.Option(
        "--output", "-o", help="How it is printed: json and yaml are for programs, name is one id a line for a pipe."
    ),
]


def give(found: object, form: Form, told: Callable[[], None]) -> None:
    """Print what was found.

    Args:
        found: What programs read of it.
        form: As asked for.
        told: Prints it for people.
    """
    if form is Form.TABLE:
        told()
    else:
        sys.stdout.write(document(found, form))
        sys.stdout.flush()


def give_list(found: Paged, form: Form, told: Callable[[], None], *, name: Callable[[Any], object]) -> None:
    """Print a page of a list, and how to go on where there is more.

    Args:
        found: The page.
        form: As asked for.
        told: Prints its items for people.
        name: Gives what names an item to other commands.
    """
    following = getattr(found, "next", None)
    if form is Form.NAME:
        for line in names(found, name):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if following is not None:
            typer.echo(f"more: --cursor {clean(following)}", err=True)
        return
    give(found, form, told)
    if form is Form.TABLE and following is not None:
        say(f"more: --cursor {following}")


def give_line(found: object, form: Form, told: Callable[[], None]) -> None:
    """Print one of many things as soon as it is known: in JSON one a line, in YAML one a document of the stream."""
    match form:
        case Form.TABLE:
            told()
        case Form.YAML:
            sys.stdout.write(f"---\n{document(found, form)}")
        case _:
            sys.stdout.write(json.dumps(msgspec.to_builtins(found)) + "\n")
    sys.stdout.flush()


def names(found: Paged, name: Callable[[Any], object]) -> list[str]:
    """Name the items of a page."""
    return [clean(str(name(one))) for one in found.items]


def document(found: object, form: Form) -> str:
    """Write what was found as a document, in ASCII."""
    value = msgspec.to_builtins(found)
    if form is Form.YAML:
        return in_yaml(_quoted(value), ascii_only=True)
    return json.dumps(value, indent=2) + "\n"


def in_yaml(value: object, *, ascii_only: bool = False) -> str:
    """Write plain values as YAML, each text on one line."""
    text = StringIO()
    yaml = YAML()
    yaml.width = _UNFOLDED
    yaml.allow_unicode = not ascii_only
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(value, text)
    return text.getvalue()


def _quoted(value: object) -> object:
    """Quote what readers of YAML 1.1, which are many, would take for a truth value, a number or a time."""
    match value:
        case dict():
            return {name: _quoted(one) for name, one in value.items()}
        case list():
            return [_quoted(one) for one in value]
        case str() if value[:1] in _NUMERIC or value.lower() in _TRUTHS:
            return DoubleQuotedScalarString(value)
        case _:
            return value
