"""When the end of a workflow settles an alert about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from receiver.model.alert import Fingerprint
from receiver.model.peer import Candidate
from receiver.model.workflow import Phase, Workflow
from receiver.upkeep.settlement import settled_by

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

ALERT = Candidate(
    id="202611-1", number=1, fingerprint=Fingerprint("c0ffee0000000000"), starts_at=NOW - timedelta(hours=1),
    alertname="WorkflowStuckDetection", labels={}, namespace="taskmaster", workflow="etl-42",
    last_seen_at=NOW - 20 * MINUTE, firings=1, incident_id=1, lineage="uid-1",
)  # fmt: skip
WORKFLOW = Workflow(
    namespace="taskmaster", name="etl-42", uid="uid-1", resource_version="1", phase=Phase.SUCCEEDED,
    created_at=NOW - timedelta(hours=9), finished_at=NOW - 6 * MINUTE,
)  # fmt: skip


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR])
def test_a_finished_workflow_settles_it_with_phase_and_time(phase: Phase) -> None:
    conclusion = settled_by(ALERT, replace(WORKFLOW, phase=phase), NOW)

    assert conclusion is not None
    assert conclusion.reason == f"workflow taskmaster/etl-42 is {phase.value} since 2026-11-24 08:54:00 UTC"
    assert (conclusion.cause, conclusion.ends_at) == ("workflow", NOW - 6 * MINUTE)


def test_a_workflow_that_is_gone_settles_it() -> None:
    conclusion = settled_by(ALERT, None, NOW)

    assert conclusion is not None
    assert "not in the cluster any more" in conclusion.reason
    assert conclusion.ends_at == NOW


@pytest.mark.parametrize(
    ("alert", "workflow"),
    [
        (ALERT, replace(WORKFLOW, phase=Phase.RUNNING)),
        (ALERT, replace(WORKFLOW, phase=Phase.PENDING)),
        (ALERT, replace(WORKFLOW, phase=Phase.UNKNOWN)),
        (ALERT, replace(WORKFLOW, finished_at=NOW - 4 * MINUTE)),
        (ALERT, replace(WORKFLOW, finished_at=None)),
        (replace(ALERT, firings=2), WORKFLOW),
        (replace(ALERT, lineage=""), WORKFLOW),
        (replace(ALERT, lineage=""), None),
        (replace(ALERT, firings=2), None),
        (replace(ALERT, last_seen_at=NOW - 4 * MINUTE), None),
    ],
)
def test_what_is_unfinished_fresh_contradicted_or_elsewhere_settles_nothing(
    alert: Candidate, workflow: Workflow | None
) -> None:
    assert settled_by(alert, workflow, NOW) is None
