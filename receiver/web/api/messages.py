"""The outbox: what was said to people, and what became of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.status_codes import HTTP_200_OK

from receiver.model.errors import ReplayRefused
from receiver.model.message import Message, MessageState, Place
from receiver.model.shapes.messages import MessageShape
from receiver.model.shapes.parts import Items
from receiver.store import outbox
from receiver.store.database import Database
from receiver.store.history import messages
from receiver.store.history.messages import MessageFilter
from receiver.store.history.page import is_number
from receiver.web.access import caller_of, needs
from receiver.web.api.shapes import Cursor, Limit, items_of
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role

_log = structlog.get_logger(__name__)


@get("/", summary="List messages, newest first", operation_id="listMessages")
async def list_messages(
    *,
    database: NamedDependency[Database],
    in_state: Annotated[MessageState | None, QueryParameter(name="state")] = None,
    place: FromQuery[Place | None] = None,
    incident: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="Id of an incident.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Items[MessageShape]:
    """Answer with the newest messages that all filters want."""
    wanted = MessageFilter(state=in_state, place=place, incident_id=incident)
    async with database.transaction() as tx:
        return items_of(await messages.page(tx, wanted, limit=limit, cursor=cursor), message_shape)


@get("/{message_id:int}", summary="Show one message", operation_id="getMessage")
async def get_message(database: NamedDependency[Database], message_id: FromPath[int]) -> MessageShape:
    """Answer with one message and what became of it."""
    async with database.transaction() as tx:
        found = await messages.get(tx, message_id)
    if found is None:
        raise not_found(f"there is no message {message_id}; GET /api/v1/outbox lists them")
    return message_shape(found)


@post(
    "/{message_id:int}/replay",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Send a message once more",
    operation_id="replayMessage",
)
async def replay_message(
    request: Request[Any, Any, Any], database: NamedDependency[Database], message_id: FromPath[int]
) -> MessageShape:
    """Have a message that has ended sent once more; 409 where it has not, or where it would contradict a newer one."""
    try:
        async with database.transaction() as tx:
            found = await outbox.replay(tx, message_id, datetime.now(UTC)) if is_number(message_id) else None
    except ReplayRefused as error:
        raise conflict(str(error)) from error
    if found is None:
        raise not_found(f"there is no message {message_id}; GET /api/v1/outbox lists them")
    _log.info("message", action="message_replayed", message_id=message_id, by=caller_of(request).name)
    return message_shape(found)


def message_shape(message: Message) -> MessageShape:
    """Give a message its shape."""
    return MessageShape(
        id=message.id,
        incident_id=message.incident_id,
        place=message.draft.place,
        address=message.draft.address,
        act=message.draft.act,
        state=message.state,
        cause=message.draft.cause,
        payload=dict(message.draft.payload),
        attempts=message.attempts,
        created_at=message.created_at,
        due_at=message.due_at,
        sent_at=message.sent_at,
        error=message.error,
        replays=message.replays,
        replayed_at=message.replayed_at,
    )


ROUTER = Router(
    "/outbox",
    route_handlers=[list_messages, get_message, replay_message],
    opt=needs(Role.VIEWER),
    tags=["messages"],
)
