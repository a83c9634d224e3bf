"""A dead letter: a body that was no delivery, and what a person made of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID


class Fate(Enum):
    """What became of a dead letter; it has none until a person decides."""

    REPLAYED = "replayed"
    """Parsed again, understood, and recorded like any delivery."""
    DISCARDED = "discarded"
    """Not wanted; it goes when its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A body that could not be understood.

    Attributes:
        key: Under which it is recorded, once, when it is replayed.
        reason: What is wrong with it.
        place: Where in it, as a path; empty for the body as a whole.
        size: Bytes of the body.
        fate: None until a person decides.
        settled_by: Who decided; empty until then.
        body: The body itself; None in a page, which would grow without bound.
    """

    id: int
    key: UUID
    received_at: datetime
    reason: str
    place: str
    size: int
    fate: Fate | None
    settled_at: datetime | None
    settled_by: str
    body: bytes | None = None
