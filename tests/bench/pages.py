"""How soon the pages of the console begin to arrive from a large history, against the calls of the API under them.

A page and its calls are asked in turn, over one connection, until the first byte of each answer. Beside the alerts
there are incidents with their timelines, decisions, remediations and messages, one incident for fifty alerts.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final, LiteralString

import aiohttp
import psycopg

from receiver.store.database import Database
from receiver.store.partitions import month_start
from receiver.upkeep.rollup import count_up
from tests.bench import stand
from tests.bench.queries import MONTHS, NOW, SPAN

ROUNDS: Final = 20
_WARMING: Final = 2
_ALERTS_OF_AN_INCIDENT: Final = 50
_OPEN: Final = 300
"""Incidents that are open, more than the first page shows."""
_STORY: Final = 300
"""Lines of the timeline of the incident whose page is asked for."""

_FILLS: Final[tuple[LiteralString, ...]] = (
    """
    insert into incidents (key, state, cluster, namespace, workflow, agent, title, severity, opened_at, closed_at,
      firing, flaps)
    select 'bench/' || n, case when n <= %(open)s then 'open' else 'closed' end, '', 'ns-' || (n %% 20),
      'flow-' || (n %% 5000), 'rex', 'Workflow flow-' || (n %% 5000) || ' is stuck',
      (array['critical', 'warning', 'warning', 'info'])[1 + n %% 4], at,
      case when n > %(open)s then at + interval '10 minutes' end, case when n <= %(open)s then 1 else 0 end, 0
    from (
      select n, %(now)s::timestamptz - n * (%(span)s::interval / %(incidents)s) as at
      from generate_series(%(incidents)s::bigint, 1, -1) n
    ) g
    """,
    """
    insert into timeline (at, kind, text, incident_id, detail)
    select opened_at + line * interval '1 minute', (array['incident.opened', 'alert.fired', 'playbook.decided',
      'incident.closed'])[1 + line], 'line ' || line || ' of what happened to ' || title, id, '{}'
    from incidents, generate_series(0, 3) line
    """,
    """
    insert into decisions (at, incident_id, alert_id, firing, playbook, version, mode, outcome, reason, checks, would)
    select opened_at, id, 'bench-' || id, 1, playbook, 'v1', 'dry_run', 'simulated', 'it would have been restarted',
      (select jsonb_agg(jsonb_build_object('guard', 'guard-' || g, 'passed', true, 'measured', '1', 'limit', '5',
        'reason', 'within its limit')) from generate_series(1, 8) g), '["terminate it", "resubmit it"]'
    from incidents, unnest(array['restart-stuck-workflow', 'delete-stuck-pod']) playbook
    """,
    """
    insert into runs (incident_id, alert_id, playbook, version, mode, lineage, state, outcome, reason, confirm,
      escalate, steps, cursor, vars, entered_at, started_at, finished_at)
    select id, 'bench-' || id, 'restart-stuck-workflow', 'v1', 'live', 'lineage-' || id, 'finished', 'succeeded',
      'it runs again', 'true', true, '[{"action": "workflow.restart"}, {"action": "verify"}]', 2, '{}', opened_at,
      opened_at, opened_at + interval '5 minutes'
    from incidents where mod(id, 5) = 0
    """,
    """
    insert into journal (run_id, cursor, attempt, action, state, started_at, finished_at, result, error)
    select id, step, 1, 'workflow.restart', 'done', started_at, finished_at, '{"text": "done"}', ''
    from runs, generate_series(0, 1) step
    """,
    """
    insert into outbox (incident_id, place, address, act, key, payload, cause, state, attempts, created_at, sent_at,
      error, answer)
    select id, 'slack', '#alerts', act, 'bench:' || id || ':' || act,
      jsonb_build_object('text', repeat('what people are told ', 30)), 'it began', 'sent', 1, opened_at, opened_at, '',
      '{}'
    from incidents, unnest(array['post', 'update']) act
    """,
    """
    insert into archives (namespace, name, uid, content, labels, phase, started_at, finished_at, archived_at,
      archived_by, bucket, key, size, sha256, trouble)
    select namespace, workflow, 'uid-' || id, 'content-' || id, '{}', 'Succeeded', opened_at, closed_at, closed_at,
      'cleanup', 'bench', 'key-' || id, 6000, repeat('0', 64), ''
    from incidents where mod(id, 2) = 0 and closed_at is not null
    """,
    """
    insert into dead_letters (received_at, reason, place, body)
    select %(now)s::timestamptz - n * interval '1 hour', 'it is no message', 'alerts[0]', 'x'
    from generate_series(1, 500) n
    """,
    """
    insert into timeline (at, kind, text, incident_id, detail)
    select opened_at + line * interval '1 second', 'alert.fired', 'line ' || line, id, '{}'
    from (select * from incidents order by id desc limit 1) newest, generate_series(5, %(story)s) line
    """,
    """
    update alerts set incident_id = (select max(id) from incidents)
    where (starts_at, id) in (select starts_at, id from alerts order by starts_at desc limit 50)
    """,
)


@dataclass(frozen=True)
class Page:
    """A page, and the calls of the API that answer the same."""

    name: str
    path: str
    calls: tuple[str, ...]


def fill(url: str, rows: int) -> None:
    """Add to a history of so many alerts what belongs to them, and count its hours."""
    given = {"now": NOW, "span": SPAN, "incidents": rows // _ALERTS_OF_AN_INCIDENT, "open": _OPEN, "story": _STORY}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        for back in range(MONTHS + 1):
            start, end = (month_start(NOW, one - back) for one in (0, 1))
            connection.execute(
                f"create table if not exists timeline_p_{start:%Y%m} partition of timeline "
                f"for values from ('{start.isoformat()}') to ('{end.isoformat()}')"
            )
        for statement in _FILLS:
            connection.execute(statement, given)
        connection.execute("vacuum analyze")
    asyncio.run(_count(url))


def measure(url: str, folder: Path, *, rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Ask for each page and its calls in turn; gives the p50 of both in seconds, until the first byte."""
    with stand.receiver(folder, url, retention={"discard": False}) as receiver:
        return asyncio.run(_ask_all(f"http://127.0.0.1:{receiver.port}", rounds))


