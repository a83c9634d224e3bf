"""`GET /api/v1/events/stream`: every timeline entry as it happens."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter
from litestar.response import Stream

from receiver.model.errors import QueryRefused
from receiver.model.shapes.timeline import EventShape
from receiver.store.database import Database
from receiver.store.history.page import LARGEST
from receiver.web.access import needs
from receiver.web.feed import Feed
from receiver.webhook.access import Role


@get(
    "/stream",
    media_type="text/event-stream",
    summary="Hear everything as it happens",
    operation_id="streamEvents",
    responses={
        200: ResponseSpec(
            data_container=EventShape,
            media_type="text/event-stream",
            description="Server-sent events: `event` is the kind, `data` the timeline entry.",
            generate_examples=False,
        )
    },
)
async def stream(
    database: NamedDependency[Database],
    feed: NamedDependency[Feed],
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID", description="The last `id` that was heard; what came after it is told first."
        ),
    ] = None,
) -> Stream:
    """Answer with server-sent events, without end. After a cut, resume by `Last-Event-ID`; an event may come twice."""
    since = _number(last_event_id)
    await database.ping()
    return Stream(feed.follow(since), media_type="text/event-stream")


def _number(text: str | None) -> int | None:
    if text is None or not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and int(text) <= LARGEST):
        raise QueryRefused("this is not the id of an event", parameter="Last-Event-ID")
    return int(text)


ROUTER = Router("/events", route_handlers=[stream], opt=needs(Role.VIEWER), tags=["events"])
