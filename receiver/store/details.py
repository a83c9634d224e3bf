"""Dropping what was found, decided, done and told about incidents whose story has left Postgres.

The details of a story are no use without it, and it is kept longer than any guard looks back. So they go by incident:
when it was over by a time, and no alert and no line of the timeline is left of it, which were proved to lie on S3
before they went, or were discarded by a word in the configuration. The incident itself stays, as one row.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import text

from receiver.store.database import Transaction

_BATCH: Final = 500
"""Incidents whose details are dropped in one transaction."""

_BUNDLES: Final = 100
"""Bundles of evidence that are dropped in one transaction; each has up to 8 MiB."""

# Incidents that are open, and what was merged into them.
_STORIES: Final = """
with recursive stories (id) as (
  select id from incidents where state = 'open'
  union select i.id from incidents i join stories s on i.merged_into = s.id
)
"""
# Those that are over, with something left of them, about which nothing is under way: no unfinished run, no word that
# nobody acted on, no message to be sent, no evidence that lies here.
_OVER: Final = f"""
{_STORIES}
select i.id from incidents i
where i.closed_at < :horizon
  and i.id not in (select id from stories)
  and (
    exists (select from findings f where f.incident_id = i.id)
    or exists (select from decisions d where d.incident_id = i.id)
    or exists (select from runs r where r.incident_id = i.id)
    or exists (select from outbox o where o.incident_id = i.id)
  )
  and not exists (select from alerts a where a.incident_id = i.id)
  and not exists (select from timeline t where t.incident_id = i.id)
  and not exists (select from outbox o where o.incident_id = i.id and o.state = 'pending')
  and not exists (
    select from runs r where r.incident_id = i.id and (
      r.state <> 'finished'
      or exists (select from requests q where q.run_id = r.id and q.answered_at is null)
      or exists (select from evidence e where e.run_id = r.id and e.bucket = '')
    )
  )
order by i.id limit :most
"""  # noqa: S608 - our own text
# Bundles that lie here, of runs that are over in a story that is over.
_EVIDENCE: Final = f"""
{_STORIES}
delete from evidence where (run_id, cursor) in (
  select e.run_id, e.cursor from evidence e
  where e.bucket = '' and e.at < :horizon and not exists (
    select from runs r where r.id = e.run_id and (r.state <> 'finished' or r.incident_id in (select id from stories))
  )
  order by e.at limit :most
)
returning run_id
"""  # noqa: S608 - our own text
_OF_RUNS: Final = tuple(
    f"delete from {table} where run_id in (select id from runs where incident_id = any(:ids))"  # noqa: S608 - our names
    for table in ("journal", "requests", "recurrences", "evidence")
)
_OF_INCIDENTS: Final = tuple(
    f"delete from {table} where incident_id = any(:ids)"  # noqa: S608 - our names
    for table in ("runs", "decisions", "findings", "outbox")
)
_LINEAGES: Final = """
delete from lineages l where l.seen_at < :horizon
  and not exists (select from incidents i where i.lineage = l.lineage and i.lineage <> '' and i.state = 'open')
  and not exists (select from runs r where r.lineage = l.lineage)
"""


async def drop_details(tx: Transaction, horizon: datetime) -> int:
    """Drop the details of some incidents that were over by a time; returns of how many, none when none is left."""
    ids = list((await tx.execute(text(_OVER), {"horizon": horizon, "most": _BATCH})).scalars())
    if ids:
        for statement in (*_OF_RUNS, *_OF_INCIDENTS):
            await tx.execute(text(statement), {"ids": ids})
    return len(ids)


async def drop_evidence(tx: Transaction, horizon: datetime) -> int:
    """Drop some bundles that were kept in Postgres before a time; returns how many, none when none is left.

    Where a run or its story is not over, its evidence stays. What lies in a bucket is for the bucket to drop; the row
    that names it goes with the details of its incident.
    """
    gone = await tx.execute(text(_EVIDENCE), {"horizon": horizon, "most": _BUNDLES})
    return len(gone.all())


async def drop_backtests(tx: Transaction, horizon: datetime) -> int:
    """Drop the results of backtests that were made before a time; returns of how many."""
    gone = await tx.execute(
        text("delete from backtests where at < :horizon returning request_id"), {"horizon": horizon}
    )
    return len(gone.all())


async def forget_lineages(tx: Transaction, horizon: datetime) -> None:
    """Forget workflows that were last looked at before a time, and about which nothing is open and no run is kept."""
    await tx.execute(text(_LINEAGES), {"horizon": horizon})