async def _count(url: str) -> None:
    database = Database(url, connections=2)
    await database.open()
    await count_up(database, datetime.now(UTC))
    await database.close()


async def _ask_all(service: str, rounds: int) -> dict[str, tuple[float, float]]:
    headers = {"Authorization": f"Bearer {stand.TOKEN}"}
    took: dict[str, list[tuple[float, float]]] = defaultdict(list)
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(service, headers=headers, connector=connector) as session:
        pages = await _pages(session)
        for number in range(rounds + _WARMING):
            for page in pages:
                begun = await _first_byte(session, page.path, accept="text/html")
                called = sum([await _first_byte(session, call) for call in page.calls])
                if number >= _WARMING:
                    took[page.name].append((begun, called))
    return {name: (median(one for one, _ in both), median(other for _, other in both)) for name, both in took.items()}


async def _pages(session: aiohttp.ClientSession) -> tuple[Page, ...]:
    incident = (await _read(session, "/api/v1/incidents?limit=1"))["items"][0]["id"]
    playbooks = await _playbooks(session)
    now = datetime.now(UTC)
    month = f"since={now - timedelta(days=28):%Y-%m-%dT%H:%M:%SZ}&until={now:%Y-%m-%dT%H:%M:%SZ}"
    counted = f"/api/v1/stats?{month}&step=1h&top=10"
    alerts = "/api/v1/alerts?limit=50"
    runs = "/api/v1/remediations?limit=3"
    story = f"/api/v1/incidents/{incident}"
    return (
        Page(
            "Now",
            "/",
            (
                "/api/v1/incidents?state=open&limit=200",
                "/api/v1/decisions?limit=200",
                "/api/v1/remediations?limit=50",
            ),
        ),
        Page("History", "/history", (alerts, counted)),
        Page(
            "… of one alert", "/history?alertname=Alert7", (f"{alerts}&alertname=Alert7", f"{counted}&alertname=Alert7")
        ),
        Page("History by a label", "/history?label=team%3Dsome", (f"{alerts}&label=team%3Dsome", counted)),
        Page(
            "History of one workflow",
            "/history?namespace=ns-13&workflow=flow-2013",
            (f"{alerts}&namespace=ns-13&workflow=flow-2013", f"{counted}&namespace=ns-13&workflow=flow-2013"),
        ),
        Page("History of incidents", "/history?kind=incidents", ("/api/v1/incidents?limit=50", counted)),
        Page(
            "Incident",
            f"/incidents/{incident}",
            (story, f"{story}/timeline?limit=500", f"/api/v1/decisions?incident={incident}&limit=500"),
        ),
        Page("Playbooks", "/playbooks", ("/api/v1/playbooks", *(f"{runs}&playbook={name}" for name in playbooks))),
        Page("Archives", "/archives", ("/api/v1/archives?limit=50",)),
        Page("Outbox", "/outbox", ("/api/v1/outbox?limit=50",)),
        Page("Outbox, what is dead", "/outbox?state=dead", ("/api/v1/outbox?limit=50&state=dead",)),
        Page("Dead letters", "/deadletters", ("/api/v1/deadletters?limit=50",)),
        Page("System", "/system", ("/readyz", "/metrics")),
    )


async def _playbooks(session: aiohttp.ClientSession) -> list[str]:
    """Name the playbooks, once they are loaded: the service answers before."""
    for _ in range(300):
        if found := (await _read(session, "/api/v1/playbooks"))["items"]:
            return [one["name"] for one in found]
        await asyncio.sleep(0.1)
    raise SystemExit("no playbook was loaded within 30 s")


async def _read(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json()


async def _first_byte(session: aiohttp.ClientSession, path: str, *, accept: str = "application/json") -> float:
    began = time.perf_counter()
    async with session.get(path, headers={"Accept": accept}) as answer:
        took = time.perf_counter() - began
        body = await answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:500]!r}")
    return took
