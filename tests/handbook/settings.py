"""The reference of the settings, from the tree of types that reads them."""

from collections.abc import Iterator
from typing import get_origin

import msgspec

from receiver.settings import ENVIRONMENT_PREFIX, Settings
from tests.handbook.prose import about, branches, called, default_of, meanings, table

_ABOUT = """\
The file is named by `--config`, else by `RECEIVER_CONFIG`, else it is `./receiver.yaml` where that exists; without one,
the defaults below hold. Each key that is not within a list can be overridden by the environment variable beside it;
lists and mappings are given there as JSON. A secret `x` can be kept in a file, which `x_file` names and which is read
again when it changes. Durations are such as `30s`, `5m`, `6h` or `7d`. An unknown key, a wrong type or a wrong value is
refused at start, with file, line and the nearest right name; `receiver check` tries all of it.
"""


def page() -> str:
    """Write the page."""
    lines = ["# Settings", "", _ABOUT]
    for path, kind in _tree("", Settings):
        lines += [f"## {path or 'At the top'}", "", about(kind) if path else "The keys that are no branch.", ""]
        heads = ["key", "what for", "type", "unless set", "variable"]
        rows = list(_rows(path, kind))
        width = len(heads) if any(row[-1] for row in rows) else len(heads) - 1
        lines += table(heads[:width], [row[:width] for row in rows])
    return "\n".join(lines)


def _tree(path: str, kind: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield path, kind
    for field in msgspec.structs.fields(kind):
        for below in branches(field.type):
            yield from _tree(f"{path}.{_step(field)}".removeprefix("."), below)


def _step(field: msgspec.structs.FieldInfo) -> str:
    if get_origin(field.type) is tuple:
        return f"{field.encode_name}[]"
    return f"{field.encode_name}.NAME" if "dict" in str(field.type) else field.encode_name


def _rows(path: str, kind: type[msgspec.Struct]) -> Iterator[tuple[str, str, str, str, str]]:
    said = meanings(kind)
    for field in msgspec.structs.fields(kind):
        if branches(field.type) == [field.type]:
            continue
        name = field.encode_name
        secret = name.removesuffix("_file")
        below = branches(field.type)
        fallback = f"File that holds `{secret}`." if name.endswith("_file") else about(below[0]) if below else ""
        yield (
            f"`{name}`",
            said.get(field.name, fallback),
            called(field.type),
            default_of(field),
            _variable(path, name),
        )


def _variable(path: str, name: str) -> str:
    if "[]" in path or "NAME" in path:
        return ""
    return f"`{ENVIRONMENT_PREFIX}{'__'.join([*path.split('.'), name] if path else [name]).upper()}`"
