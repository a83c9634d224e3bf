"""Monthly partitions of the tables that only grow.

Each has a default partition, so that no time is absurd enough to be refused. A month that is made late takes over the
rows that waited for it in the default partition.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text

PARTITIONED: Final = {"alerts": "starts_at", "timeline": "at"}
"""Each partitioned table, and the time that decides."""

_LOCK: Final = 7_215_004_812
"""Advisory lock, so that replicas that find the same month missing make it once."""

_BEHIND: Final = 1
_AHEAD: Final = 3
"""Months kept ready before and after the present one."""


def keep_ahead(connection: Connection, now: datetime) -> list[str]:
    """Make the partitions of the months around now that are missing; returns the names of the new ones."""
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    made = []
    for table, column in PARTITIONED.items():
        there = set(
            connection.execute(
                text("select inhrelid::regclass::text from pg_inherits where inhparent = cast(:table as regclass)"),
                {"table": table},
            ).scalars()
        )
        for offset in range(-_BEHIND, _AHEAD + 1):
            first, after = _month(now, offset), _month(now, offset + 1)
            name = f"{table}_p_{first:%Y%m}"
            if name not in there:
                for statement in _making(table, column, name, first, after):
                    connection.execute(text(statement))
                made.append(name)
    return made


def _making(table: str, column: str, name: str, first: datetime, after: datetime) -> tuple[str, ...]:
    """Write the statements that make one partition; every part comes from the constants above or from a date."""
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


def _month(now: datetime, offset: int) -> datetime:
    months = now.year * 12 + now.month - 1 + offset
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
