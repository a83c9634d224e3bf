"""Reading what is asked: parameters that nobody knows, conditions on labels, and times."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler
from litestar.params import QueryParameter

from receiver.model.document import nearest
from receiver.model.errors import DeliveryError, QueryRefused
from receiver.model.matcher import Matcher, Operator
from receiver.webhook.message import parse_time

TAKES_ANY: Final = {"takes_any": True}
"""Option of a route to which others lead, who add parameters of their own."""

_SIMPLE: Final = re.compile(r"(?P<name>[^=!~]+?)\s*(?P<operator>=~|!~|!=|=)(?P<value>.*)", re.DOTALL)


def refuse_unknown(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse a parameter that a route does not know: a misspelt filter would silently find everything.

    Raises:
        QueryRefused: With the nearest name that is known.
    """
    if isinstance(handler, ASGIRouteHandler) or "takes_any" in handler.opt:
        return
    given = set(connection.query_params)
    if not given:
        return
    known = set(_parameters(handler))
    for name in sorted(given - known):
        hint = nearest(name, known) if known else "; this address takes none"
        raise QueryRefused(f"unknown parameter{hint}", parameter=name)


def matchers(texts: Iterable[str] | None) -> tuple[Matcher, ...]:
    """Read conditions on labels, as Alertmanager writes them or without any quotes: `team=a`, `path=~/tmp/.*`.

    Raises:
        QueryRefused: One is none.
    """
    return tuple(_matcher(text) for text in texts or ())


def time(text: str | None, parameter: str) -> datetime | None:
    """Read a time; a plus sign that its sender did not encode, and that came as a space, is understood.

    Raises:
        QueryRefused: It is none.
    """
    if text is None:
        return None
    try:
        return parse_time(text.replace(" ", "+"))
    except DeliveryError as error:
        raise QueryRefused(error.reason, parameter=parameter) from error


def _parameters(handler: BaseRouteHandler) -> Iterator[str]:
    for argument, field in handler.parsed_fn_signature.parameters.items():
        if isinstance(field.kwarg_definition, QueryParameter):
            yield field.kwarg_definition.name or argument


def _matcher(text: str) -> Matcher:
    try:
        return Matcher.parse(text)
    except ValueError as error:
        found = _SIMPLE.fullmatch(text)
        if found is None or found["value"].startswith('"'):
            raise QueryRefused(str(error), parameter="label") from error
    try:
        return Matcher(name=found["name"], operator=Operator(found["operator"]), value=found["value"])
    except ValueError as error:
        raise QueryRefused(str(error), parameter="label") from error
