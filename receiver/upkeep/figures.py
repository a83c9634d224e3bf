"""What Prometheus reads of the fleet.

Every workflow that is not over keeps series of its own, whatever their number. One that is over keeps them for an hour,
so that its end is seen; after that it is one of a sum, but for the oldest, which wait to be archived. So the number of
series is bounded by what runs, and by three constants of this module.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from heapq import nlargest, nsmallest
from itertools import chain
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from receiver.model.fleet import PodDigest, WorkflowDigest
from receiver.model.workflow import Phase
from receiver.upkeep.fleet import Followed, Watch

KEPT: Final = timedelta(hours=1)
"""For which a finished workflow has series of its own: four times as long as WorkflowFailed looks back."""
MOST_KEPT: Final = 1_000
"""Finished workflows with series of their own, failed ones first, then the newest: one that ends each second must not
fill Prometheus, nor hide a failure."""
MOST_AGED: Final = 200
"""Finished workflows whose age is shown, the oldest; as they are archived and deleted, the next ones follow."""
SILENT: Final = timedelta(minutes=5)
"""For which the cluster may be silent, as for ReceiverExporterStale: a quiet watch is renewed every two minutes."""

_WORKFLOW: Final = ("namespace", "workflow_name", "phase", "agent")
_WHOSE: Final = ("namespace", "workflow_name", "agent")


class FleetFigures(Collector):
    """The figures of a fleet.

    Args:
        fleet: What is known of it.
        now: The present time.
    """

    def __init__(self, fleet: Followed, now: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Give all figures as they are known now.

        A namespace is left out until its workflows and its pods were both seen: without their pods, workflows would
        look idler than they are.
        """
        yield from _freshness(self._fleet)
        now, fleet = self._now().timestamp(), self._fleet
        seen = {one.namespace for one in fleet.workflows if one.lists} & {
            one.namespace for one in fleet.pods if one.lists
        }
        # Copied at once: another thread may write these while the metrics are encoded.
        workflows = [one for watch in fleet.workflows if watch.namespace in seen for one in list(watch.known.values())]
        pods = [one for watch in fleet.pods if watch.namespace in seen for one in list(watch.known.values())]
        blind = _blind(fleet, seen, now)
        over = [one for one in workflows if one.phase.finished]
        active = [one for one in workflows if not one.phase.finished]
        recent = [one for one in over if now - one.phase_started < KEPT.total_seconds()]
        recent = nlargest(MOST_KEPT, recent, key=lambda one: (one.phase is not Phase.SUCCEEDED, one.phase_started))
        agents = {(one.namespace, one.name): one.agent for one in workflows}
        yield from _phases([*active, *recent])
        yield from _progress(active, pods, blind)
        yield from _ends(over, now)
        yield from _of_pods(pods, agents, blind)


def _blind(fleet: Followed, seen: set[str], now: float) -> float:
    """Say for how long nobody could see whether anything moves, in seconds.

    By so much idleness is not counted: an API server that is away must make no workflow look stuck, nor end an alert.
    """
    watches = chain[Watch[WorkflowDigest] | Watch[PodDigest]](fleet.workflows, fleet.pods)
    heard = min((watch.confirmed_at for watch in watches if watch.namespace in seen), default=now)
    return max(0.0, now - heard - SILENT.total_seconds())


def _phases(shown: Iterable[WorkflowDigest]) -> Iterator[Metric]:
    started = GaugeMetricFamily("argo_workflow_start_time", "When the workflow was started.", labels=_WORKFLOW)
    since = GaugeMetricFamily(
        "argo_workflow_status_phase_start_time", "Since when the workflow has been in its phase.", labels=_WORKFLOW
    )
    for one in shown:
        labels = [one.namespace, one.name, one.phase.value, one.agent]
        started.add_metric(labels, one.started)
        since.add_metric(labels, one.phase_started)
    yield started
    yield since


def _progress(active: Iterable[WorkflowDigest], pods: Iterable[PodDigest], blind: float) -> Iterator[Metric]:
    moved = GaugeMetricFamily(
        "workflow_progress_timestamp_seconds",
        "When something in the unfinished workflow last moved; without a value where its steps cannot be read.",
        labels=("namespace", "workflow_name"),
    )
    suspended = GaugeMetricFamily(
        "workflow_suspended", "1 while the unfinished workflow waits for a person.", labels=_WHOSE
    )
    signs: dict[tuple[str, str], float] = {}
    for pod in pods:
        whose = (pod.namespace, pod.workflow)
        signs[whose] = max(pod.progress, signs.get(whose, 0.0))
    for one in active:
        suspended.add_metric([one.namespace, one.name, one.agent], int(one.suspended))
        if one.progress is not None:
            newest = max(one.progress, signs.get((one.namespace, one.name), 0.0))
            moved.add_metric([one.namespace, one.name], newest + blind)
    yield moved
    yield suspended


def _ends(over: Iterable[WorkflowDigest], now: float) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "workflow_finished_age_seconds",
        "How long ago the workflow ended, of those that ended first and are still in the cluster.",
        labels=_WHOSE,
    )
    sums = GaugeMetricFamily(
        "workflow_finished", "Finished workflows that are in the cluster.", labels=("namespace", "phase")
    )
    over = list(over)
    for one in nsmallest(MOST_AGED, over, key=lambda one: one.phase_started):
        age.add_metric([one.namespace, one.name, one.agent], max(0.0, now - one.phase_started))
    counted: dict[tuple[str, str], int] = {}
    for one in over:
        counted[one.namespace, one.phase.value] = counted.get((one.namespace, one.phase.value), 0) + 1
    for labels, number in counted.items():
        sums.add_metric(labels, number)
    yield age
    yield sums


def _of_pods(pods: Iterable[PodDigest], agents: dict[tuple[str, str], str], blind: float) -> Iterator[Metric]:
    names = ("namespace", "pod", "workflow_name", "agent")
    known = GaugeMetricFamily("workflow_pod_info", "1 for each unfinished pod of a workflow.", labels=names)
    waiting = GaugeMetricFamily(
        "workflow_pod_waiting_start_time", "Since when the pod has waited for its start.", labels=(*names, "reason")
    )
    for pod in pods:
        labels = [pod.namespace, pod.name, pod.workflow, agents.get((pod.namespace, pod.workflow), "")]
        known.add_metric(labels, 1)
        if pod.waiting_since is not None:
            waiting.add_metric([*labels, pod.reason], pod.waiting_since + blind)
    yield known
    yield waiting


def _freshness(fleet: Followed) -> Iterator[Metric]:
    confirmed = GaugeMetricFamily(
        "receiver_exporter_confirmed_timestamp_seconds",
        "When the cluster was last heard of, in the namespace where that is longest ago; 0 before the first list.",
        labels=("kind",),
    )
    lists = CounterMetricFamily("receiver_exporter_lists", "How often everything was listed.", labels=("kind",))
    failures = CounterMetricFamily(
        "receiver_exporter_failures", "How often the cluster was asked in vain.", labels=("kind",)
    )
    by_kind: dict[str, list[Watch[WorkflowDigest] | Watch[PodDigest]]] = {}
    for watch in chain[Watch[WorkflowDigest] | Watch[PodDigest]](fleet.workflows, fleet.pods):
        by_kind.setdefault(watch.kind, []).append(watch)
    for kind, watches in by_kind.items():
        confirmed.add_metric([kind], min(watch.confirmed_at for watch in watches))
        lists.add_metric([kind], sum(watch.lists for watch in watches))
        failures.add_metric([kind], sum(watch.failures for watch in watches))
    yield confirmed
    yield lists
    yield failures
