"""The table of requests that came in Slack's name: those that were, and those that were refused."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.tables import Table


class PressRow(Table):
    """One request in Slack's name. `signature` is set where it was Slack's own, so that each counts once."""

    __tablename__ = "presses"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    verdict: Mapped[str]
    signature: Mapped[str | None] = mapped_column(unique=True)
    pressed_by: Mapped[str]
    said: Mapped[str]
