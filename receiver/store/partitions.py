"""Partitions by time of the tables that only grow: months of history, days of raw deliveries.

Each table has a default partition, so that no time is absurd enough to be refused. A partition that is made late takes
over the rows that waited for it in the default one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, text

_LOCK: Final = 7_215_004_812
"""Advisory lock, so that replicas that find the same partition missing make it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """How a table is partitioned.

    Attributes:
        table: Its name.
        column: The time that decides.
        start: Begin of the span around a time, moved by a number of spans.
        pattern: How the name of a partition ends.
        behind: Spans kept ready before the present one.
        ahead: Spans kept ready after it.
    """

    table: str
    column: str
    start: Callable[[datetime, int], datetime]
    pattern: str
    behind: int
    ahead: int

    def name(self, first: datetime) -> str:
        """Name the partition that begins at a time."""
        return f"{self.table}_p_{first:{self.pattern}}"


def month_start(at: datetime, offset: int = 0) -> datetime:
    """Give the begin of a month in UTC: that of a time, or one some months away."""
    months = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 + offset
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def day_start(at: datetime, offset: int = 0) -> datetime:
    """Give the begin of a day in UTC: that of a time, or one some days away."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=offset)


CALENDARS: Final = (
    Calendar(table="deliveries", column="received_at", start=day_start, pattern="%Y%m%d", behind=1, ahead=7),
    Calendar(table="alerts", column="starts_at", start=month_start, pattern="%Y%m", behind=1, ahead=3),
    Calendar(table="timeline", column="at", start=month_start, pattern="%Y%m", behind=1, ahead=3),
)
"""Every partitioned table, in the order in which a recording writes them: so are they locked here."""


def keep_ahead(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions around now that are missing; returns the names of the new ones."""
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    made = []
    for calendar in CALENDARS:
        there = partitions_of(connection, calendar.table)
        for offset in range(-calendar.behind, calendar.ahead + 1):
            first = calendar.start(now, offset)
            if calendar.name(first) not in there:
                for statement in _making(calendar, first, calendar.start(now, offset + 1)):
                    connection.execute(text(statement))
                made.append(calendar.name(first))
    return made


def partitions_of(connection: Connection, table: str) -> set[str]:
    """Name the partitions of a table."""
    found = connection.execute(
        text("select inhrelid::regclass::text from pg_inherits where inhparent = cast(:table as regclass)"),
        {"table": table},
    )
    return set(found.scalars())


def _making(calendar: Calendar, first: datetime, after: datetime) -> tuple[str, ...]:
    """Write the statements that make one partition; every part comes from the constants above or from a date."""
    table, name, column = calendar.table, calendar.name(first), calendar.column
    since, until = f"'{first.isoformat()}'", f"'{after.isoformat()}'"
    return (
        f"lock table {table} in share row exclusive mode",
        f"create table {name} (like {table} including all)",
        (
            f"with moved as (delete from {table}_p_default "  # noqa: S608 - see above
            f"where {column} >= {since} and {column} < {until} returning *) insert into {name} select * from moved"
        ),
        f"alter table {table} attach partition {name} for values from ({since}) to ({until})",
    )
