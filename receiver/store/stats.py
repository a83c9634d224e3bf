"""What happened over time: counts, times to resolve, what healed by itself, what was loud and what was silent.

Hours that are over are read from their counts (see `receiver.store.rollups`); only what is not counted yet is counted
from the occurrences, and of that at most the newest hours. So a question about a month costs what the counts of its
hours cost, however many alerts there were. Only a question about one workflow reads occurrences: that workflow's own.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from receiver.model.errors import QueryRefused
from receiver.model.history import Step
from receiver.model.incident import sought
from receiver.model.remediation import PROOFS
from receiver.store.database import Transaction
from receiver.store.rollups import ENDED, HAPPENED, HOUR, counted_until, hour_of

MOST_ALERTS: Final = 500
MOST_STEPS: Final = 1_000
LONGEST: Final = timedelta(days=1_100)
"""Three years, so that one year can be compared with another."""

_LIVE: Final = 6 * HOUR
"""What is counted from the occurrences at most; where the counting is further behind, the answer says so."""

_REACH: Final = timedelta(days=31)
"""How long before a range the occurrences of one workflow that ended in it may have begun."""


_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsFilter:
    """What is asked about; what is None is not asked.

    Attributes:
        since: Rounded down to the hour.
        until: Rounded up to the hour.
        step: None for hours in a range of two days, else days.
        workflow: Only together with its namespace.
    """

    since: datetime
    until: datetime
    step: Step | None = None
    alertname: str | None = None
    severity: str | None = None
    namespace: str | None = None
    workflow: str | None = None


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted in one step of time, for one alert, or over all.

    Attributes:
        fired: Occurrences that began.
        resolved: Occurrences that ended.
        firing_time: How long those that ended had fired, together.
    """

    fired: int = 0
    resolved: int = 0
    firing_time: timedelta = field(default_factory=timedelta)

    @property
    def mean_time_to_resolve(self) -> timedelta | None:
        """Give the mean length of the occurrences that ended; None where none did."""
        return self.firing_time / self.resolved if self.resolved else None

    def add(self, other: "Tally") -> None:
        """Take another tally in."""
        self.fired += other.fired
        self.resolved += other.resolved
        self.firing_time += other.firing_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """Incidents that were closed, and how many of them a playbook healed without any person.

    Attributes:
        healed: A live run was seen to help, nobody was to be woken, nobody acknowledged it, and nobody asked
            anything of its runs.
    """

    closed: int
    healed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """An alert that was known before and did not fire."""

    alertname: str
    last_fired_at: datetime
    """Begin of the hour in which it fired last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The answer.

    Attributes:
        since: Begin of the first hour that is counted.
        until: End of the last one.
        live_since: From here on occurrences were counted, not hours; None when the range ends before.
        gap_since: From here until `live_since` nothing has been counted yet; None where nothing is missing.
        steps: Every step of the range in order, also those in which nothing happened.
        alerts: The loudest alerts first.
        silent: Those that fired last come first; None where the question is about one workflow.
        silent_alerts: How many were silent, also beyond the list.
        incidents: None where the question names an alert or a severity.
        playbooks: How often each playbook ended in each way; None where the question is about a part of all alerts.
    """

    since: datetime
    until: datetime
    step: Step
    live_since: datetime | None
    gap_since: datetime | None
    total: Tally
    steps: Sequence[tuple[datetime, Tally]]
    alerts: Sequence[tuple[str, Tally]]
    silent: Sequence[Silent] | None
    silent_alerts: int | None
    incidents: Healing | None
    playbooks: Mapping[str, Mapping[str, int]] | None


_WANTED: Final = """
  (cast(:alertname as text) is null or alertname = :alertname)
  and (cast(:severity as text) is null or severity = :severity)
  and (cast(:namespace as text) is null or namespace = :namespace)
"""

_OF_HOURS: Final = f"""
select hour, alertname, fired, resolved, firing_time from hours
where hour >= :since and hour < :live_since and {_WANTED}
union all
select hour, alertname, fired, resolved, firing_time
from ({HAPPENED.format(since="cast(:live_since as timestamptz)", until="cast(:until as timestamptz)")}) as live
where {_WANTED}
"""  # noqa: S608 - made of the constants above

