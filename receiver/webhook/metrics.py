"""What Prometheus may count at the door. Every label has few values, whatever is posted."""

from datetime import timedelta
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Histogram

from receiver.model.alert import Receipt

GONE = "gone"
"""Answer of a delivery whose sender hung up before it was read."""


class DoorMetrics:
    """Counts and times of deliveries.

    Args:
        registry: Where they are shown; one door a registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deliveries = Counter(
            "receiver_deliveries",
            "Deliveries of Alertmanager by the status that answered them; gone: the sender hung up.",
            ["answer"],
            registry=registry,
        )
        self._duration = Histogram(
            "receiver_delivery_seconds",
            "From the first byte of a delivery to its answer, which is given once it is durable.",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self._alerts = Counter(
            "receiver_alerts",
            "Alerts in recorded deliveries by what they changed.",
            ["change"],
            registry=registry,
        )
        # Looked up once: a lookup costs as much as the rest of a delivery's bookkeeping.
        self._changes = {change: self._alerts.labels(change) for change in ("new", "updated", "repeated", "resolved")}
        self._answers: dict[HTTPStatus | None, Counter] = {}
        for answer in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE):
            self._answer(answer)

    def answered(self, status: HTTPStatus | None, took: timedelta) -> None:
        """Count one delivery by its answer; None where the sender was gone."""
        (self._answers.get(status) or self._answer(status)).inc()
        self._duration.observe(took.total_seconds())

    def recorded(self, receipt: Receipt) -> None:
        """Count the alerts of a delivery that is durable."""
        for change, counter in self._changes.items():
            count: int = getattr(receipt, change)
            if count:
                counter.inc(count)

    def _answer(self, status: HTTPStatus | None) -> Counter:
        counter = self._deliveries.labels(GONE if status is None else str(status.value))
        self._answers[status] = counter
        return counter
