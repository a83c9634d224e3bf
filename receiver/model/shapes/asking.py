"""The receipt for whatever is asked for."""

from typing import Annotated

from msgspec import Meta, Struct


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked is written down; the pipeline acts on it, and the timeline tells what became of it."""

    request_id: int
    run_id: Annotated[int | None, Meta(description="The run it is about; null where there is none yet.")]