_OF_WORKFLOW: Final = f"""
select date_trunc('hour', starts_at, 'UTC') as hour, alertname, 1 as fired, 0 as resolved, interval '0' as firing_time
from alerts
where namespace = :namespace and workflow = :workflow and starts_at >= :since and starts_at < :until and {_WANTED}
union all
select date_trunc('hour', ends_at, 'UTC'), alertname, 0, 1, greatest(ends_at - starts_at, interval '0')
from alerts
where namespace = :namespace and workflow = :workflow and starts_at >= :reach and starts_at < :until
  and ends_at >= :since and ends_at < :until and {_WANTED}
"""  # noqa: S608 - made of the constants above

_GROUPED: Final = """
select date_trunc(:unit, hour, 'UTC') as step, alertname, cast(sum(fired) as bigint) as fired,
  cast(sum(resolved) as bigint) as resolved, sum(firing_time) as firing_time
from ({counted}) as counted
where fired > 0 or resolved > 0
group by grouping sets ((1), (2))
"""

_SILENT: Final = f"""
with recursive names as (
  (select alertname from hours order by alertname limit 1)
  union all
  select (select alertname from hours where alertname > names.alertname order by alertname limit 1)
  from names where names.alertname is not null
), known as (
  select names.alertname, before.hour from names
  cross join lateral (
    select hour from hours where hours.alertname = names.alertname and hour < :since and fired > 0 and {_WANTED}
    order by hour desc limit 1
  ) as before
), heard as (
  select alertname from alerts where status = 'firing' and starts_at < :until and {_WANTED}
), silent as (
  select alertname, hour from known
  where not alertname = any(cast(:loud as text[]))
    and alertname not in (select alertname from heard)
    and not exists (
      select from (
        select ends_at from alerts
        where alerts.alertname = known.alertname and starts_at < :since
        order by starts_at desc limit 1
      ) as newest
      where ends_at >= :since
    )
)
select alertname, hour, count(*) over () as number from silent order by hour desc, alertname limit :limit
"""  # noqa: S608 - made of the constants above

_HEALING: Final = """
with closed as (
  select id, acknowledged_by from incidents
  where closed_at >= :since and closed_at < :until and merged_into is null
    and (cast(:namespace as text) is null or namespace = :namespace)
    and (cast(:workflow as text) is null or workflow = :workflow)
)
select count(*) as closed, count(*) filter (where
  acknowledged_by = ''
  and exists (
    select from runs, jsonb_array_elements(steps) as step
    where incident_id = closed.id and mode = 'live' and outcome = 'succeeded'
      and step ->> 'action' = any(cast(:proofs as text[]))
  )
  and not exists (
    select from outbox where incident_id = closed.id and act = 'trigger' and state in ('sent', 'dead')
  )
  and not exists (
    select from requests join runs on runs.id = requests.run_id where runs.incident_id = closed.id
  )
) as healed
from closed
"""

_PLAYBOOKS: Final = f"""
select playbook, outcome, cast(sum(number) as bigint) as number from (
  select playbook, outcome, number from playbook_hours where hour >= :begin and hour < :since
  union all
  select playbook, outcome, number from ({ENDED}) as live
) as ends
group by 1, 2 order by 1, 2
"""  # noqa: S608 - made of the constants above


async def stats(tx: Transaction, wanted: StatsFilter, *, now: datetime, top: int = 20) -> Stats:
    """Answer what happened in a range of time.

    Args:
        tx: The transaction to read in.
        wanted: What is asked about.
        now: The present time.
        top: Most alerts in a list.

    Raises:
        QueryRefused: The range or the filter cannot be answered.
    """
    since, until, step = _range(wanted)
    live_since, gap_since = await _live(tx, since, until, now)
    asked = {
        "since": since,
        "until": until,
        "live_since": live_since,
        "reach": since - _REACH,
        "alertname": sought(wanted.alertname),
        "severity": sought(wanted.severity),
        "namespace": sought(wanted.namespace),
        "workflow": sought(wanted.workflow),
        "limit": top,
    }
    by_step, by_alert = await _counted(tx, wanted, step, asked)
    total = Tally()
    for tally in by_step.values():
        total.add(tally)
    about_all = wanted.alertname is wanted.severity is wanted.namespace is wanted.workflow is None
    silent, number = (None, None) if wanted.workflow else await _silent(tx, asked, by_alert)
    return Stats(
        since=since,
        until=until,
        step=step,
        live_since=live_since if live_since < until else None,
        gap_since=None if wanted.workflow else gap_since,
        total=total,
        steps=[(at, by_step.get(at, Tally())) for at in _steps(since, until, step)],
        alerts=heapq.nsmallest(top, by_alert.items(), key=lambda one: (-one[1].fired, -one[1].resolved, one[0])),
        silent=silent,
        silent_alerts=number,
        incidents=None if wanted.alertname or wanted.severity else await _healing(tx, asked),
        playbooks=await _playbooks(tx, since, live_since, until) if about_all else None,
    )


