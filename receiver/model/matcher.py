"""Alertmanager's matchers: `severity="critical"`, `namespace=~"team-.*"`."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

# Grammar: Alertmanager's pkg/labels matcher syntax; label names may be any UTF-8 when quoted (0.27 and newer).
_MATCHER: Final = re.compile(
    r"""\s*(?:(?P<name>[^\s"=!~{},]+)|"(?P<quoted_name>(?:[^"\\]|\\.)*)")\s*(?P<operator>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"{},]*))\s*""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class Operator(Enum):
    """How a label's value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


_REGEX: Final = frozenset({Operator.REGEX, Operator.NOT_REGEX})
_POSITIVE: Final = frozenset({Operator.EQUAL, Operator.REGEX})


class Matcher:
    """One condition on one label; an absent label counts as empty, as in Alertmanager.

    Args:
        name: Label name; any UTF-8.
        operator: How the value is compared.
        value: Text, or an RE2-like expression that must match the whole value.

    Raises:
        ValueError: The expression is none.
    """

    def __init__(self, *, name: str, operator: Operator, value: str) -> None:
        self.name = name
        self.operator = operator
        self.value = value
        self._met_by_match = operator in _POSITIVE
        try:
            self._pattern = re.compile(value) if operator in _REGEX else None
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from error

    @classmethod
    def parse(cls, text: str) -> "Matcher":
        """Read one matcher.

        Raises:
            ValueError: It is no matcher, or its regular expression is none.
        """
        found = _MATCHER.fullmatch(text)
        if found is None:
            raise ValueError(
                f'{text!r} is not a matcher; write one such as severity="critical" or namespace=~"team-.*"'
            )
        name = found["name"] or _unescape(found["quoted_name"] or "")
        value = found["bare"] if found["quoted"] is None else _unescape(found["quoted"])
        return cls(name=name, operator=Operator(found["operator"]), value=value)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Answer whether the labels meet the condition."""
        value = labels.get(self.name, "")
        met = value == self.value if self._pattern is None else self._pattern.fullmatch(value) is not None
        return met is self._met_by_match

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matcher) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Matcher({self!s})"

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator.value}"{escaped}"'


def all_match(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Answer whether the labels meet every condition; no condition is met by all."""
    return all(matcher.matches(labels) for matcher in matchers)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)
