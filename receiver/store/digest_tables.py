"""The table of what waits for the next digest of a channel."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class DigestRow(Table):
    """An incident of which the next digest of an address tells; `message_id` is the digest that did.

    One that is settled without a message had been told of in another way by then. What was only recorded in shadow is
    kept apart, since it says nothing to anybody.
    """

    __tablename__ = "digest_entries"

    incident_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    shadow: Mapped[bool] = mapped_column(primary_key=True)
    entered_at: Mapped[datetime]
    due_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    message_id: Mapped[int | None]

    __table_args__ = (Index("digest_entries_due_idx", "due_at", postgresql_where=text("settled_at is null")),)
