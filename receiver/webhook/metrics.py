"""What Prometheus may count at the door. Every label has few values, whatever is posted."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from receiver.model.alert import Receipt

GONE = "gone"
"""Answer of a delivery whose sender hung up before it was read."""

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, float("inf"))
"""Upper ends of the histogram's buckets, in seconds."""

_USUAL: Final = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)
"""Answers that are shown before the first of them is given, so that an increase from nothing shows as one."""


class DoorMetrics(Collector):
    """Counts and times of deliveries.

    They are kept as plain numbers, and put into Prometheus' form when it asks, since its own counters take thrice as
    long. All are written by the one thread of the event loop.

    Args:
        registry: Where they are shown; one door a registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers: Counter[HTTPStatus | None] = Counter(dict.fromkeys(_USUAL, 0))
        self._changes = {"new": 0, "updated": 0, "repeated": 0, "resolved": 0}
        self._took = [0] * len(_BOUNDS)
        self._seconds = 0.0
        registry.register(self)

    def answered(self, status: HTTPStatus | None, took: timedelta) -> None:
        """Count one delivery by its answer; None where the sender was gone."""
        seconds = took.total_seconds()
        self._answers[status] += 1
        self._took[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def recorded(self, receipt: Receipt) -> None:
        """Count the alerts of a delivery that is durable."""
        changes = self._changes
        changes["new"] += receipt.new
        changes["updated"] += receipt.updated
        changes["repeated"] += receipt.repeated
        changes["resolved"] += receipt.resolved

    def collect(self) -> Iterator[Metric]:
        """Give the counts as they are now."""
        deliveries = CounterMetricFamily(
            "receiver_deliveries",
            "Deliveries of Alertmanager by the status that answered them; gone: the sender hung up.",
            labels=["answer"],
        )
        for status, count in self._answers.items():
            deliveries.add_metric([GONE if status is None else str(status.value)], count)
        yield deliveries
        duration = HistogramMetricFamily(
            "receiver_delivery_seconds",
            "From the first byte of a delivery to its answer, which is given once it is durable.",
        )
        ends = map(floatToGoString, _BOUNDS)
        duration.add_metric([], list(zip(ends, accumulate(self._took), strict=True)), sum_value=self._seconds)
        yield duration
        alerts = CounterMetricFamily(
            "receiver_alerts", "Alerts in recorded deliveries by what they changed.", labels=["change"]
        )
        for change, count in self._changes.items():
            alerts.add_metric([change], count)
        yield alerts
