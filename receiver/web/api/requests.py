"""Requests: what a person asked for, and what became of it."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from receiver.model.request import Request
from receiver.model.shapes.requests import RequestShape
from receiver.store import requests
from receiver.store.database import Database
from receiver.web.access import needs
from receiver.web.problems import not_found
from receiver.webhook.access import Role


def request_shape(found: Request) -> RequestShape:
    """Give a request its shape."""
    return RequestShape(
        id=found.id,
        at=found.at,
        kind=found.kind,
        run_id=found.run_id,
        asked_by=found.asked_by,
        answered_at=found.answered_at,
        answer=found.answer,
    )


@get("/{request_id:int}", summary="Show one request", operation_id="getRequest")
async def get_request(database: NamedDependency[Database], request_id: FromPath[int]) -> RequestShape:
    """Answer with what was asked for, and what became of it."""
    async with database.transaction() as tx:
        found = await requests.get(tx, request_id)
    if found is None:
        raise not_found(f"there is no request {request_id}; whoever asks for something is told its number")
    return request_shape(found)


ROUTER = Router("/requests", route_handlers=[get_request], opt=needs(Role.VIEWER), tags=["requests"])
