"""Archived workflows, and what may be asked of them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from receiver.model.attachment import Part


class ArchiveShape(Struct, frozen=True, kw_only=True):
    """One state of one finished workflow on S3."""

    id: int
    namespace: str
    name: str
    uid: Annotated[str, Meta(description="Of the workflow; several of one name have different ones.")]
    phase: Annotated[str, Meta(description="As Argo says it: `Succeeded`, `Failed` or `Error`.")]
    labels: Annotated[dict[str, str], Meta(description="Of the workflow, when it was archived.")]
    started_at: datetime | None
    finished_at: Annotated[datetime, Meta(description="Where Argo did not say: when it was archived.")]
    archived_at: datetime
    archived_by: Annotated[str, Meta(description="Who asked for it: a remediation, or a person.")]
    bucket: str
    key: str
    size: Annotated[int, Meta(description="Bytes of the object: JSON, compressed by gzip.")]
    sha256: Annotated[str, Meta(description="Of the object.")]
    content_sha256: Annotated[str, Meta(description="Of the JSON; with the uid it tells states apart.")]
    masked: Annotated[bool, Meta(description="Whether parts were masked when it was archived: it cannot be restored.")]
    verified_at: Annotated[
        datetime | None, Meta(description="When it was last read back and found whole; null when it was not.")
    ]
    trouble: Annotated[str, Meta(description="What was wrong when it was last read back; empty when nothing was.")]


class ArchivePage(Struct, frozen=True, kw_only=True):
    """One page of archives, those of workflows that ended last first, and what all of them add up to."""

    items: list[ArchiveShape]
    next: Annotated[str | None, Meta(description="Cursor of the page that follows; null at the end.")]
    previous: Annotated[str | None, Meta(description="Cursor of the page before; null at the beginning.")]
    total: Annotated[int, Meta(description="How many there are on all pages.")]
    total_size: Annotated[int, Meta(description="Bytes of all of them.")]


class ArchiveWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which workflow is to be archived."""

    namespace: Annotated[str, Meta(min_length=1, max_length=63)]
    name: Annotated[str, Meta(min_length=1, max_length=253)]
    with_: Annotated[
        tuple[Part, ...], Meta(description="What of it is kept beside it: the logs of its pods, the warnings about it.")
    ] = field(name="with", default=())


class RestoreWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an archived workflow is to come back."""

    name: Annotated[
        Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)] | None,
        Meta(description="What the new workflow is called; null means as the old one."),
    ] = None
    begin: Annotated[bool, Meta(description="Whether it begins at once; else it is suspended.")] = False
