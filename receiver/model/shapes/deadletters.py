"""Bodies that were not understood, and what became of them."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from receiver.model.deadletter import Fate

SHOWN: Final = 64 * 1024
"""Bytes of a body that are shown; `receiver deadletter show` prints all of it."""


class DeadLetterShape(Struct, frozen=True, kw_only=True):
    """One body that could not be understood."""

    id: int
    received_at: datetime
    reason: str
    place: Annotated[str, Meta(description="Where in the body, as a path; empty for the body as a whole.")]
    size: Annotated[int, Meta(description="Bytes of the body.")]
    fate: Annotated[Fate | None, Meta(description="Null until a person decides.")]
    settled_at: datetime | None
    settled_by: Annotated[str, Meta(description="Who decided; empty until then.")]


class WholeLetterShape(DeadLetterShape, frozen=True, kw_only=True):
    """One body that could not be understood, with the body."""

    body: Annotated[
        str,
        Meta(description=f"As text, at most its first {SHOWN} bytes; what is no UTF-8 is replaced. Not to be trusted."),
    ]


class AlertsOfLetter(Struct, frozen=True, kw_only=True):
    """What its alerts changed."""

    new: int
    updated: int
    repeated: int
    resolved: int


class ReplayedShape(Struct, frozen=True, kw_only=True):
    """A dead letter that is understood now, and recorded like any delivery."""

    webhook_id: Annotated[int | str, Meta(description="Of the delivery that it became.")]
    spooled: Annotated[bool, Meta(description="Whether it waits on the local disk for the database.")]
    alerts: Annotated[AlertsOfLetter | None, Meta(description="Null where it waits.")]
