"""The reference of the API, from its OpenAPI document."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from litestar.routes import HTTPRoute
from prometheus_client import CollectorRegistry

from receiver.web.access import needed
from receiver.web.app import make_app
from receiver.web.description import OF_ALL, UNUSABLE
from tests.handbook.prose import table

_ABOUT = """\
What `/schema` says, as OpenAPI 3.1, of the service that runs. JSON in and out; times are RFC 3339 in UTC; errors are
`application/problem+json`. A caller gives a token as bearer, or as the password of HTTP basic. The roles are `ingest`,
and `viewer`, `operator` and `admin`, of which each may do what the one before it may.

Refusals have the members `type`, `title`, `status` and `detail`. Any route but those that are open may answer 401 (no
token that is known), 403 (its role may not do this) and 503 (Postgres does not answer; ask again, after `Retry-After`),
and one that takes parameters or a body 400. Only what else is answered, or says more, stands below.
"""

_COMMON = {*OF_ALL.values(), UNUSABLE}
"""What the head of the page says of all."""

_METHODS = ("get", "post", "put", "patch", "delete")


def page() -> str:
    """Write the page."""
    document, roles = _described()
    operations = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    lines = ["# API", "", _ABOUT]
    lines += table(
        ["method and path", "", "role"],
        [
            (f"`{method} {path}`", one["summary"], roles.get(one["operationId"], "ingest"))
            for method, path, one in operations
        ],
    )
    for method, path, one in operations:
        lines += [f"## {method} {path}", "", one.get("description") or one["summary"], ""]
        lines += table(["parameter", "where", "type", "what it is"], map(_parameter, one.get("parameters", [])))
        lines += _body(one)
        lines += table(["answer", "body", ""], _answers(one["responses"]))
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join(lines)


def _described() -> tuple[dict[str, Any], dict[str, str]]:
    """Make the application on nothing, and ask it for its document and for who may do what."""
    nothing: Any = None
    app = make_app(
        database=nothing,
        access=nothing,
        door=nothing,
        wake=nothing,
        feed=nothing,
        replay=nothing,
        registry=CollectorRegistry(),
    )
    description: Any = app.dependencies["description"]
    roles = {
        str(handler.operation_id): role.value if (role := needed(handler)) else "open"
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    }
    return json.loads(asyncio.run(description.dependency())), roles


def _parameter(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    kind = _kind(one["schema"]) + ("" if not one.get("required") else ", required")
    return f"`{one['name']}`", one["in"], kind, one.get("description", "")


def _body(operation: Mapping[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    return [line for media, body in content.items() for line in (f"Body: {_kind(body['schema'])} as `{media}`.", "")]


def _answers(responses: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for status, answer in responses.items():
        bodies = answer.get("content", {}).items()
        said = "; ".join(f"{_kind(body.get('schema') or {})} as `{media}`" for media, body in bodies)
        told = answer.get("description", "")
        if int(status) < HTTPStatus.BAD_REQUEST:
            yield f"`{status}`", said, "" if told == HTTPStatus(int(status)).description else told
        elif told not in _COMMON:
            yield f"`{status}`", "", told


def _shape(name: str, schema: Mapping[str, Any]) -> list[str]:
    lines = [f"## {_plain(name)}", "", schema.get("description", "").partition("\n\n")[0], ""]
    if "enum" in schema:
        return [*lines, _kind(schema) + ".", ""]
    required = schema.get("required", [])
    return lines + table(
        ["field", "type", "what it is"],
        [
            (f"`{field}`", _kind(one) + ("" if field in required else ", may be missing"), _said(one))
            for field, one in schema.get("properties", {}).items()
        ],
    )


def _plain(name: str) -> str:
    """Give a shape's name without the packages of what it holds."""
    whole, _, part = name.partition("_receiver.")
    return f"{whole} of {part.strip('_').rpartition('.')[2]}" if part else name


def _said(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = _plain(schema["$ref"].rpartition("/")[2])
        return f"[{name}](#{name.lower().replace(' ', '-')})"
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[several]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
