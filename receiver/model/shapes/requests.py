"""What somebody asked for, and the answer to it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from receiver.model.request import Kind


class RequestShape(Struct, frozen=True, kw_only=True):
    """One wish of one person."""

    id: int
    at: datetime
    kind: Kind
    run_id: Annotated[int | None, Meta(description="The remediation it is about, or that follows from it.")]
    asked_by: str
    answered_at: Annotated[datetime | None, Meta(description="Null while nobody has acted on it.")]
    answer: Annotated[str, Meta(description="What became of it; empty while it is open.")]
