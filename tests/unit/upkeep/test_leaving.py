"""What a cleanup leaves alone, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.clients.kubernetes import reading
from receiver.clients.kubernetes.belongings import quantity
from receiver.model.cleanup import Belonging, CleanupRun, Fate, Kind, Move, Owner, Reason
from receiver.model.workflow import Phase, Workflow
from receiver.upkeep.leaving import ARTIFACTS, Rules, belonging_left, left_to_argo, workflow_left

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
RULES = Rules(older_than=timedelta(days=7))
ENDED = Workflow(
    namespace="argo", name="etl", uid="u", resource_version="7", phase=Phase.SUCCEEDED, created_at=NOW, finished_at=NOW
)
CLAIM = Belonging(
    kind=Kind.CLAIM,
    namespace="argo",
    name="work",
    uid="c",
    resource_version="9",
    created_at=NOW - timedelta(days=8),
    labels={},
    owners=(Owner(workflow=True, name="etl", uid="gone"),),
    finalizers=("kubernetes.io/pvc-protection",),
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"labels": {"receiver/remediate": "true"}}, None),
        ({"labels": {"receiver/remediate": "false"}}, Reason.OPTED_OUT),
        ({"labels": {"receiver/remediate": "perhaps"}}, Reason.OPTED_OUT),
        ({"deleting": True, "finalizers": ("x/y",)}, Reason.BEING_DELETED),
        ({"finalizers": ("x/y",)}, Reason.FINALIZER),
        ({"finalizers": (ARTIFACTS,)}, Reason.ARTIFACTS),
        ({"labels": {"workflows.argoproj.io/workflow-archiving-status": "Pending"}}, Reason.ARGO_ARCHIVE),
        ({"labels": {"workflows.argoproj.io/workflow-archiving-status": "Archived"}}, None),
    ],
)
def test_a_workflow_that_somebody_still_has_a_say_in_is_left_alone(
    change: dict[str, Any], reason: Reason | None
) -> None:
    left = workflow_left(replace(ENDED, **change), RULES)

    assert (left and left[0]) == reason


def test_artifacts_go_with_a_workflow_only_when_somebody_asked_for_it_and_consent_can_be_demanded() -> None:
    with_artifacts = replace(ENDED, finalizers=(ARTIFACTS,))

    assert workflow_left(with_artifacts, replace(RULES, artifacts=True)) is None
    assert workflow_left(ENDED, replace(RULES, opt_in=True)) == (
        Reason.OPTED_OUT,
        "it has no label receiver/remediate=true",
    )


@pytest.mark.parametrize(
    ("phase", "spec", "stored", "seconds"),
    [
        ("Succeeded", {"secondsAfterCompletion": 60}, {}, 60),
        ("Succeeded", {"secondsAfterCompletion": 60, "secondsAfterSuccess": 5}, {}, 5),
        ("Failed", {"secondsAfterSuccess": 5, "secondsAfterFailure": 9}, {}, 9),
        ("Error", {"secondsAfterFailure": 9}, {}, None),
        ("Error", {"secondsAfterCompletion": 60}, {}, 60),
        ("Succeeded", {}, {"secondsAfterCompletion": 7}, 7),
        ("Succeeded", {"secondsAfterCompletion": 60}, {"secondsAfterCompletion": 7}, 60),
        ("Succeeded", {"secondsAfterCompletion": "60"}, {}, None),
        ("Running", {"secondsAfterCompletion": 60}, {}, 60),
    ],
)
def test_what_argo_deletes_itself_is_reckoned_as_argo_does(
    phase: str, spec: dict[str, Any], stored: dict[str, Any], seconds: int | None
) -> None:
    status = {
        "phase": phase, "finishedAt": "2026-11-25T08:00:00Z", "storedWorkflowTemplateSpec": {"ttlStrategy": stored},
    }  # fmt: skip
    found = reading.workflow({"metadata": {}, "spec": {"ttlStrategy": spec}, "status": status})

    assert found.expires_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_a_time_that_no_calendar_has_is_the_last_of_all() -> None:
    status = {"phase": "Failed", "finishedAt": "2026-11-25T08:00:00Z"}
    found = reading.workflow({"spec": {"ttlStrategy": {"secondsAfterFailure": 10**15}}, "status": status})

    assert found.expires_at == datetime.max.replace(tzinfo=UTC)


def test_argo_is_left_its_own_deletions_until_it_is_an_hour_late() -> None:
    due = replace(ENDED, expires_at=NOW)

    assert left_to_argo(ENDED, NOW) is None
    assert left_to_argo(due, NOW + timedelta(minutes=59)) is not None
    assert left_to_argo(due, NOW + timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"finalizers": ("kubernetes.io/pvc-protection", "x/y")}, Reason.FINALIZER),
        ({"labels": {"receiver/remediate": "false"}}, Reason.OPTED_OUT),
        ({"deleting": True}, Reason.BEING_DELETED),
        ({"owners": (*CLAIM.owners, Owner(workflow=True, name="b", uid="there"))}, Reason.OTHER_OWNER),
        ({"owners": (*CLAIM.owners, Owner(workflow=False, name="b", uid="set"))}, Reason.OTHER_OWNER),
        ({"kind": Kind.POD, "ended": False}, Reason.RUNNING),
        ({"name": "mounted"}, Reason.IN_USE),
    ],
)
def test_what_was_left_behind_goes_only_where_all_its_owners_are_gone_and_nothing_uses_it(
    change: dict[str, Any], reason: Reason | None
) -> None:
    left = belonging_left(replace(CLAIM, **change), living={"there"}, mounted={("argo", "mounted")})

    assert (left and left[0]) == reason


def test_what_does_not_say_how_old_it_is_is_never_old_enough() -> None:
    assert RULES.old(NOW - timedelta(days=7), NOW)
    assert not RULES.old(NOW - timedelta(days=6, hours=23), NOW)
    assert not RULES.old(None, NOW)


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("10Gi", 10 * 1024**3), ("500M", 500_000_000), ("1.5Ki", 1536), ("1e3", 1000), ("2E", 2 * 10**18),
        ("1500m", 1), ("7", 7), ("", 0), ("ten", 0), (7, 0), ("1e999999", 0),
    ],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_writes_them(said: object, size: int) -> None:
    assert quantity(said) == size


def test_a_run_counts_what_became_of_each_object_and_keeps_the_first_failure() -> None:
    run = CleanupRun(started_at=NOW, started_by="ann", older_than=timedelta(days=7), budget=1)
    move = Move(kind=Kind.WORKFLOW, namespace="argo", name="etl", uid="u", since=NOW, size=6, fate=Fate.DELETED)

    for one in (
        replace(move, place="s3://b/k"),
        replace(move, fate=Fate.FAILED, text="first"),
        replace(move, fate=Fate.FAILED, text="second"),
        replace(move, fate=Fate.SKIPPED, reason=Reason.TTL, place="s3://b/l"),
    ):
        run = run.counting(one)

    assert (run.archived, run.deleted, run.failed, run.size) == (2, 1, 2, 6)
    assert (run.skipped, run.trouble, run.spent) == ({"ttl": 1}, "first", True)
