"""The resource monitor: what the container of an agent uses, as figures to be scraped or pushed."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from receiver.agent.cgroup import Reading

JOB: Final = "resource-monitoring"

_SHORTEST: Final = timedelta(seconds=1)
"""Between two readings from which a rate is made: over less, the steps of the kernel's own clock show."""


class Usage(Collector):
    """The figures of one container, read whenever they are asked for.

    Args:
        workflow: Its name; every figure carries it.
        agent: Its type.
        read: Reads what was used until now.
        clock: Seconds that never go back.
    """

    def __init__(
        self, workflow: str, agent: str, read: Callable[[], Reading], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._labels: Final = [workflow, agent]
        self._read: Final = read
        self._clock: Final = clock
        self._before: tuple[float, Reading] = clock(), read()
        self._percent: float | None = None

    def registry(self) -> CollectorRegistry:
        """Give a registry of these figures alone."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: to read is cheap, and nobody else has these names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read, and give all figures; the share of CPU from the second reading on."""
        now = self._read()
        self._compare(now)
        cpu = GaugeMetricFamily(
            "workflow_detailed_cpu_usage_percent",
            "CPU that the container used since the reading before; 100 is its limit, or one core where it has none",
            labels=["workflow", "agent"],
        )
        if self._percent is not None:
            cpu.add_metric(self._labels, self._percent)
        yield cpu
        yield self._family(
            GaugeMetricFamily("workflow_detailed_memory_usage_bytes", "Memory of the container", labels=_TYPED),
            used=now.memory_used,
            available=max(0, now.memory_limit - now.memory_used),
        )
        yield self._family(
            CounterMetricFamily("workflow_disk_io_bytes", "What the container read and wrote", labels=_TYPED),
            read=now.disk_read,
            write=now.disk_written,
        )
        yield self._family(
            CounterMetricFamily("workflow_network_io_bytes", "What the pod received and sent", labels=_TYPED),
            received=now.received,
            sent=now.sent,
        )

    def _compare(self, now: Reading) -> None:
        at = self._clock()
        before_at, before = self._before
        if at - before_at < _SHORTEST.total_seconds():
            return
        cores = (now.cpu - before.cpu).total_seconds() / (at - before_at)
        self._percent = max(0.0, 100 * cores / (now.cores or 1.0))
        self._before = at, now

    def _family(self, family: GaugeMetricFamily | CounterMetricFamily, **values: int) -> Metric:
        for kind, value in values.items():
            family.add_metric([*self._labels, kind], value)
        return family


_TYPED: Final = ["workflow", "agent", "type"]
