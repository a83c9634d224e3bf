"""A person's word about an incident."""

from typing import Annotated

from msgspec import Meta, Struct, field

from receiver.model.silencing import length_of


class TakingWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said with it; may be left out, and so may the whole body."""

    note: Annotated[str, Meta(max_length=500, description="For the record, and for the thread of the message.")] = ""


class SilenceWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an incident is to be quiet, and for how long."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Stands in the silence itself.")]
    for_: Annotated[str, Meta(max_length=40, description="A duration such as 1h, 4h or 1d; at most 7d.")] = field(
        name="for"
    )

    def __post_init__(self) -> None:
        """Refuse a length that no silence can have."""
        length_of(self.for_)
