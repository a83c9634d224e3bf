"""The questions that people ask of the history, at one and at ten million occurrences."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, LiteralString, Self, cast

import psycopg
from psycopg import sql

from receiver.cli.listening import spared_collector
from receiver.model.alert import AlertStatus
from receiver.model.matcher import Matcher
from receiver.store.database import Database, Transaction
from receiver.store.history import alerts
from receiver.store.history.alerts import AlertFilter

MONTHS = 12
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SPAN = timedelta(days=30 * MONTHS)

# Eight labels, as rules of Kubernetes have them; the values of `team` and `pod` differ in how often they occur. The
# rare alert fills a first page at either size: what is compared is the way to a page, not pages of unequal length.
FILL = """
insert into alerts (
  fingerprint, starts_at, starts_at_text, status, inferred, ends_at, alertname, severity, cluster, namespace, workflow,
  agent, labels, annotations, generator_url, group_key, receiver, first_seen_at, last_seen_at, resolved_seen_at,
  deliveries, firings, incident_id
)
select
  lpad(to_hex(n), 16, '0'), at, at::text, case when n %% 5000 = 0 then 'firing' else 'resolved' end, false,
  at + interval '10 minutes', name, severity, '', space, flow, 'rex',
  jsonb_build_object(
    'alertname', name, 'severity', severity, 'namespace', space, 'workflow_name', flow, 'agent', 'rex',
    'team', case when n %% 100000 = 7 then 'rare' when n %% 100 = 3 then 'some' else 'data' end,
    'pod', flow || '-' || (n %% 997), 'cluster_id', 'c' || (n %% 3)
  ),
  jsonb_build_object('summary', 'Workflow ' || flow || ' is stuck', 'runbook_url', 'https://runbooks/' || name),
  'http://prometheus:9090/graph', '{}:{alertname="' || name || '"}', 'receiver', at, at, at, 2, 1, null
from (
  select
    n, %(now)s::timestamptz - (n * (%(span)s::interval / %(rows)s)) as at,
    case when n %% 20000 = 11 then 'RareAlert' else 'Alert' || (n %% 40) end as name,
    (array['critical', 'warning', 'warning', 'info'])[1 + n %% 4] as severity,
    'ns-' || (n %% 20) as space, 'flow-' || (n %% 5000) as flow
  from generate_series(%(first)s::bigint, %(last)s::bigint) n
) g
"""

Ask = Callable[[Transaction], Awaitable[Any]]


def label(text: str) -> tuple[Matcher, ...]:
    return (Matcher.parse(text),)


@dataclass(frozen=True)
class Question:
    """One question with its name in the table."""

    name: str
    wanted: AlertFilter


MONTH = (NOW - timedelta(days=60), NOW - timedelta(days=30))
QUESTIONS = (
    Question("newest", AlertFilter()),
    Question("firing", AlertFilter(status=AlertStatus.FIRING)),
    Question("alertname, frequent", AlertFilter(alertname="Alert7")),
    Question("alertname, rare", AlertFilter(alertname="RareAlert")),
    Question("namespace and workflow", AlertFilter(namespace="ns-13", workflow="flow-2013")),
    Question("severity", AlertFilter(severity="critical")),
    Question("label, frequent", AlertFilter(labels=label('team="data"'))),
    Question("label, 1 %", AlertFilter(labels=label('team="some"'))),
    Question("label, rare", AlertFilter(labels=label('team="rare"'))),
    Question("label, absent", AlertFilter(labels=label('team="nobody"'))),
    Question(
        "two labels in a month",
        AlertFilter(labels=(*label('team="some"'), *label('cluster_id="c1"')), since=MONTH[0], until=MONTH[1]),
    ),
)


def fill(url: str, first: int, last: int, rows: int) -> float:
    """Add occurrences first to last of *rows*; returns the seconds that it took."""
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        months = [NOW - timedelta(days=30 * back) for back in range(MONTHS + 1)]
        for month in sorted({(at.year, at.month) for at in months}):
            start = datetime(*month, 1, tzinfo=UTC)
            after = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
            connection.execute(
                f"create table if not exists alerts_p_{start:%Y%m} partition of alerts "
                f"for values from ('{start.isoformat()}') to ('{after.isoformat()}')"
            )
        indexes = _drop_indexes(connection)
        step = 500_000
        for begin in range(first, last + 1, step):
            connection.execute(
                FILL, {"now": NOW, "span": SPAN, "rows": rows, "first": begin, "last": min(begin + step - 1, last)}
            )
        for index in indexes:
            connection.execute(index)
        connection.execute("vacuum analyze alerts")
    return time.perf_counter() - began


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[LiteralString]:
    """Drop the indexes that are not unique, since many rows are sorted into one faster at once than one by one.

    Returns:
        The statements that make them again.
    """
    connection.execute("set maintenance_work_mem = '1GB'")
    connection.execute("set synchronous_commit = off")
    found = connection.execute(
        "select indexname, indexdef from pg_indexes where tablename = 'alerts' and indexdef not like '%UNIQUE%'"
    ).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
    # Made on the partitions too, which the statement as it is shown leaves out.
    return [cast("LiteralString", made.replace(" ON ONLY ", " ON ")) for _, made in found]


def ask_all(urls: Mapping[int, str], *, rounds: int) -> dict[int, dict[str, list[float]]]:
    """Ask every question *rounds* times of histories of several sizes, each in turn of all of them.

    Returns:
        By size, the seconds of each question and of a read by primary key.
    """
    # As the service does: else the collector, which looks at all of this process, comes into a question now and then.
    with spared_collector():
        return asyncio.run(_ask_all(urls, rounds))


async def _ask_all(urls: Mapping[int, str], rounds: int) -> dict[int, dict[str, list[float]]]:
    async with AsyncExitStack() as stack:
        histories = {size: await _History.opened(url, stack) for size, url in urls.items()}
        for number in range(rounds + 2):
            kept = number > 1  # two rounds to warm the caches
            for question in QUESTIONS:
                for history in histories.values():
                    await history.ask(question.name, partial(alerts.page, wanted=question.wanted, limit=50), kept=kept)
            for history in histories.values():
                await history.ask("primary key", partial(alerts.get, public_id=history.newest), kept=kept)
    return {size: history.times for size, history in histories.items()}


@dataclass
class _History:
    """One history that is asked, and what its answers took in seconds."""

    database: Database
    newest: str
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def opened(cls, url: str, stack: AsyncExitStack) -> Self:
        """Open a history until the stack ends."""
        database = Database(url, connections=2)
        await database.open()
        stack.push_async_callback(database.close)
        async with database.transaction() as transaction:
            newest = (await alerts.page(transaction, AlertFilter(), limit=1)).items[0]
        return cls(database=database, newest=newest.id)

    async def ask(self, name: str, question: Ask, *, kept: bool) -> None:
        """Ask one question."""
        async with self.database.transaction() as transaction:
            began = time.perf_counter()
            await question(transaction)
            if kept:
                self.times[name].append(time.perf_counter() - began)
