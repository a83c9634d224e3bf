"""The tables of what is asked of Alertmanager: who is asked, what was found, and what is still to be asked."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class PeerRow(Table):
    """What we know of an Alertmanager that is asked; times are by our own clock, but for `started_at`."""

    __tablename__ = "peers"

    url: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    started_at: Mapped[datetime | None]
    noticed_at: Mapped[datetime | None]
    asked_at: Mapped[datetime]
    answers: Mapped[int]
    error: Mapped[str]


class SightingRow(Table):
    """What is remarkable about a firing occurrence as Alertmanager sees it; whatever is not so has no row."""

    __tablename__ = "sightings"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    missed: Mapped[int]
    missing_since: Mapped[datetime | None]
    suppressed_by: Mapped[list[Any]]


class InquiryRow(Table):
    """A delivery about which Alertmanager is to be asked: for the rest of its group, or whether late firings are true.

    `late` holds pairs of fingerprint and start.
    """

    __tablename__ = "inquiries"

    received_at: Mapped[datetime]
    key: Mapped[UUID]
    late: Mapped[list[Any]]
    truncated: Mapped[int]
    tries: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (PrimaryKeyConstraint("received_at", "key"),)
