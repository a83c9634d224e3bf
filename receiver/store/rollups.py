"""Counts by the hour: what the tables of hours hold, and when an hour is counted again.

The rule. An hour is counted once it is over, as a whole and from the occurrences themselves, so that counting it again
changes nothing. It is counted again for two days, in which the end of an occurrence may still become known or be taken
back. After that it only grows: a begin or an end that is first heard of more than a day later (the service was new, or
away) is added to its hour whenever it comes, and nothing is ever taken out, for by then the occurrences themselves may
have left the database.

An hour in which nothing happened has a row of zeros without names; so the newest hour says up to when all is counted.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from receiver.store.database import Transaction

HOUR: Final = timedelta(hours=1)

SETTLED: Final = timedelta(days=2)
"""For so long an hour that is over is counted again."""

HAPPENED: Final = """
select hour, alertname, severity, namespace,
  cast(sum(fired) as bigint) as fired, cast(sum(resolved) as bigint) as resolved, sum(firing_time) as firing_time
from (
  select date_trunc('hour', starts_at, 'UTC') as hour, alertname, severity, namespace,
    count(*) as fired, 0 as resolved, interval '0' as firing_time
  from alerts
  where starts_at >= {since} and starts_at < {until}
  group by 1, 2, 3, 4
  union all
  select date_trunc('hour', ends_at, 'UTC'), alertname, severity, namespace,
    0, count(*), sum(greatest(ends_at - starts_at, interval '0'))
  from alerts
  where ends_at >= {since} and ends_at < {until}
  group by 1, 2, 3, 4
) as each_kind
group by 1, 2, 3, 4
"""
"""What began and what ended from one time until another, by hour; `firing_time` is the whole length of what ended."""

_SINCE_UNTIL: Final = HAPPENED.format(since="cast(:since as timestamptz)", until="cast(:until as timestamptz)")

_COUNT: Final = f"""
insert into hours (hour, alertname, severity, namespace, fired, resolved, firing_time)
select hour, alertname, severity, namespace, sum(fired), sum(resolved), sum(firing_time) from (
  {_SINCE_UNTIL}
  union all
  select generate_series(cast(:since as timestamptz), cast(:until as timestamptz) - interval '1 hour', '1 hour'),
    '', '', '', 0, 0, interval '0'
) as everything
group by 1, 2, 3, 4
"""  # noqa: S608 - made of the constants above

ENDED: Final = """
select date_trunc('hour', at, 'UTC') as hour, playbook, outcome, count(*) as number from (
  select at, playbook, outcome from decisions
  where at >= cast(:since as timestamptz) and at < cast(:until as timestamptz) and outcome is not null
  union all
  select finished_at, playbook, outcome from runs
  where finished_at >= cast(:since as timestamptz) and finished_at < cast(:until as timestamptz)
    and outcome is not null
) as ends
group by 1, 2, 3
"""
"""How playbooks ended, whether they began a run or not, by hour."""

_COUNT_PLAYBOOKS: Final = f"insert into playbook_hours (hour, playbook, outcome, number) {ENDED}"

_ADD_LATE: Final = f"""
insert into hours (hour, alertname, severity, namespace, fired, resolved, firing_time)
select counted.* from (
  select date_trunc('hour', starts_at, 'UTC') as hour from alerts
  where first_seen_at - starts_at > interval '1 day' and first_seen_at >= :seen_since and starts_at < :before
  union
  select date_trunc('hour', ends_at, 'UTC') from alerts
  where resolved_seen_at - ends_at > interval '1 day' and resolved_seen_at >= :seen_since and ends_at < :before
) as late
cross join lateral ({HAPPENED.format(since="late.hour", until="late.hour + interval '1 hour'")}) as counted
on conflict (hour, alertname, severity, namespace) do update set
  fired = greatest(hours.fired, excluded.fired),
  firing_time = case when excluded.resolved > hours.resolved then excluded.firing_time else hours.firing_time end,
  resolved = greatest(hours.resolved, excluded.resolved)
"""  # noqa: S608 - made of the constants above

_NEXT: Final = """
select least(
  (select min(starts_at) from alerts where starts_at >= :since),
  (select min(ends_at) from alerts where ends_at >= :since),
  (select min(at) from decisions where at >= :since),
  (select min(finished_at) from runs where finished_at >= :since)
)
"""


def hour_of(at: datetime) -> datetime:
    """Give the begin of the hour that a time lies in, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


async def counted_until(tx: Transaction) -> datetime | None:
    """Give the end of the newest hour that was counted; None when nothing has been counted yet."""
    newest: datetime | None = (await tx.execute(text("select max(hour) from hours"))).scalar_one()
    return None if newest is None else newest + HOUR


async def next_happening(tx: Transaction, since: datetime) -> datetime | None:
    """Find the first thing to be counted that happened at a time or after it; None when nothing did."""
    found: datetime | None = (await tx.execute(text(_NEXT), {"since": since})).scalar_one()
    return found


async def count(tx: Transaction, since: datetime, until: datetime) -> None:
    """Count hours anew, each as a whole.

    Args:
        tx: The hours are counted when it is committed.
        since: Begin of the first hour.
        until: End of the last one.
    """
    span = {"since": since, "until": until}
    for statement in (
        "delete from hours where hour >= :since and hour < :until",
        "delete from playbook_hours where hour >= :since and hour < :until",
        _COUNT,
        _COUNT_PLAYBOOKS,
    ):
        await tx.execute(text(statement), span)


async def add_late(tx: Transaction, *, seen_since: datetime, before: datetime) -> int:
    """Add to hours that are settled what became known long afterwards; returns how many counts were touched.

    Args:
        tx: The counts are there when it is committed.
        seen_since: Earliest receipt of what became known.
        before: Hours from this one on are counted as a whole by `count`.
    """
    return int((await tx.execute(text(_ADD_LATE), {"seen_since": seen_since, "before": before})).rowcount)
