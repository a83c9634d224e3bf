"""What stored findings still tell of a workflow of the past: enough for guards, and for some conditions. Pure.

Nothing is made up: what a finding does not hold, or holds cut short, is missing, and a condition that reads it cannot
be evaluated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from receiver.model.backtest import PastAlert, Recollection
from receiver.model.duration import Duration, format_duration
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Subject
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.vocabulary import VARIABLES, Values

FRESH: Final = timedelta(minutes=2)
"""How far from the time of a decision a finding still tells how things were then."""

_LISTED: Final = 20
"""Steps that a finding lists at most; with so many there may have been more."""
_LABELS: Final = 50
_NOT_KEPT: Final = "findings do not hold it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A workflow as it was found at the time.

    Attributes:
        workflow: As far as guards look at it; None where it was not there, or could not be read.
        unread: Why it could not be read; empty when it could, or was not there.
        known: Values of variables.
        missing: Why other variables have none.
    """

    workflow: Workflow | None
    unread: str = ""
    known: Mapping[str, object] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def recall(past: PastAlert, at: datetime) -> Remembered | str:
    """Recall the workflow of an alert at a time.

    Returns:
        What is remembered of it, or why nothing is.
    """
    near = [one for one in past.found if abs(one.at - at) <= FRESH]
    told = _nearest(near, "workflow", at)
    if told is None:
        looks = [one for one in past.found if one.finding.source == "workflow"]
        return f"no context stored within {format_duration(FRESH)} of the decision" if looks else "no context stored"
    match told.finding.state:
        case FindingState.FAILED | FindingState.DISABLED:
            return Remembered(workflow=None, unread=told.finding.summary)
        case FindingState.EMPTY:
            return Remembered(workflow=None)
        case FindingState.FOUND:
            return _read(past.alert.subject, told, _nearest(near, "pods", told.at), at)


def values_at(remembered: Remembered, past: PastAlert, at: datetime) -> Values:
    """Give every variable of a condition the value that it had, as far as that is known."""
    alert = past.alert
    known: dict[str, object] = {
        "now": at,
        "alert.name": alert.alertname,
        "alert.severity": alert.severity,
        "alert.status": alert.status.value,
        "alert.labels": dict(alert.labels),
        "alert.starts_at": alert.starts_at,
        "incident.opened_at": past.opened_at,
        **remembered.known,
    }
    if not past.flaps:
        known["incident.flaps"] = 0
    missing = {name: _NOT_KEPT for name in VARIABLES if name not in known} | dict(remembered.missing)
    return Values(known=known, missing=missing, absent="" if remembered.workflow else "there was no such workflow")


def _nearest(found: Sequence[Recollection], source: str, at: datetime) -> Recollection | None:
    told = [one for one in found if one.finding.source == source]
    return min(told, key=lambda one: abs(one.at - at), default=None)


def _read(subject: Subject, told: Recollection, pods: Recollection | None, at: datetime) -> Remembered | str:
    detail = told.finding.detail
    if (detail.get("namespace"), detail.get("name")) != (subject.namespace, subject.workflow):
        return "the context that is stored is about another workflow"
    try:
        workflow = _workflow(detail)
        known, missing = _known(detail, workflow, at)
    except (KeyError, TypeError, ValueError) as error:
        return f"the context that is stored cannot be read: {error}"
    more = _of_pods(pods.finding) if pods is not None else {}
    return Remembered(workflow=workflow, known=known | more, missing=missing)


def _workflow(detail: Mapping[str, Any]) -> Workflow:
    return Workflow(
        namespace=detail["namespace"],
        name=detail["name"],
        uid=detail["uid"],
        resource_version="",
        phase=Phase(detail["phase"]),
        message=detail["message"],
        created_at=datetime.fromisoformat(detail["created_at"]),
        started_at=_time(detail["started_at"]),
        finished_at=_time(detail["finished_at"]),
        progress=detail["progress"],
        labels=detail["labels"],
        suspended=bool(detail["suspended"]),
        shutdown=detail["shutdown"],
        nodes=None,
        nodes_unreadable=_NOT_KEPT,
    )


def _known(detail: Mapping[str, Any], workflow: Workflow, at: datetime) -> tuple[dict[str, object], dict[str, str]]:
    known: dict[str, object] = {
        "workflow.namespace": workflow.namespace,
        "workflow.name": workflow.name,
        "workflow.uid": workflow.uid,
        "workflow.phase": workflow.phase.value,
        "workflow.message": workflow.message,
        "workflow.suspended": workflow.suspended,
        "workflow.shutdown": workflow.shutdown,
        "workflow.finished": workflow.finished,
        "workflow.failed": workflow.phase in {Phase.FAILED, Phase.ERROR},
        "workflow.age": max(timedelta(), at - (workflow.started_at or workflow.created_at)),
        "workflow.progress": workflow.progress or "",
    }
    missing = {}
    if len(workflow.labels) < _LABELS:
        known["workflow.labels"] = dict(workflow.labels)
    if detail["idle"] is None:
        missing["workflow.idle"] = detail["nodes_unreadable"] or "it was not known at the time"
    else:
        known["workflow.idle"] = Duration.parse(detail["idle"])
    for name, listed, phases in (
        ("workflow.nodes_running", detail["running"], {Phase.RUNNING.value}),
        ("workflow.nodes_failed", detail["failed"], {Phase.FAILED.value, Phase.ERROR.value}),
    ):
        if len(listed) < _LISTED and not detail["nodes_unreadable"]:
            known[name] = sum(node["type"] == "Pod" and node["phase"] in phases for node in listed)
    return known, missing


def _of_pods(told: Finding) -> dict[str, object]:
    """Count the pods; what was left out of a long list is not counted by anything but their number."""
    if told.state is FindingState.EMPTY:
        return {"pods.count": 0, "pods.waiting": 0, "pods.restarts": 0}
    pods, left_out = told.detail.get("pods"), told.detail.get("left_out")
    if told.state is not FindingState.FOUND or not isinstance(pods, list) or not isinstance(left_out, int):
        return {}
    counted: dict[str, object] = {"pods.count": len(pods) + left_out}
    if not left_out:
        containers = [pod["containers"] for pod in pods]
        counted["pods.waiting"] = sum(
            pod["phase"] == "Pending" or any(one["waiting"] for one in pod["containers"]) for pod in pods
        )
        counted["pods.restarts"] = sum(one["restarts"] for listed in containers for one in listed)
    return counted


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
