"""Label and field selectors, in the whole of their grammar.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json, Kind

Test = Callable[[Json], bool]

_KEY = r"(?P<key>(?:[A-Za-z0-9][-A-Za-z0-9_.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*)"
_VALUE = r"[-A-Za-z0-9_.]*"
_SET = re.compile(rf"{_KEY}\s+(?P<verb>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARED = re.compile(rf"{_KEY}\s*(?P<verb>==|=|!=|>|<)\s*(?P<values>{_VALUE})")
_PRESENT = re.compile(rf"(?P<verb>!?)\s*{_KEY}")
_FIELD = re.compile(r"(?P<field>[^=!]+?)\s*(?P<verb>==|=|!=)\s*(?P<value>.*)")
_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Selector:
    """What a list or a watch shows, as text, and the tests that an object must pass."""

    labels: str = ""
    fields: str = ""
    tests: tuple[Test, ...] = ()

    def picks(self, found: Json) -> bool:
        """Say whether an object is meant."""
        return all(test(found) for test in self.tests)


def parse(kind: Kind, labels: str, fields: str) -> Selector:
    """Read both selectors of a request.

    Raises:
        Refusal: 400; a selector is malformed, or names a field that this kind cannot be selected by.
    """
    tests = [_label_test(part.strip()) for part in _OUTSIDE_PARENTHESES.split(labels) if part.strip()]
    tests += [_field_test(kind, part.strip(), labels, fields) for part in fields.split(",") if part.strip()]
    return Selector(labels=labels, fields=fields, tests=tuple(tests))


def _label_test(part: str) -> Test:
    if match := _SET.fullmatch(part) or _COMPARED.fullmatch(part):
        return _value_test(match["key"], match["verb"], match["values"])
    if match := _PRESENT.fullmatch(part):
        key, wanted = match["key"], not match["verb"]
        return lambda found: (key in _labels(found)) is wanted
    raise refusal.bad_request(f'unable to parse requirement: found "{part}"')


def _value_test(key: str, verb: str, text: str) -> Test:
    values = frozenset(value.strip() for value in text.split(","))
    if verb in {">", "<"}:
        return _order_test(key, verb, text)
    if verb in {"!=", "notin"}:
        return lambda found: _labels(found).get(key) not in values
    return lambda found: _labels(found).get(key) in values


def _order_test(key: str, verb: str, text: str) -> Test:
    if not text.isdecimal():
        raise refusal.bad_request(f'for "{verb}" operator, the value must be an integer, found "{text}"')
    bound = int(text)

    def compares(found: Json) -> bool:
        value = str(_labels(found).get(key, ""))
        return value.isdecimal() and (int(value) > bound if verb == ">" else int(value) < bound)

    return compares


def _field_test(kind: Kind, part: str, labels: str, fields: str) -> Test:
    match = _FIELD.fullmatch(part)
    if match is None:
        raise refusal.bad_request(f"invalid selector: '{fields}'; can't understand '{part}'")
    name, negated, value = match["field"], match["verb"] == "!=", match["value"]
    if name not in kind.field_labels:
        raise refusal.bad_request(
            f'Unable to find "{kind.api_version}, Resource={kind.plural}" that match label selector "{labels}", '
            f'field selector "{fields}": field label not supported: {name}'
        )
    return lambda found: (_field(found, name) == value) is not negated


def _labels(found: Json) -> dict[str, str]:
    return found["metadata"].get("labels") or {}


def _field(found: Json, name: str) -> str:
    if name == "source":
        name = "source.component"
    inside: Any = found
    for part in name.split("."):
        inside = inside.get(part) if isinstance(inside, dict) else None
    return str(inside or "")
