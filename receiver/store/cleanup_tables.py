"""The table of cleanups: what each run of `receiver cleanup` came to."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class CleanupRow(Table):
    """One run; `ended_at` is null while it works, and for ever where it was killed."""

    __tablename__ = "cleanups"

    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    started_by: Mapped[str]
    older_than: Mapped[timedelta]
    budget: Mapped[int]
    due: Mapped[int]
    archived: Mapped[int]
    deleted: Mapped[int]
    skipped: Mapped[dict[str, Any]]
    failed: Mapped[int]
    size: Mapped[int]
    trouble: Mapped[str]
