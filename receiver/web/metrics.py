"""`/metrics`: what Prometheus reads, of the process and of what is open in the database.

The numbers of the database are read at most every few seconds, however often Prometheus asks. While the database is
away they are left out, and `receiver_database_up` says why; the rest is shown as ever.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from receiver.model.message import Place
from receiver.model.remediation import RunState
from receiver.store.database import Database
from receiver.store.history.counts import Counts, count_open
from receiver.store.jobs import Job
from receiver.store.spool import Figures
from receiver.web.access import OPEN
from receiver.web.recent import RecentCounts
from receiver.web.sample import Sample

FRESH: Final = timedelta(seconds=5)
"""For which the numbers of the database are shown again."""


class OpenCounts(Collector):
    """What is open in the database, as gauges.

    Args:
        database: Where it is counted.
    """

    def __init__(self, database: Database) -> None:
        self._sample: Sample[Counts] = Sample(database, count_open, fresh=FRESH)

    async def refresh(self) -> None:
        """Count again, unless that was done a moment ago."""
        await self._sample.refresh()

    def collect(self) -> Iterator[Metric]:
        """Give the gauges as of the last counting."""
        counts = self._sample.numbers
        yield GaugeMetricFamily("receiver_database_up", "1 while the database answers.", value=int(counts is not None))
        if counts is None:
            return
        yield _by("receiver_outbox_pending", "Messages still to be sent.", "place", Place, counts.outbox_pending)
        yield GaugeMetricFamily(
            "receiver_outbox_oldest_seconds",
            "Age of the oldest message that is still to be sent; 0 when there is none.",
            value=max(0.0, (datetime.now(UTC) - counts.outbox_oldest).total_seconds()) if counts.outbox_oldest else 0.0,
        )
        yield GaugeMetricFamily("receiver_incidents_open", "Incidents that are not over.", value=counts.incidents_open)
        active = [state for state in RunState if state is not RunState.FINISHED]
        yield _by("receiver_runs_active", "Remediations that are not finished.", "state", active, counts.runs_active)
        yield GaugeMetricFamily(
            "receiver_deadletters_open",
            "Bodies that were not understood, and about which nobody has decided.",
            value=counts.deadletters_open,
        )
        waiting = GaugeMetricFamily("receiver_jobs_waiting", "Jobs that no worker has taken yet.", labels=["kind"])
        for job in Job:
            waiting.add_metric([job.title], counts.jobs_waiting.get(job.title, 0))
        yield waiting
        peers = GaugeMetricFamily(
            "receiver_alertmanagers",
            "Alertmanagers that are asked, by whether they answered the last time.",
            labels=["state"],
        )
        peers.add_metric(["answering"], counts.peers_answering)
        peers.add_metric(["failing"], counts.peers_failing)
        yield peers
        if counts.peers_asked_at is not None:
            yield GaugeMetricFamily(
                "receiver_alertmanagers_asked_timestamp_seconds",
                "When the Alertmanager was asked that was not for longest.",
                value=counts.peers_asked_at.timestamp(),
            )


class SpoolFigures(Collector):
    """How full the spool is.

    Args:
        read: Looks at the spool of this process.
    """

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they are now."""
        now = self._read()
        age = max(0.0, (datetime.now(UTC) - now.oldest).total_seconds()) if now.oldest else 0.0
        yield GaugeMetricFamily("receiver_spool_bytes", "Bytes that the spool takes on disk.", value=now.size)
        yield GaugeMetricFamily("receiver_spool_bytes_limit", "Bytes that it may take.", value=now.most)
        yield GaugeMetricFamily("receiver_spool_deliveries", "Deliveries that wait in the spool.", value=now.waiting)
        yield GaugeMetricFamily(
            "receiver_spool_oldest_seconds", "Age of the oldest delivery in the spool; 0 when it is empty.", value=age
        )
        yield CounterMetricFamily("receiver_spool_appended", "Deliveries that went to the spool.", value=now.appended)
        yield CounterMetricFamily("receiver_spool_drained", "Deliveries recorded from the spool.", value=now.drained)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloads:
    """What became of the changes to the folder of playbooks since the process began.

    Attributes:
        taken: How often the playbooks were replaced.
        refused: How often a change was not taken, since a playbook in it is wrong.
        stale: Whether the newest version of the folder is not the one in use.
    """

    taken: int
    refused: int
    stale: bool


class ReloadFigures(Collector):
    """Whether changed playbooks are taken.

    Args:
        read: Looks at what reads the folder of this process.
    """

    def __init__(self, read: Callable[[], Reloads]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they are now."""
        now = self._read()
        reloads = CounterMetricFamily(
            "receiver_playbooks_reloads",
            "Changes of the folder of playbooks by what became of them.",
            labels=["result"],
        )
        reloads.add_metric(["taken"], now.taken)
        reloads.add_metric(["refused"], now.refused)
        yield reloads
        yield GaugeMetricFamily(
            "receiver_playbooks_stale",
            "1 while the newest version of the playbooks is refused and an older one is in use.",
            value=int(now.stale),
        )


class WorkFigures(Collector):
    """Whether the parts of the work go on, and what the log complains of.

    Args:
        failing: How many parts of the work do not run at the moment.
        lines: Lines of the log from warnings up since the process began, by level.
    """

    def __init__(self, failing: Callable[[], int], lines: Callable[[], Mapping[str, int]]) -> None:
        self._failing = failing
        self._lines = lines

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they are now."""
        yield GaugeMetricFamily(
            "receiver_parts_failing",
            "Parts of the work that do not run and are tried again; `/readyz` names them.",
            value=self._failing(),
        )
        lines = CounterMetricFamily("receiver_log_lines", "Lines of the log, from warnings up.", labels=["level"])
        for level, number in self._lines().items():
            lines.add_metric([level], number)
        yield lines


class Exposition:
    """All that is shown.

    Args:
        registry: Where the rooms put their own counters; metrics of the process are added here.
        database: What is open in it, and what happened lately, are shown too.
    """

    def __init__(self, registry: CollectorRegistry, database: Database) -> None:
        self._registry = registry
        self._counts = OpenCounts(database)
        self._recent = RecentCounts(database)
        registry.register(self._counts)
        registry.register(self._recent)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    async def write(self, accept: str) -> tuple[bytes, str]:
        """Write the metrics in a format that is accepted; returns them with the format's name."""
        await asyncio.gather(self._counts.refresh(), self._recent.refresh())
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


@get("/metrics", opt=OPEN, tags=["health"], summary="Metrics for Prometheus", operation_id="getMetrics", security=[])
async def metrics(request: Request[Any, Any, Any], exposition: NamedDependency[Exposition]) -> Response[bytes]:
    """Answer in Prometheus' text format, or in OpenMetrics where that is asked for."""
    body, content_type = await exposition.write(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


def _by(name: str, text: str, label: str, values: Any, numbers: dict[str, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for one in values:
        gauge.add_metric([one.value], numbers.get(one.value, 0))
    return gauge
