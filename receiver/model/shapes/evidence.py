"""What was kept before an action destroyed it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class EvidenceShape(Struct, frozen=True, kw_only=True):
    """One bundle that was kept."""

    cursor: Annotated[int, Meta(description="The step before which it was gathered, from 0.")]
    at: datetime
    place: Annotated[str, Meta(description="`postgres`, or the object on S3.")]
    sha256: Annotated[str, Meta(description="Of the bundle as it is kept: JSON, compressed by gzip.")]
    size: Annotated[int, Meta(description="Bytes of the same.")]


class EvidenceList(Struct, frozen=True, kw_only=True):
    """All bundles of a remediation, by step."""

    items: list[EvidenceShape]
