"""The tables of what is kept for a later look: evidence of what a run was about to destroy, results of backtests."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class EvidenceRow(Table):
    """What was known just before a destructive step; never changed.

    `body` holds the bundle where it lies here; where it lies in a bucket, `bucket` and `key` name it and `body` is
    null. `size` and `sha256` are those of the compressed bundle.
    """

    __tablename__ = "evidence"

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cursor: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    bucket: Mapped[str]
    key: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int]
    body: Mapped[bytes | None]


class BacktestRow(Table):
    """What a playbook would have done about stored history; one of each request."""

    __tablename__ = "backtests"

    request_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    playbook: Mapped[str] = mapped_column(index=True)
    version: Mapped[str]
    result: Mapped[dict[str, Any]]
