"""What Prometheus reads of a fleet, and that its size is bounded by what runs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from receiver.model.fleet import PodDigest, WorkflowDigest
from receiver.model.workflow import Phase
from receiver.upkeep import figures
from receiver.upkeep.figures import FleetFigures
from receiver.upkeep.fleet import Followed, Watch

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATE = NOW.timestamp()


def ended(name: str, hours: float) -> WorkflowDigest:
    return digest(name, phase=Phase.SUCCEEDED, phase_started=LATE - hours * 3_600)


def digest(name: str, **other: object) -> WorkflowDigest:
    values: dict[str, object] = {
        "namespace": "argo",
        "name": name,
        "uid": name,
        "phase": Phase.RUNNING,
        "agent": "rex",
        "started": LATE - 7_200,
        "phase_started": LATE - 7_100,
        "progress": LATE - 3_600,
        "moved": 1,
        "suspended": False,
    }
    return WorkflowDigest(**(values | other))  # type: ignore[arg-type]


def pod(name: str, workflow: str, **other: object) -> PodDigest:
    values: dict[str, object] = {
        "namespace": "argo",
        "name": name,
        "workflow": workflow,
        "progress": LATE - 60,
        "waiting_since": None,
        "reason": "",
    }
    return PodDigest(**(values | other))  # type: ignore[arg-type]


def shown(
    workflows: Iterable[WorkflowDigest], pods: Iterable[PodDigest] = (), *, heard: float = LATE, lists: int = 1
) -> CollectorRegistry:
    first = Watch[WorkflowDigest](kind="workflows", namespace="", confirmed_at=heard, lists=1)
    first.known |= {(one.namespace, one.name): one for one in workflows}
    second = Watch[PodDigest](kind="pods", namespace="", confirmed_at=heard, lists=lists)
    second.known |= {(one.namespace, one.name): one for one in pods}
    registry = CollectorRegistry()
    registry.register(FleetFigures(Followed(workflows=(first,), pods=(second,)), lambda: NOW))
    return registry


def labelled(registry: CollectorRegistry, name: str) -> dict[str, float]:
    return {
        sample.labels["workflow_name"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_an_unfinished_workflow_has_its_start_its_phase_and_its_progress() -> None:
    registry = shown([digest("etl")], [pod("etl-1", "etl")])
    whole = {"namespace": "argo", "workflow_name": "etl", "phase": "Running", "agent": "rex"}
    whose = {"namespace": "argo", "workflow_name": "etl"}

    assert registry.get_sample_value("argo_workflow_start_time", whole) == LATE - 7_200
    assert registry.get_sample_value("argo_workflow_status_phase_start_time", whole) == LATE - 7_100
    assert registry.get_sample_value("workflow_progress_timestamp_seconds", whose) == LATE - 60
    assert registry.get_sample_value("workflow_suspended", {**whose, "agent": "rex"}) == 0
    assert registry.get_sample_value("workflow_pod_info", {**whose, "pod": "etl-1", "agent": "rex"}) == 1


def test_a_workflow_whose_steps_cannot_be_read_has_no_progress_at_all() -> None:
    registry = shown([digest("etl", progress=None)], [pod("etl-1", "etl")])

    assert labelled(registry, "workflow_progress_timestamp_seconds") == {}
    assert labelled(registry, "argo_workflow_status_phase_start_time") == {"etl": LATE - 7_100}


def test_a_finished_workflow_is_shown_for_an_hour_and_then_as_one_of_a_sum() -> None:
    registry = shown([ended("new", 0.5), ended("old", 30)])
    sums = {"namespace": "argo", "phase": "Succeeded"}

    assert labelled(registry, "argo_workflow_status_phase_start_time") == {"new": LATE - 1_800}
    assert labelled(registry, "workflow_suspended") == {}
    assert labelled(registry, "workflow_finished_age_seconds") == {"new": 1_800, "old": 108_000}
    assert registry.get_sample_value("workflow_finished", sums) == 2


def test_whatever_ends_the_series_are_bounded_and_whatever_runs_has_its_own() -> None:
    running = [digest(f"run-{number}") for number in range(1_500)]
    over = [ended(f"over-{number}", number / 10_000) for number in range(3_000)]
    registry = shown([*running, *over])
    phases = labelled(registry, "argo_workflow_status_phase_start_time")
    ages = labelled(registry, "workflow_finished_age_seconds")

    assert {one.name for one in running} <= phases.keys()
    assert len(phases) == len(running) + figures.MOST_KEPT
    assert "over-0" in phases
    assert len(ages) == figures.MOST_AGED
    assert "over-2999" in ages


def test_a_failure_keeps_its_series_however_much_succeeds_after_it() -> None:
    failed = digest("failed", phase=Phase.FAILED, phase_started=LATE - 800)
    phases = labelled(
        shown([failed, *(ended(f"over-{number}", 0.1) for number in range(figures.MOST_KEPT))]),
        "argo_workflow_status_phase_start_time",
    )

    assert "failed" in phases
    assert len(phases) == figures.MOST_KEPT


def test_before_the_pods_were_seen_no_workflow_is_shown_and_how_fresh_all_is_is() -> None:
    registry = shown([digest("etl")], lists=0)

    assert labelled(registry, "argo_workflow_status_phase_start_time") == {}
    assert registry.get_sample_value("receiver_exporter_confirmed_timestamp_seconds", {"kind": "pods"}) == LATE


def test_while_the_cluster_is_silent_nothing_grows_idle_and_nothing_moves() -> None:
    pods = [pod("etl-1", "etl", progress=0.0, waiting_since=LATE - 4_000)]
    silent = shown([digest("etl")], pods, heard=LATE - 1_000)

    assert labelled(silent, "workflow_progress_timestamp_seconds") == {"etl": LATE - 3_600 + 700}
    assert labelled(silent, "workflow_pod_waiting_start_time") == {"etl": LATE - 4_000 + 700}


def test_a_pod_that_waits_says_since_when() -> None:
    registry = shown([digest("etl")], [pod("etl-1", "etl", waiting_since=LATE - 99, reason="ImagePullBackOff")])

    assert labelled(registry, "workflow_pod_waiting_start_time") == {"etl": LATE - 99}


def test_freshness_is_that_of_the_place_that_was_heard_of_longest_ago() -> None:
    watches = (
        Watch[WorkflowDigest](kind="workflows", namespace="a", confirmed_at=10, lists=1),
        Watch[WorkflowDigest](kind="workflows", namespace="b", confirmed_at=7, failures=2),
    )
    registry = CollectorRegistry()
    registry.register(FleetFigures(Followed(workflows=watches, pods=()), lambda: NOW + timedelta(seconds=1)))
    kind = {"kind": "workflows"}

    assert registry.get_sample_value("receiver_exporter_confirmed_timestamp_seconds", kind) == 7
    assert registry.get_sample_value("receiver_exporter_lists_total", kind) == 1
    assert registry.get_sample_value("receiver_exporter_failures_total", kind) == 2
