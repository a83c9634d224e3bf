"""How a playbook stands: its breaker, and the mode that it lost."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class StandingShape(Struct, frozen=True, kw_only=True):
    """What a playbook's own results have made of it."""

    playbook: str
    opened_at: Annotated[datetime | None, Meta(description="Since when its breaker is open; null while it is closed.")]
    opened_because: str
    demoted_at: Annotated[datetime | None, Meta(description="Since when it only proposes; null while it need not.")]
    demoted_because: str
    closed_at: Annotated[datetime | None, Meta(description="When a person last made that good.")]
    closed_by: str
