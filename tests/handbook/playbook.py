"""The reference of the playbook language, from the types that read it and the actions that it knows."""

import msgspec

from receiver.remediate.actions import known
from receiver.remediate.language import Written
from receiver.remediate.vocabulary import VARIABLES
from tests.handbook.prose import about, branches, called, default_of, meanings, table

_ABOUT = """\
The keys of a playbook, the words of its conditions and the actions of its steps. [Playbooks](../playbooks.md) tells how
they work together, and what each action does and does not do; [guards](../guards.md) tells of the limits.
`receiver playbooks schema` prints the same as JSON Schema for editors, with the actions of other packages as well.
"""

_CONDITIONS = """\
## Conditions

Conditions are written in CEL. A value that is not known makes a condition fail to evaluate, and what cannot be
evaluated refuses.
"""


def page() -> str:
    """Write the page."""
    lines = ["# The playbook language", "", _ABOUT, *_part("Keys", Written)]
    for path, kind in _parts("", Written):
        lines += _part(f"Key {path}", kind)
    lines += [_CONDITIONS]
    lines += table(
        ["word", "type", "what it is"],
        [(f"`{one.name}`", f"`{one.kind.value}`", one.meaning) for one in VARIABLES.values()],
    )
    for name, action in sorted(known().items()):
        if action.__module__.startswith("receiver."):
            lines += _part(f"Action {name}", action.params)
    return "\n".join(lines)


def _parts(path: str, kind: type[msgspec.Struct]) -> list[tuple[str, type[msgspec.Struct]]]:
    found = []
    for field in msgspec.structs.fields(kind):
        for below in branches(field.type):
            name = f"{path}.{field.encode_name}".removeprefix(".") + ("[]" if "tuple" in str(field.type) else "")
            found += [(name, below), *_parts(name, below)]
    return found


def _part(title: str, kind: type[msgspec.Struct]) -> list[str]:
    return [f"## {title}", "", about(kind), "", *table(["key", "what for", "type", "unless set"], _rows(kind))]


def _rows(kind: type[msgspec.Struct]) -> list[tuple[str, str, str, str]]:
    said = meanings(kind)
    return [
        (f"`{field.encode_name}`", said.get(field.name, _below(field)), called(field.type), default_of(field))
        for field in msgspec.structs.fields(kind)
    ]


def _below(field: msgspec.structs.FieldInfo) -> str:
    """Say what a key is for that holds others, where nothing is said of the key itself."""
    below = branches(field.type)
    return about(below[0]) if below else ""
