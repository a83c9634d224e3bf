"""The tables of what holds playbooks back beside their own limits: pauses, breakers, fixes that did not hold."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class PauseRow(Table):
    """A time in which no playbook begins anything; over when a person ends it, or at `expires_at`."""

    __tablename__ = "pauses"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    paused_by: Mapped[str]
    paused_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (Index("pauses_unended_idx", "id", postgresql_where=text("ended_at is null")),)


class PlaybookStateRow(Table):
    """What a playbook's own results have made of it, until a person says otherwise.

    `opened_at` is when its breaker opened, `demoted_at` when it lost the mode `live`; both are null while nothing is
    wrong. `closed_at` is when a person last made that good: only what failed later counts.
    """

    __tablename__ = "playbook_states"

    playbook: Mapped[str] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime | None]
    opened_because: Mapped[str] = mapped_column(server_default="")
    demoted_at: Mapped[datetime | None]
    demoted_because: Mapped[str] = mapped_column(server_default="")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(server_default="")


class RecurrenceRow(Table):
    """A run that had helped, and the alert that fired on the same lineage soon after: the fix did not hold."""

    __tablename__ = "recurrences"

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    alert_id: Mapped[str]
    at: Mapped[datetime]