async def playbook_ends(
    tx: Transaction, since: datetime, until: datetime, *, now: datetime
) -> Mapping[str, Mapping[str, int]]:
    """Count how often each playbook ended in each way in a range of whole hours, and nothing else."""
    since, until, _ = _range(StatsFilter(since=since, until=until, step=Step.DAY))
    live_since, _ = await _live(tx, since, until, now)
    return await _playbooks(tx, since, live_since, until)


def _range(wanted: StatsFilter) -> tuple[datetime, datetime, Step]:
    """Give the range in whole hours and its step."""
    if wanted.workflow is not None and wanted.namespace is None:
        raise QueryRefused("name the namespace too: the same name may stand in several", parameter="workflow")
    if not _EARLIEST <= wanted.since <= wanted.until <= _LATEST:
        raise QueryRefused("it must lie before until, and both between the years 1970 and 9000", parameter="since")
    since = hour_of(wanted.since)
    until = hour_of(wanted.until)
    until = until if until == wanted.until else until + HOUR
    if since >= until:
        raise QueryRefused("it must lie before until", parameter="since")
    if until - since > LONGEST:
        raise QueryRefused(f"at most {LONGEST.days} days can be asked about at once", parameter="since")
    step = wanted.step or (Step.HOUR if until - since <= timedelta(days=2) else Step.DAY)
    if (until - since) / step.length > MOST_STEPS:
        raise QueryRefused(f"the range has more than {MOST_STEPS} steps of {step.value}; ask for 1d", parameter="step")
    return since, until, step


async def _live(tx: Transaction, since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime | None]:
    """Give the time from which on occurrences are counted, and that from which on counts are missing."""
    counted = await counted_until(tx)
    earliest = hour_of(now) + HOUR - _LIVE
    begun = max(counted or earliest, earliest)
    live_since = min(max(begun, since), until)
    missing = max(counted or since, since)
    return live_since, missing if missing < live_since else None


async def _counted(
    tx: Transaction, wanted: StatsFilter, step: Step, asked: Mapping[str, Any]
) -> tuple[dict[datetime, Tally], dict[str, Tally]]:
    """Count by step and by alert, in one reading."""
    counted = _OF_HOURS if wanted.workflow is None else _OF_WORKFLOW
    unit = "hour" if step is Step.HOUR else "day"
    by_step: dict[datetime, Tally] = {}
    by_alert: dict[str, Tally] = {}
    for row in await tx.execute(text(_GROUPED.format(counted=counted)), {**asked, "unit": unit}):
        tally = Tally(fired=row.fired, resolved=row.resolved, firing_time=row.firing_time)
        if row.step is None:
            by_alert[row.alertname] = tally
        else:
            by_step[row.step] = tally
    return by_step, by_alert


def _steps(since: datetime, until: datetime, step: Step) -> Iterable[datetime]:
    at = since if step is Step.HOUR else since.replace(hour=0)
    while at < until:
        yield at
        at += step.length


async def _silent(
    tx: Transaction, asked: Mapping[str, Any], heard: Mapping[str, Tally]
) -> tuple[tuple[Silent, ...], int]:
    rows = (await tx.execute(text(_SILENT), {**asked, "loud": list(heard)})).all()
    found = tuple(Silent(alertname=row.alertname, last_fired_at=row.hour) for row in rows)
    return found, int(rows[0].number) if rows else 0


async def healed_between(tx: Transaction, since: datetime, until: datetime) -> Healing:
    """Count the incidents that were closed within a span of time, and how many no person had to do anything about."""
    return await _healing(tx, {"since": since, "until": until, "namespace": None, "workflow": None})


async def _healing(tx: Transaction, asked: Mapping[str, Any]) -> Healing:
    row = (await tx.execute(text(_HEALING), {**asked, "proofs": list(PROOFS)})).one()
    return Healing(closed=int(row.closed), healed=int(row.healed))


async def _playbooks(
    tx: Transaction, since: datetime, live_since: datetime, until: datetime
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in await tx.execute(text(_PLAYBOOKS), {"begin": since, "since": live_since, "until": until}):
        found.setdefault(row.playbook, {})[row.outcome] = int(row.number)
    return found
