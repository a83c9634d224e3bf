"""Alertmanager's matchers: `severity="critical"`, `namespace=~"team-.*"`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
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


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """One condition on one label; an absent label counts as empty, as in Alertmanager."""

    name: str
    operator: Operator
    value: str

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
        matcher = cls(name=name, operator=Operator(found["operator"]), value=value)
        try:
            matcher.pattern.pattern  # noqa: B018 - compiled here so that a broken one is refused where it is written
        except re.error as error:
            raise ValueError(f"{text!r}: {value!r} is not a regular expression: {error}") from error
        return matcher

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Answer whether the labels meet the condition."""
        value = labels.get(self.name, "")
        if self.operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
            return (value == self.value) is (self.operator is Operator.EQUAL)
        return (self.pattern.fullmatch(value) is not None) is (self.operator is Operator.REGEX)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The value as an anchored regular expression."""
        regex = self.operator in {Operator.REGEX, Operator.NOT_REGEX}
        return re.compile(self.value if regex else re.escape(self.value))

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator.value}"{escaped}"'


def all_match(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Answer whether the labels meet every condition; no condition is met by all."""
    return all(matcher.matches(labels) for matcher in matchers)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)
