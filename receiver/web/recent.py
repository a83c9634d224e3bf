"""What happened lately, as gauges: the same from each replica, so dashboards take the greatest and never the sum."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from receiver.model.timeline import Kind
from receiver.store.database import Database
from receiver.store.history.recent import Recent, count_recent
from receiver.web.presses import VERDICTS
from receiver.web.sample import Sample

FRESH: Final = timedelta(seconds=30)
"""For which the numbers are shown again: they are about an hour and a day, and cost more than what is open."""


class RecentCounts(Collector):
    """What happened within the last hour and the last day.

    Args:
        database: Where it is counted.
    """

    def __init__(self, database: Database) -> None:
        self._sample: Sample[Recent] = Sample(database, count_recent, fresh=FRESH)

    async def refresh(self) -> None:
        """Count again, unless that was done a moment ago."""
        await self._sample.refresh()

    def collect(self) -> Iterator[Metric]:
        """Give the gauges as of the last counting; none while the database is away."""
        recent = self._sample.numbers
        if recent is None:
            return
        events = GaugeMetricFamily(
            "receiver_events_last_hour", "Lines of the timeline within the last hour, by kind.", labels=["kind"]
        )
        for kind in Kind:
            events.add_metric([kind.value], recent.events.get(kind.value, 0))
        yield events
        yield _quantiles(
            "receiver_message_delay_seconds_last_hour",
            "How long messages that were sent within the last hour had waited, by quantile.",
            recent.delays,
        )
        yield _pairs(
            "receiver_playbook_outcomes_last_day",
            "How playbooks ended within the last day, whether they began a run or not.",
            ("playbook", "outcome"),
            recent.ended,
        )
        yield _pairs(
            "receiver_playbook_refusals_last_day",
            "What guards refused within the last day, by the first guard that did.",
            ("playbook", "guard"),
            recent.refused,
        )
        presses = GaugeMetricFamily(
            "receiver_slack_presses_last_day",
            "Presses of buttons, and what came in Slack's name, within the last day, by verdict.",
            labels=["verdict"],
        )
        for verdict in VERDICTS:
            presses.add_metric([verdict], recent.presses.get(verdict, 0))
        yield presses
        yield GaugeMetricFamily(
            "receiver_incidents_closed_last_day",
            "Incidents that were closed within the last day.",
            value=recent.healing.closed,
        )
        yield GaugeMetricFamily(
            "receiver_incidents_healed_last_day",
            "Those of them that a playbook healed, as was seen, without any person.",
            value=recent.healing.healed,
        )
        yield _quantiles(
            "receiver_heal_seconds_last_day",
            "From the opening of an incident to the end of the run that was seen to help, by quantile.",
            recent.heal_times,
        )


def _pairs(
    name: str, description: str, labels: tuple[str, str], numbers: Mapping[tuple[str, str], int]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, description, labels=labels)
    for pair, number in sorted(numbers.items()):
        gauge.add_metric(pair, number)
    return gauge


def _quantiles(name: str, description: str, lengths: Mapping[float, timedelta]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, description, labels=["quantile"])
    for quantile, length in lengths.items():
        gauge.add_metric([f"{quantile:g}"], length.total_seconds())
    return gauge
