"""The description of the API: OpenAPI 3.1 at `/schema`, with the webhook, which no framework knows, written by hand."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Litestar, Response, get
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.types import ControllerRouterHandler

from receiver import __version__
from receiver.web.access import needs
from receiver.webhook.access import Role
from receiver.webhook.problem import PROBLEM_TYPE

WEBHOOK_PATH: Final = "/api/v1/webhooks/alertmanager"

_ABOUT: Final = (
    "Every alert that Alertmanager delivers, what was found around it, what was done about it and who was told. "
    "Times are RFC 3339 in UTC. Errors are `application/problem+json`. Labels, annotations and names are written by "
    "others: show them as text, never as markup."
)

_COUNTS: Final = ("new", "updated", "repeated", "resolved")

_REFUSALS: Final = {
    HTTPStatus.BAD_REQUEST: (
        "Not an Alertmanager message of version 4, says why and where; or Postgres refuses it. Kept as dead letter."
    ),
    HTTPStatus.UNAUTHORIZED: "No token that is known here.",
    HTTPStatus.FORBIDDEN: "The token's role may not post deliveries.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Longer than `server.body_limit`.",
    HTTPStatus.SERVICE_UNAVAILABLE: "It could not be made durable now. Send it again, after `Retry-After`.",
}


OF_ALL: Final = {
    HTTPStatus.UNAUTHORIZED: "No token that is known here.",
    HTTPStatus.FORBIDDEN: "The token's role may not do this.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Postgres does not answer now. Ask again, after `Retry-After`.",
}
"""What any question may be answered, unless its own route says it in its own words."""

UNUSABLE: Final = "A parameter or the body cannot be used; `detail` says which, and why."
"""What a route answers with 400 that does not say it in its own words."""


@get(["/schema", "/schema/openapi.json"], opt=needs(Role.VIEWER), include_in_schema=False)
async def schema(description: NamedDependency[bytes]) -> Response[bytes]:
    """Answer with the document."""
    return Response(description, media_type="application/vnd.oai.openapi+json")


def describe(routes: Sequence[ControllerRouterHandler], given: Mapping[str, Provide]) -> bytes:
    """Write the document about routes.

    The framework would serve it itself, and with it pages that answer errors in HTML and load scripts from elsewhere.

    Args:
        routes: What is described.
        given: What routes are given by us, and therefore not asked of a caller.
    """
    app = Litestar(routes, dependencies=dict(given), openapi_config=_head(), logging_config=None)
    document = app.openapi_schema
    paths = document.paths or {}
    for path, item in paths.items():
        _word_refusals(item, OF_ALL if path.startswith("/api/") else {})
    document.paths = {**paths, WEBHOOK_PATH: _webhook()}
    return msgspec.json.encode(document.to_schema())


def _head() -> OpenAPIConfig:
    schemes: dict[str, SecurityScheme | Reference] = {
        "bearer": SecurityScheme(type="http", scheme="bearer", description="A token of `auth.tokens`."),
        "basic": SecurityScheme(type="http", scheme="basic", description="The token as password; any name."),
    }
    return OpenAPIConfig(
        title="Receiver",
        version=__version__,
        description=_ABOUT,
        components=Components(security_schemes=schemes),
        security=[{"bearer": []}, {"basic": []}],
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
    )


def _word_refusals(item: PathItem, of_all: Mapping[HTTPStatus, str]) -> None:
    """Describe refusals as they are worded here; the framework describes those that it would word itself."""
    for operation in filter(None, (item.get, item.post, item.put, item.patch, item.delete)):
        answers = dict(operation.responses or {})
        told = {str(status.value): text for status, text in of_all.items()}
        told |= {status: answer.description or "" for status, answer in answers.items() if status >= "400"}
        if told.get("400") == HTTPStatus.BAD_REQUEST.description:
            told["400"] = UNUSABLE
        answers |= {status: _answer(text, PROBLEM_TYPE, _problem()) for status, text in told.items()}
        operation.responses = dict(sorted(answers.items()))


def _webhook() -> PathItem:
    body = Schema(
        type=OpenAPIType.OBJECT,
        description="Alertmanager's webhook message; unknown fields are kept.",
        required=["version", "alerts"],
        properties={
            "version": Schema(type=OpenAPIType.STRING, const="4"),
            "alerts": Schema(
                type=OpenAPIType.ARRAY,
                items=Schema(type=OpenAPIType.OBJECT, required=["labels", "startsAt"]),
            ),
        },
    )
    numbers = Schema(
        type=OpenAPIType.OBJECT,
        required=list(_COUNTS),
        properties={name: Schema(type=OpenAPIType.INTEGER) for name in _COUNTS},
    )
    receipt = Schema(
        type=OpenAPIType.OBJECT,
        required=["webhook_id", "alerts"],
        properties={"webhook_id": Schema(type=OpenAPIType.INTEGER), "alerts": numbers},
    )
    spooled = Schema(
        type=OpenAPIType.OBJECT,
        description="While Postgres is away: it is on the local disk, and is recorded later under this key.",
        required=["webhook_id", "spooled"],
        properties={
            "webhook_id": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
            "spooled": Schema(type=OpenAPIType.BOOLEAN, const=True),
        },
    )
    durable = Schema(one_of=[receipt, spooled])
    answers = {"200": _answer("The delivery is durable.", "application/json", durable)}
    answers |= {str(status.value): _answer(text, PROBLEM_TYPE, _problem()) for status, text in _REFUSALS.items()}
    operation = Operation(
        tags=["webhook"],
        summary="Deliver alerts",
        description="What Alertmanager's `webhook_config` posts to. 200 comes only after the delivery is durable.",
        operation_id="postAlertmanagerWebhook",
        request_body=RequestBody(required=True, content={"application/json": OpenAPIMediaType(schema=body)}),
        responses=answers,  # type: ignore[arg-type]
        security=[{"bearer": []}, {"basic": []}],
    )
    return PathItem(post=operation)


def _answer(text: str, media_type: str, schema: Schema) -> OpenAPIResponse:
    return OpenAPIResponse(description=text, content={media_type: OpenAPIMediaType(schema=schema)})


def _problem() -> Schema:
    texts = {name: Schema(type=OpenAPIType.STRING) for name in ("type", "title", "detail")}
    return Schema(
        type=OpenAPIType.OBJECT,
        required=["type", "title", "status", "detail"],
        properties={**texts, "status": Schema(type=OpenAPIType.INTEGER)},
    )
