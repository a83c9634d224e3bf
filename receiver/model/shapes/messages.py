"""What people were told."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from receiver.model.message import Act, MessageState, Place


class MessageShape(Struct, frozen=True, kw_only=True):
    """One message to people, and what became of it."""

    id: int
    incident_id: Annotated[int | None, Meta(description="Null where it is about no single incident: a digest.")]
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
    replays: Annotated[int, Meta(description="How often it was sent once more after it had arrived.")]
    replayed_at: Annotated[datetime | None, Meta(description="When a person last had it tried again.")]
