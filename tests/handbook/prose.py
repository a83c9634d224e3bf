"""What the pages of the reference are made of: tables, and the sentences that stand under fields in the code."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from receiver.model.duration import Duration, format_duration
from receiver.model.hours import Span, Zone
from receiver.model.matcher import Matcher
from receiver.remediate.expression import Expression
from receiver.settings import Hidden

_PLAIN: dict[Any, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "`true` or `false`",
    Hidden: "secret",
    Duration: "duration",
    Matcher: "matcher",
    Expression: "condition in CEL",
    Span: "days and hours",
    Zone: "time zone",
    NoneType: "null",
    Any: "anything",
}
"""What people call the types of a field."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table; nothing where it has no rows."""
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines, ""] if lines else []


def _cell(text: str) -> str:
    """Keep a text within its cell: on one line, and without a bar of its own."""
    return " ".join(text.split()).replace("|", "\\|")


def about(thing: object) -> str:
    """Give the first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def meanings(kind: type) -> dict[str, str]:
    """Read the sentences under the fields of a class and of those that it is made from."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if issubclass(one, msgspec.Struct) and one is not msgspec.Struct:
            found |= _under_fields(one)
    return found


def _under_fields(kind: type) -> dict[str, str]:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text)
        for field, below in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(text := below.value.value, str)
    }


def called(kind: Any) -> str:
    """Say in words of what type a field is."""
    if get_origin(kind) is Annotated:
        inner, *limits = get_args(kind)
        return called(inner) + "".join(_within(limit) for limit in limits)
    if get_args(kind):
        return _composed(get_origin(kind), get_args(kind))
    if kind in _PLAIN:
        return _PLAIN[kind]
    if issubclass(kind, Enum):
        return _choice([one.value for one in kind])
    return "mapping, see below" if issubclass(kind, msgspec.Struct) else "text"


def _composed(origin: Any, parts: tuple[Any, ...]) -> str:
    """Say of what type something is that is made of others."""
    if origin is Literal:
        return _choice(parts)
    if origin is tuple:
        return f"list of {called(parts[0])}"
    if origin is dict:
        return f"mapping to {called(parts[1])}"
    assert origin in {Union, UnionType}, origin
    return " or ".join(dict.fromkeys(called(one) for one in parts))


def _choice(values: Iterable[object]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _within(limit: Any) -> str:
    """Say the bounds that msgspec keeps."""
    words = [f"{word} {end}" for word, end in (("at least", limit.ge), ("at most", limit.le)) if end is not None]
    return f" ({', '.join(words)})" if words else ""


def shown(value: object) -> str:
    """Write a value as one would write it in YAML."""
    if isinstance(value, msgspec.Struct):
        given = {
            field.encode_name: one
            for field in msgspec.structs.fields(value)
            if (one := getattr(value, field.name)) != _usual(field)
        }
        return f"`{_flow(given)}`" if given else "its defaults"
    return f"`{_flow(value)}`"


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """Write what counts where a field is not set."""
    return "required" if field.required else shown(_usual(field))


def _usual(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _flow(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_flow(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_flow(one)}' for name, one in value.items())}}}"
    return shown(value).strip("`") if isinstance(value, msgspec.Struct) else _leaf(value)


def _leaf(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case Enum():
            return str(value.value)
        case Matcher():
            return f"'{value}'"
    return str(value) or '""'


def branches(kind: Any) -> list[type[msgspec.Struct]]:
    """Find the structures that a type holds."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for one in get_args(kind) for found in branches(one)]
