"""What a day amounted to, counted from the rows of its incidents, alerts, runs and messages."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import exists, select, text

from receiver.model.bulletin import Day, Noise
from receiver.store.database import Transaction
from receiver.store.stats import healed_between
from receiver.store.tables import MessageRow

_REACH: Final = timedelta(days=7)
"""How long before the day an alert that was first heard of in it may have begun: it says which partitions are read."""

# By when it was first heard of, not by when it began: what began just before midnight is heard of just after it.
_ALERTS: Final = """
with fired as (
  select alertname, incident_id, count(*) as number from alerts
  where starts_at >= :reach and first_seen_at >= :since and first_seen_at < :until and incident_id is not null
  group by 1, 2
)
select alertname, cast(sum(number) as bigint) as fired, count(*) as incidents, bool_or(
  i.acknowledged_by <> ''
  or exists (
    select from runs r
    where r.incident_id = i.id and r.mode <> 'dry_run' and coalesce(r.outcome, '') not in ('blocked', 'skipped')
  )
  or exists (select from timeline t where t.incident_id = i.id and t.kind = 'incident.silenced')
) as acted_on
from fired join incidents i on i.id = fired.incident_id
group by 1 order by 2 desc, 1
"""
_OPENED: Final = """
select severity, count(*) as number from incidents
where opened_at >= :since and opened_at < :until and merged_into is null and (closed_at is null or closed_at >= :since)
group by 1 order by 2 desc, 1
"""
_OPEN_STILL: Final = "select count(*) from incidents where state = 'open' and opened_at < :until"
_PAGED: Final = """
select count(*) from outbox where act = 'trigger' and created_at >= :since and created_at < :until
  and state in ('pending', 'sent', 'dead')
"""
_CURES: Final = """
select playbook, count(*) as number from runs
where finished_at >= :since and finished_at < :until and mode = 'live' and outcome = 'succeeded'
group by 1 order by 2 desc, 1
"""


async def is_told(transaction: Transaction, key: str) -> bool:
    """Answer whether a summary was queued already, whatever became of it."""
    return bool((await transaction.execute(select(exists().where(MessageRow.key == key)))).scalar())


async def day(transaction: Transaction, since: datetime, until: datetime) -> Day:
    """Sum up what happened from one time until another."""
    span = {"since": since, "until": until}
    alerts = await transaction.execute(text(_ALERTS), {**span, "reach": since - _REACH})
    healing = await healed_between(transaction, since, until)
    return Day(
        since=since,
        until=until,
        opened=await _counts(transaction, _OPENED, span),
        open_still=(await transaction.execute(text(_OPEN_STILL), {"until": until})).scalar_one(),
        closed=healing.closed,
        healed=healing.healed,
        paged=(await transaction.execute(text(_PAGED), span)).scalar_one(),
        cures=await _counts(transaction, _CURES, span),
        alerts=[
            Noise(alertname=row.alertname, fired=row.fired, incidents=row.incidents, acted_on=row.acted_on)
            for row in alerts
        ],
    )


async def _counts(transaction: Transaction, statement: str, span: dict[str, Any]) -> dict[str, int]:
    found = await transaction.execute(text(statement), span)
    return {row[0]: row.number for row in found}


async def forget_bulletins(transaction: Transaction, horizon: datetime) -> None:
    """Forget what was said of many incidents at once before a time."""
    statement = "delete from outbox where incident_id is null and state <> 'pending' and created_at < :horizon"
    await transaction.execute(text(statement), {"horizon": horizon})
