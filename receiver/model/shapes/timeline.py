"""One line of the timeline."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from receiver.model.timeline import Kind


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
