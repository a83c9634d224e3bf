"""`/metrics`: what Prometheus reads, of the process and of what is open in the database.

The numbers of the database are read at most every few seconds, however often Prometheus asks. While the database is
away they are left out, and `receiver_database_up` says why; the rest is shown as ever.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from receiver.model.errors import StoreError
from receiver.model.message import Place
from receiver.model.remediation import RunState
from receiver.store.database import Database, within
from receiver.store.history.counts import Counts, count_open
from receiver.store.spool import Figures
from receiver.web.access import OPEN

FRESH: Final = timedelta(seconds=5)
"""For which the numbers of the database are shown again."""

PATIENCE: Final = timedelta(seconds=2)
"""With which the database is waited for; Prometheus gives up after ten seconds."""

_log = structlog.get_logger(__name__)


class OpenCounts(Collector):
    """What is open in the database, as gauges.

    Args:
        database: Where it is counted.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._counted_at: float | None = None
        self._counts: Counts | None = None

    async def refresh(self) -> None:
        """Count again, unless that was done a moment ago."""
        now = self._clock()
        if self._counted_at is not None and now - self._counted_at < FRESH.total_seconds():
            return
        self._counted_at = now
        try:
            self._counts = await within(PATIENCE, self._count())
        except StoreError as error:
            self._counts = None
            _log.warning("metrics_without_database", reason=str(error))

    async def _count(self) -> Counts:
        async with self._database.transaction() as tx:
            return await count_open(tx)

    def collect(self) -> Iterator[Metric]:
        """Give the gauges as of the last counting."""
        counts = self._counts
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


class Exposition:
    """All that is shown.

    Args:
        registry: Where the rooms put their own counters; metrics of the process are added here.
        counts: What is open in the database.
    """

    def __init__(self, registry: CollectorRegistry, counts: OpenCounts) -> None:
        self._registry = registry
        self._counts = counts
        registry.register(counts)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    async def write(self, accept: str) -> tuple[bytes, str]:
        """Write the metrics in a format that is accepted; returns them with the format's name."""
        await self._counts.refresh()
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
