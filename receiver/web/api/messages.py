"""The outbox, and the bodies that could not be understood."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta, Struct

from receiver.model.message import Act, Message, MessageState, Place
from receiver.store.database import Database
from receiver.store.history import deadletters, messages
from receiver.store.history.deadletters import DeadLetter
from receiver.store.history.messages import MessageFilter
from receiver.web.access import needs
from receiver.web.api.shapes import Cursor, Items, Limit, items_of
from receiver.webhook.access import Role


class MessageShape(Struct, frozen=True, kw_only=True):
    """One message to people, and what became of it."""

    id: int
    incident_id: int
    place: Place
    address: Annotated[str, Meta(description="Channel or name of the service key; empty for the default one.")]
    act: Act
    state: MessageState
    cause: Annotated[str, Meta(description="Why it is said.")]
    payload: Annotated[dict[str, Any], Meta(description="What the place is told.")]
    attempts: int
    created_at: datetime
    due_at: Annotated[datetime | None, Meta(description="When it is tried next; null once it has ended.")]
    sent_at: datetime | None
    error: str


class DeadLetterShape(Struct, frozen=True, kw_only=True):
    """One body that could not be understood."""

    id: int
    received_at: datetime
    reason: str
    place: Annotated[str, Meta(description="Where in the body, as a path; empty for the body as a whole.")]
    size: Annotated[int, Meta(description="Bytes of the body.")]


@get("/outbox", summary="List messages, newest first", operation_id="listMessages")
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
        return items_of(await messages.page(tx, wanted, limit=limit, cursor=cursor), _message_shape)


@get("/deadletters", summary="List what was not understood, newest first", operation_id="listDeadLetters")
async def list_dead_letters(
    database: NamedDependency[Database], limit: Limit = 50, cursor: Cursor = None
) -> Items[DeadLetterShape]:
    """Answer with the newest bodies that could not be understood, each with the reason."""
    async with database.transaction() as tx:
        return items_of(await deadletters.page(tx, limit=limit, cursor=cursor), _letter_shape)


def _message_shape(message: Message) -> MessageShape:
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
    )


def _letter_shape(letter: DeadLetter) -> DeadLetterShape:
    return DeadLetterShape(
        id=letter.id, received_at=letter.received_at, reason=letter.reason, place=letter.place, size=letter.size
    )


ROUTER = Router("/", route_handlers=[list_messages, list_dead_letters], opt=needs(Role.VIEWER), tags=["messages"])
