"""The one switch that stops all playbooks."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field


class PauseWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why everything is to stop, and for how long."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, description="For the record, and in each refusal.")]
    for_: Annotated[
        Annotated[str, Meta(max_length=40)] | None, Meta(description="A duration such as 2h; null: until resumed.")
    ] = field(name="for", default=None)


class PauseShape(Struct, frozen=True, kw_only=True):
    """A time in which no playbook begins anything."""

    id: int
    reason: str
    paused_by: str
    paused_at: datetime
    expires_at: Annotated[datetime | None, Meta(description="Null where only a person ends it.")]


class Pauses(Struct, frozen=True, kw_only=True):
    """Pauses, oldest first."""

    items: list[PauseShape]
