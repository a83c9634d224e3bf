"""One line of a timeline, as the timelines and the stream tell it."""

from receiver.model.shapes.timeline import EventShape
from receiver.model.timeline import Event


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
