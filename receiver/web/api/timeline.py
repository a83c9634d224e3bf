"""One line of a timeline, as the timelines and the stream tell it."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from receiver.model.timeline import Event, Kind


class EventShape(Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    id: Annotated[int | None, Meta(description="Number in order of recording.")]
    at: datetime
    kind: Kind
    text: Annotated[str, Meta(description="One sentence for people; quotes alerts, so it is not to be trusted.")]
    incident_id: int | None
    alert_id: str | None
    run_id: int | None
    detail: Annotated[dict[str, Any], Meta(description="What a program may want to know.")]


def event_shape(event: Event) -> EventShape:
    """Give an event its shape."""
    return EventShape(
        id=event.id,
        at=event.at,
        kind=event.kind,
        text=event.text,
        incident_id=event.incident_id,
        alert_id=event.alert_id,
        run_id=event.run_id,
        detail=dict(event.detail),
    )
