"""The table of what every address is sent at: its pace, and how long it is left alone."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class LaneRow(Table):
    """One address of one place, as all replicas share it.

    `free_at` is when the next message may go by the pace of the place, `held_until` when the place may be asked again
    after it asked for patience or broke down, and `failures` how often it failed since it last answered.
    """

    __tablename__ = "lanes"

    place: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[datetime]
    held_until: Mapped[datetime | None]
    failures: Mapped[int]
