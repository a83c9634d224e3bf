"""Conditions in CEL, checked when a playbook is loaded: a wrong name or type is an error at the desk, not at night.

A condition is true, false, or cannot be evaluated. The third is never taken for either of the others: it raises
`NotEvaluable` with its reason, and whoever asked refuses.
"""

import re
from functools import lru_cache
from typing import Final, Self

from cel_expr_python import cel  # type: ignore[import-untyped] # typed, but without the marker that says so

from receiver.model.document import nearest
from receiver.model.errors import PlaybookError
from receiver.remediate.vocabulary import VARIABLES, Kind, Values

LONGEST: Final = 4096
"""Characters of one condition; a longer one is a program."""

_TYPES: Final = {
    Kind.STRING: cel.Type.STRING,
    Kind.BOOL: cel.Type.BOOL,
    Kind.INT: cel.Type.INT,
    Kind.DURATION: cel.Type.DURATION,
    Kind.TIMESTAMP: cel.Type.TIMESTAMP,
    Kind.MAP: cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
}
# Names: CEL's standard definitions, https://github.com/google/cel-spec/blob/master/doc/langdef.md
_FUNCTIONS: Final = (
    *("all", "contains", "duration", "endsWith", "exists", "exists_one", "filter", "getDayOfWeek", "getFullYear"),
    *("getHours", "getMinutes", "getMonth", "getSeconds", "has", "int", "map", "matches", "size", "startsWith"),
    *("string", "timestamp", "double"),
)
_PLACE: Final = re.compile(r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): (?P<reason>.*?)(?:\n \||$)", re.DOTALL)
_STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNKNOWN: Final = re.compile(r"undeclared reference to '(?P<name>[^']*)'.*", re.DOTALL)
_TEXT: Final = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""")
_NAME: Final = re.compile(r"(?<![\w.])[a-z]+(?:\.[a-z_]+)?(?!\w)")
_LITERAL: Final = re.compile(
    rf"\b(duration|timestamp)\(\s*({_TEXT.pattern})\s*\)|\.(matches)\(\s*({_TEXT.pattern})\s*\)"
)


class NotEvaluable(PlaybookError):
    """A condition has no answer at the moment, so nothing that depends on it may be done."""


class Expression(str):
    """A condition in CEL that has been checked.

    Args:
        text: The condition.

    Raises:
        ValueError: It is not CEL, names something unknown, compares what cannot be compared, or is not a condition.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text first."""
        _compile(text)
        return super().__new__(cls, text)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it reads, in the order in which it names them first."""
        bare = _TEXT.sub('""', self)
        return tuple(dict.fromkeys(name for name in _NAME.findall(bare) if name in VARIABLES))

    def holds(self, values: Values) -> bool:
        """Answer whether it is true.

        Raises:
            NotEvaluable: A value that it needs is not known, or is not there, such as a label.
        """
        for name in self.names:
            if values.absent and name.startswith("workflow."):
                raise NotEvaluable(f"{values.absent}, so {self.shown} cannot be evaluated")
        try:
            answer = _compile(str(self)).eval(data=dict(values.known))
            value = answer.value() if answer.type() == cel.Type.BOOL else None
        except (RuntimeError, TypeError, ValueError) as error:
            raise NotEvaluable(f"{self.shown} cannot be evaluated: {error}") from error
        if not isinstance(value, bool):
            raise NotEvaluable(f"{self.shown} cannot be evaluated: {self._why(values, str(answer))}")
        return value

    @property
    def shown(self) -> str:
        """The condition on one line, in backticks, for sentences."""
        return f"`{' '.join(self.split())}`"

    def _why(self, values: Values, cause: str) -> str:
        reasons = [
            f"{name} is not known, since {values.missing[name]}" for name in self.names if name in values.missing
        ]
        return "; ".join(reasons) or _STATUS.sub("", cause)


def reading(expression: Expression, values: Values) -> str:
    """Say in people's words what the values are that a condition reads."""
    return ", ".join(f"{name} is {values.shown(name)}" for name in expression.names) or "it reads nothing"


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    return cel.NewEnv(variables={name: _TYPES[variable.kind] for name, variable in VARIABLES.items()})


@lru_cache(maxsize=1024)
def _compile(text: str) -> cel.Expression:
    if len(text) > LONGEST:
        raise ValueError(f"a condition has at most {LONGEST} characters, this one has {len(text)}")
    try:
        compiled = _environment().compile(text)
    except RuntimeError as error:
        raise ValueError(_explain(str(error), text)) from error
    if compiled.return_type() != cel.Type.BOOL:
        kind = compiled.return_type().name()
        raise ValueError(f"column 1: this gives {_kind(kind)}, but a condition must be true or false")
    for found in _LITERAL.finditer(text):
        _check_literal(found, text)
    return compiled


def _check_literal(found: "re.Match[str]", text: str) -> None:
    """Refuse a constant that could only fail at night: CEL itself reads it when it is evaluated."""
    function, literal = found[1] or found[3], found[2] or found[4]
    probe = f'"".matches({literal})' if function == "matches" else f"{function}({literal})"
    if _environment().compile(probe).eval(data={}).type() == cel.Type.ERROR:
        expected = {
            "duration": 'a duration such as "30m" or "1h30m" (there is no unit for days: write hours)',
            "timestamp": 'a time such as "2026-01-31T12:00:00Z"',
            "matches": "a regular expression in RE2's notation",
        }[function]
        raise ValueError(f"{_position(text, found.start(2 if found[1] else 4))}: {literal} is not {expected}")


def _explain(message: str, text: str) -> str:
    found = _PLACE.search(message)
    if found is None:
        return _STATUS.sub("", _STATUS.sub("", message.strip()))
    line, column = int(found["line"]), int(found["column"])
    place = f"column {column}" if "\n" not in text.strip() else f"its line {line}, column {column}"
    reason = _STATUS.sub("", found["reason"].strip())
    unknown = _UNKNOWN.fullmatch(reason)
    if unknown is not None:
        return f"{place}: there is no {unknown['name']!r}{_meant(unknown['name'])}"
    if "expecting {" in reason:
        reason = reason.partition(" expecting {")[0]
    return f"{place}: {_kind(reason)}"


def _meant(name: str) -> str:
    family = name.partition(".")[0]
    relatives = [known for known in VARIABLES if known.startswith(f"{family}.")]
    if relatives:
        return nearest(name, relatives)
    guess = nearest(name, [*VARIABLES, *_FUNCTIONS])
    return guess if "did you mean" in guess else ""


def _kind(text: str) -> str:
    return (
        text.replace("google.protobuf.Duration", "duration")
        .replace("google.protobuf.Timestamp", "timestamp")
        .replace("DURATION", "a duration")
        .replace("STRING", "a text")
        .replace("INT", "a number")
        .replace("TIMESTAMP", "a time")
        .replace("MAP", "a map")
    )


def _position(text: str, offset: int) -> str:
    before = text[:offset]
    column = offset - (before.rfind("\n") + 1) + 1
    return f"column {column}" if "\n" not in text.strip() else f"its line {before.count(chr(10)) + 1}, column {column}"
