"""The table of the archive's index: which states of which workflows lie on S3."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class ArchiveRow(Table):
    """One state of one finished workflow; the object is on S3, this says where and what it is.

    `uid` and `content` are its identity, so that two archivings of one state are one. `verified_at` is null, and
    `trouble` says why, where the object was found damaged or gone.
    """

    __tablename__ = "archives"

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace: Mapped[str]
    name: Mapped[str]
    uid: Mapped[str]
    content: Mapped[str]
    labels: Mapped[dict[str, Any]]
    phase: Mapped[str]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime]
    archived_at: Mapped[datetime]
    archived_by: Mapped[str]
    bucket: Mapped[str]
    key: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    verified_at: Mapped[datetime | None]
    trouble: Mapped[str]

    __table_args__ = (
        Index("archives_uid_content_key", "uid", "content", unique=True),
        Index("archives_namespace_name_idx", "namespace", "name", "finished_at"),
        Index("archives_finished_at_idx", "finished_at", "id"),
        Index("archives_labels_idx", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
    )
