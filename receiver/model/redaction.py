"""What an archive must not hold, by configured patterns; what was masked cannot be brought back. Pure.

The patterns are given everything that anybody wrote into a workflow, megabytes perhaps, so a pattern is refused that
could look at one place very often: each repetition needs an upper bound, and all of them together have one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from receiver.model.archive import NotAnArchive
from receiver.model.errors import SettingsError

HIDDEN: Final = "***"

MARK: Final = "receiver/masked"
"""Annotation that says in the archived workflow how many of its texts were masked."""

_MOST_WAYS: Final = 4_096
"""In how many ways a pattern may match at one place, at most: the product of its bounds and alternatives."""

_KEPT: Final[Mapping[str, frozenset[str]]] = {
    "metadata": frozenset({"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}),
    "status": frozenset({"phase", "startedAt", "finishedAt"}),
}
"""What tells one archive from another, and when it ended."""

_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
_CLASS: Final = re.compile(r"\[\^?\]?[^\]]*\]")
_BACK: Final = re.compile(r"\\[1-9]|\(\?P=")
_GROUP: Final = re.compile(r"\)(?:[*+]|\{)")
_BOUND: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")


class Redaction:
    """Masks the texts of workflows.

    Args:
        patterns: Regular expressions; what they match is replaced by `***`. None of them means that nothing is masked.

    Raises:
        SettingsError: One is no regular expression, or could take too long; says why.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(_compiled(pattern) for pattern in patterns)

    def __bool__(self) -> bool:
        """Answer whether anything may be masked."""
        return bool(self._patterns)

    def of(self, workflow: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a workflow without what it must not hold, which says so; None where there is nothing of that in it.

        Raises:
            NotAnArchive: It is nested more deeply than any workflow.
        """
        counted = [0]
        try:
            masked: dict[str, Any] = {
                name: value if isinstance(value, str) else self._part(value, _KEPT.get(name, frozenset()), counted)
                for name, value in workflow.items()
            }
        except RecursionError as error:
            raise NotAnArchive("it is nested too deeply") from error
        if not counted[0]:
            return None
        metadata = masked["metadata"]
        annotations = {**(metadata.get("annotations") or {}), MARK: str(counted[0])}
        return masked | {"metadata": metadata | {"annotations": annotations}}

    def text(self, text: str) -> str:
        """Return a text without what no archive may hold."""
        return self._text(text, [0])

    def _part(self, part: Any, kept: frozenset[str], counted: list[int]) -> Any:
        if isinstance(part, str):
            return self._text(part, counted)
        if isinstance(part, Mapping):
            return {
                name: value if name in kept else self._part(value, frozenset(), counted) for name, value in part.items()
            }
        if isinstance(part, list):
            return [self._part(value, frozenset(), counted) for value in part]
        return part

    def _text(self, text: str, counted: list[int]) -> str:
        shown = text
        for pattern in self._patterns:
            shown = pattern.sub(HIDDEN, shown)
        counted[0] += shown != text
        return shown


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"archive.mask: {pattern!r} is not a regular expression: {error}") from error
    reason = _too_long(pattern)
    if reason:
        raise SettingsError(f"archive.mask: {pattern!r} {reason}")
    return made


def _too_long(pattern: str) -> str:
    """Say why a pattern could take too long; empty where it cannot."""
    if _BACK.search(pattern):
        return "refers back to a group; write out what is meant"
    plain = _CLASS.sub("c", _ESCAPED.sub("e", pattern))
    if _GROUP.search(plain):
        return "repeats a group; repeat a character class instead, such as [A-Z0-9-]{1,64}"
    ways = 2 ** (plain.count("|") + plain.count("?"))
    if "*" in plain or "+" in plain:
        return "repeats without an upper bound; write one, such as {1,64}"
    for least, comma, most in _BOUND.findall(plain):
        if comma and not most:
            return "repeats without an upper bound; write one, such as {1,64}"
        # Repeated a fixed number of times, it matches in one way, but looks as far.
        ways *= max(int(most or least or 0), 1)
    return "" if ways <= _MOST_WAYS else f"can match in {ways} ways at one place, and {_MOST_WAYS} are allowed"
