"""Receiver itself: what comes in and survives, what waits, who is told, who is asked, and what goes wrong."""

from collections.abc import Iterable
from typing import Final

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.grafana.pieces import QUARTER, THIRD, Query, frame, lines, number

_PER: Final = "[$__rate_interval]"


def board() -> Dashboard:
    """Make the dashboard."""
    begun = frame(
        "receiver",
        "Receiver",
        tags=["receiver"],
        description="What `/metrics` says of Receiver itself; docs/monitoring.md explains each metric.",
    )
    rows = {
        "Deliveries": _deliveries(),
        "Durability": _durability(),
        "Work": _work(),
        "Notifications": _notifications(),
        "Asking Alertmanager": _asking(),
        "Processes": _processes(),
    }
    for title, panels in rows.items():
        begun.with_row(Row(title))
        for panel in panels:
            begun.with_panel(panel)
    return begun


def _deliveries() -> Iterable[timeseries.Panel]:
    buckets = f"sum by (le) (rate(receiver_delivery_seconds_bucket{_PER}))"
    yield lines(
        "Deliveries",
        "By the status that answered them. Anything but 2xx comes again: see ReceiverDeliveriesFailing.",
        Query(expr=f"sum by (answer) (rate(receiver_deliveries_total{_PER}))", legend="{{answer}}"),
        unit="reqps",
        span=THIRD,
    )
    yield lines(
        "Time until a delivery is durable",
        "From its first byte to its answer.",
        Query(expr=f"histogram_quantile(0.5, {buckets})", legend="half of them within"),
        Query(expr=f"histogram_quantile(0.99, {buckets})", legend="99 % within"),
        unit="s",
        span=THIRD,
    )
    yield lines(
        "Alerts",
        "In recorded deliveries, by what they changed.",
        Query(expr=f"sum by (change) (rate(receiver_alerts_total{_PER}))", legend="{{change}}"),
        span=THIRD,
    )


def _durability() -> Iterable[stat.Panel | timeseries.Panel]:
    yield number(
        "Database",
        "As the replica sees it that sees least. While it is away, deliveries go to the spool.",
        Query(expr="min(receiver_database_up)"),
        words={"1": ("up", "green"), "0": ("away", "red")},
    )
    yield number(
        "Fullest spool",
        "Once it is full, deliveries are answered 503 until Postgres is back.",
        Query(expr="max(receiver_spool_bytes / receiver_spool_bytes_limit)"),
        unit="percentunit",
        steps={0.67: "orange", 0.8: "red"},
    )
    yield number(
        "Oldest delivery in a spool",
        "It is answered and safe, and not yet acted upon.",
        Query(expr="max(receiver_spool_oldest_seconds)"),
        unit="s",
        steps={60: "orange", 600: "red"},
    )
    yield number(
        "Dead letters",
        "Bodies that were not understood, and about which nobody has decided: `receiver deadletter list`.",
        Query(expr="max(receiver_deadletters_open)"),
        steps={1: "orange"},
    )
    yield lines(
        "Deliveries in the spool",
        "They wait for Postgres, on the disk of each replica.",
        Query(expr="receiver_spool_deliveries", legend="{{instance}}"),
    )
    yield lines(
        "In and out of the spool",
        "Drained ones are recorded.",
        Query(expr=f"sum(rate(receiver_spool_appended_total{_PER}))", legend="in"),
        Query(expr=f"sum(rate(receiver_spool_drained_total{_PER}))", legend="out"),
        unit="reqps",
    )


def _work() -> Iterable[stat.Panel | timeseries.Panel]:
    yield number(
        "Open incidents",
        "Incidents that are not over: `receiver incidents list`.",
        Query(expr="max(receiver_incidents_open)"),
    )
    yield number(
        "Parts that fail",
        "They are tried again; `/readyz` and the log say which and why.",
        Query(expr="sum(receiver_parts_failing)"),
        steps={1: "red"},
    )
    yield number(
        "Oldest message to be sent",
        "See ReceiverQueueGrowing.",
        Query(expr="max(receiver_outbox_oldest_seconds)"),
        unit="s",
        steps={300: "orange", 900: "red"},
    )
    yield number(
        "Playbooks refused",
        "1 while the newest version of the folder is wrong and an older one is in use.",
        Query(expr="max(receiver_playbooks_stale) or on () vector(0)"),
        words={"0": ("none", "green"), "1": ("the newest", "red")},
    )
    yield lines(
        "Jobs that wait",
        "No worker has taken them yet. Where they only grow, more workers are needed, or none runs.",
        Query(expr="max by (kind) (receiver_jobs_waiting)", legend="{{kind}}"),
    )
    yield lines(
        "Complaints in the log",
        "Lines by level; the log itself says what about.",
        Query(expr=f"sum by (level) (increase(receiver_log_lines_total{_PER}))", legend="{{level}}"),
    )


def _notifications() -> Iterable[timeseries.Panel]:
    yield lines(
        "Outbox",
        "Messages that are still to be sent.",
        Query(expr="max by (place) (receiver_outbox_pending)", legend="{{place}}"),
        span=THIRD,
    )
    yield lines(
        "Messages within an hour",
        "Dead ones reached nobody: `receiver outbox list`.",
        Query(expr='max by (kind) (receiver_events_last_hour{kind=~"message[.].*"})', legend="{{kind}}"),
        span=THIRD,
    )
    yield lines(
        "How long messages waited",
        "Of those that were sent within an hour.",
        Query(
            expr="max by (quantile) (receiver_message_delay_seconds_last_hour)",
            legend="{{quantile}}",
        ),
        unit="s",
        span=THIRD,
    )


def _asking() -> Iterable[stat.Panel | timeseries.Panel]:
    yield lines(
        "Alertmanagers",
        "Whether they answered when they were last asked. While one fails, nothing is concluded.",
        Query(expr="max by (state) (receiver_alertmanagers)", legend="{{state}}"),
        span=THIRD,
    )
    yield lines(
        "Since the last round of asking",
        "It grows while no replica asks.",
        Query(expr="time() - max(receiver_alertmanagers_asked_timestamp_seconds)", legend="since"),
        unit="s",
        span=THIRD,
    )
    kinds = "alert[.](closed|late|confirmed|suppressed|undecided)|group[.].*"
    yield lines(
        "What asking found within an hour",
        "alert.closed: nobody had resolved it, and no Alertmanager has it any more.",
        Query(expr=f'max by (kind) (receiver_events_last_hour{{kind=~"{kinds}"}})', legend="{{kind}}"),
        span=THIRD,
    )


def _processes() -> Iterable[timeseries.Panel]:
    ours = '{job=~"receiver.*"}'
    yield lines(
        "Memory",
        "Resident.",
        Query(expr=f"process_resident_memory_bytes{ours}", legend="{{job}} {{instance}}"),
        unit="bytes",
    )
    yield lines(
        "CPU",
        "1 is one core.",
        Query(expr=f"rate(process_cpu_seconds_total{ours}{_PER})", legend="{{job}} {{instance}}"),
        unit="percentunit",
        span=QUARTER,
    )
    yield lines(
        "Open files",
        "Sockets among them.",
        Query(expr=f"process_open_fds{ours}", legend="{{job}} {{instance}}"),
        span=QUARTER,
    )
