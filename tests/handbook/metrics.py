"""The reference of the metrics, from the registries of all that answers `/metrics` or pushes."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from receiver.agent.board import Round
from receiver.agent.cgroup import Reading
from receiver.agent.health import Health
from receiver.agent.resources import Usage
from receiver.agent.synthetic import registry_of
from receiver.store.history.counts import Counts
from receiver.store.history.recent import QUANTILES, Recent
from receiver.store.spool import Figures
from receiver.store.stats import Healing
from receiver.upkeep.deadletters import LetterBound
from receiver.upkeep.figures import FleetFigures
from receiver.upkeep.fleet import Followed
from receiver.web.metrics import OpenCounts, ReloadFigures, Reloads, SpoolFigures, WorkFigures
from receiver.web.recent import RecentCounts
from receiver.webhook.metrics import DoorMetrics
from tests.handbook.prose import table

_ABOUT: Final = """\
All metrics of Receiver, with their help texts. [Watching Receiver](../monitoring.md) tells which of them are of one
process and which of the rows that all replicas share; [the exporter](../exporter.md) and
[beside the agents](../agents.md) tell what stands behind theirs. `process_…` and `python_…` are there as in every
Python program.
"""

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_DATABASE: Final[Any] = None
"""Is never asked: what it would say stands below, with one of everything."""

_COUNTS: Final = Counts(
    outbox_pending={},
    outbox_oldest=_NOW,
    incidents_open=1,
    runs_active={},
    deadletters_open=1,
    jobs_waiting={},
    peers_answering=1,
    peers_failing=1,
    peers_asked_at=_NOW,
)

_RECENT: Final = Recent(
    events={},
    delays=dict.fromkeys(QUANTILES, timedelta(seconds=1)),
    ended={("restart-stuck-workflow", "succeeded"): 1},
    refused={("restart-stuck-workflow", "cooldown"): 1},
    healing=Healing(closed=1, healed=1),
    presses={},
    heal_times=dict.fromkeys(QUANTILES, timedelta(seconds=1)),
)

_READING: Final = Reading(
    cpu=timedelta(), cores=1.0, memory_used=1, memory_limit=2, disk_read=1, disk_written=1, received=1, sent=1
)


def page() -> str:
    """Write the page."""
    lines = ["# Metrics", "", _ABOUT]
    for title, families in (
        ("The service and its workers", _service()),
        ("The exporter", _exporter()),
        ("Beside the agents", _agent()),
    ):
        rows = [_row(one) for one in sorted(families, key=lambda one: one.name)]
        lines += [f"## {title}", "", *table(["metric", "type", "labels", "what it says"], rows)]
    return "\n".join(lines)


def _row(family: Metric) -> tuple[str, str, str, str]:
    counts = family.type == "counter"
    labels = getattr(family, "_labelnames", None) or sorted({name for one in family.samples for name in one.labels})
    shown = [name for name in labels if name != "le"]
    return (
        f"`{family.name}{'_total' if counts else ''}`",
        family.type,
        ", ".join(f"`{name}`" for name in shown),
        family.documentation,
    )


def _service() -> Iterable[Metric]:
    registry = CollectorRegistry()
    DoorMetrics(registry)
    registry.register(SpoolFigures(lambda: Figures(size=0, most=1, waiting=0, oldest=_NOW, appended=0, drained=0)))
    registry.register(ReloadFigures(lambda: Reloads(taken=0, refused=0, stale=False)))
    registry.register(WorkFigures(lambda: 0, lambda: {"warning": 0}))
    LetterBound(_DATABASE, most=1, settled_for=timedelta(days=1), registry=registry, now=lambda: _NOW)
    counts, recent = OpenCounts(_DATABASE), RecentCounts(_DATABASE)
    counts._sample.numbers = _COUNTS
    recent._sample.numbers = _RECENT
    registry.register(counts)
    registry.register(recent)
    return registry.collect()


def _exporter() -> Iterable[Metric]:
    return FleetFigures(Followed(workflows=(), pods=()), lambda: _NOW).collect()


def _agent() -> Iterator[Metric]:
    seen = Round(at=_NOW, took=timedelta(), failures={}, names=("rex",))
    yield from registry_of(seen).collect()
    yield from Usage("a-workflow", "rex", lambda: _READING).collect()
    health = Health("rex", [], fresh=timedelta(seconds=1))
    health.pages["/health"]("")
    yield from health._registry.collect()
