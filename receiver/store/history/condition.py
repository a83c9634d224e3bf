"""What is asked about alerts, sorted by how Postgres can answer it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, literal, literal_column, or_

from receiver.model.errors import QueryRefused
from receiver.model.history import AlertFilter
from receiver.model.incident import sought
from receiver.model.matcher import Matcher, Operator

Columns = Any
"""The columns of the table, or those of a subquery that has the same."""

Condition = Callable[[Columns], ColumnElement[bool]]

MOST_LABELS: Final = 20
MOST_WORDS: Final = 8
LONGEST_TEXT: Final = 500
"""Characters of a text or an expression that is searched for."""

_FLAGS: Final = re.compile(r"\(\?([is]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """A filter, sorted.

    Attributes:
        ordered: An index answers them in order of time, or nearly all rows meet them.
        indexed: An index answers them, in no order.
        residual: No index answers them.
    """

    ordered: tuple[Condition, ...]
    indexed: tuple[Condition, ...]
    residual: tuple[Condition, ...]

    @property
    def answered_in_order(self) -> bool:
        """Whether a plain statement is always fast."""
        return not self.indexed and not self.residual


def all_of(conditions: Iterable[Condition], columns: Columns) -> list[ColumnElement[bool]]:
    """Ask the conditions of a table or a subquery."""
    return [condition(columns) for condition in conditions]


def sort(wanted: AlertFilter) -> Conditions:
    """Sort what is wanted by how it can be answered.

    Raises:
        QueryRefused: It asks for more, or longer, than one question may.
    """
    if len(wanted.labels) > MOST_LABELS:
        raise QueryRefused(f"at most {MOST_LABELS} conditions on labels can be asked at once", parameter="label")
    ordered, indexed, residual = list(_in_order(wanted)), list(_by_column(wanted)), list(_words(wanted.q))
    for matcher in wanted.labels:
        (indexed if _is_contained(matcher) else residual).append(_label(matcher))
    return Conditions(ordered=tuple(ordered), indexed=tuple(indexed), residual=tuple(residual))


def _in_order(wanted: AlertFilter) -> Iterable[Condition]:
    if wanted.since is not None:
        yield lambda c: c.starts_at >= wanted.since
    if wanted.until is not None:
        yield lambda c: c.starts_at < wanted.until
    if wanted.status is not None:
        # In place, not as a parameter: the index of firing alerts is only used where the plan can see the word.
        yield lambda c: c.status == literal_column(f"'{wanted.status.value}'")  # type: ignore[union-attr]
    if wanted.alertname is not None:
        yield lambda c: c.alertname == sought(wanted.alertname)
    if wanted.fingerprint is not None:
        yield lambda c: c.fingerprint == wanted.fingerprint
    if wanted.namespace is not None and wanted.workflow is not None:
        yield lambda c: c.namespace == sought(wanted.namespace)
        yield lambda c: c.workflow == sought(wanted.workflow)


def _by_column(wanted: AlertFilter) -> Iterable[Condition]:
    if wanted.namespace is not None and wanted.workflow is None:
        yield lambda c: c.namespace == sought(wanted.namespace)
    if wanted.workflow is not None and wanted.namespace is None:
        yield lambda c: c.workflow == sought(wanted.workflow)
    if wanted.severity is not None:
        yield lambda c: c.severity == sought(wanted.severity)
        if wanted.severity:
            # The column is the label of that name; only the label has an index.
            yield lambda c: c.labels.contains({"severity": wanted.severity})


def _is_contained(matcher: Matcher) -> bool:
    return matcher.operator is Operator.EQUAL and bool(matcher.value)


def _label(matcher: Matcher) -> Condition:
    if len(matcher.value) > LONGEST_TEXT:
        raise QueryRefused(f"a value is at most {LONGEST_TEXT} characters long", parameter="label")
    if _is_contained(matcher):
        return lambda c: c.labels.contains({matcher.name: matcher.value})
    name, value = _clean(matcher.name), _clean(matcher.value)
    if matcher.operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
        equal = matcher.operator is Operator.EQUAL
        return lambda c: (_value(c, name) == value) if equal else (_value(c, name) != value)
    operator = "~" if matcher.operator is Operator.REGEX else "!~"
    return lambda c: _value(c, name).op(operator, is_comparison=True)(_whole(value))


def _value(columns: Columns, name: str) -> ColumnElement[str]:
    return func.coalesce(columns.labels[name].astext, "")


def _whole(expression: str) -> str:
    """Anchor an expression at both ends; flags must come first in Postgres' dialect."""
    flags = _FLAGS.match(expression)
    rest = expression[flags.end() :] if flags else expression
    return f"(?{flags[1]})^(?:{rest})$" if flags else f"^(?:{rest})$"


def _words(q: str | None) -> Iterable[Condition]:
    words = _clean(q or "").split()
    if len(q or "") > LONGEST_TEXT or len(words) > MOST_WORDS:
        raise QueryRefused(f"at most {MOST_WORDS} words of {LONGEST_TEXT} characters can be searched", parameter="q")
    return [_word(word) for word in words]


def _word(word: str) -> Condition:
    def condition(columns: Columns) -> ColumnElement[bool]:
        return or_(_says(columns.labels, word), _says(columns.annotations, word))

    return condition


def _says(texts: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    pairs = func.jsonb_each_text(texts).table_valued("key", "value")
    escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return exists().where(pairs.c.value.ilike(literal(f"%{escaped}%")))


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd")
