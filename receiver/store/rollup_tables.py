"""The tables of what happened in each hour, counted once it is over; see `receiver.store.rollups`."""

from datetime import datetime, timedelta

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.table import Table


class HourRow(Table):
    """What happened in one hour, counted once it is over."""

    __tablename__ = "hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    alertname: Mapped[str] = mapped_column(primary_key=True)
    severity: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(primary_key=True)
    fired: Mapped[int]
    resolved: Mapped[int]
    firing_time: Mapped[timedelta]

    __table_args__ = (Index("hours_alertname_hour_idx", "alertname", "hour"),)


class PlaybookHourRow(Table):
    """How often a playbook ended in one way in one hour."""

    __tablename__ = "playbook_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    playbook: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
