"""The words that a playbook's conditions may use: one table of names, types and meanings, and their values now.

The table is the truth for the checker and for the documentation. A value that is not known has no entry among the known
ones and a reason among the missing ones; it is never replaced by an empty or a zero.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.incident import Incident, Occurrence
from receiver.model.workflow import Phase, Pod, Workflow

_LONGEST_SHOWN: Final = 200
RESOLVES: Final = ("alert.status", "incident.quiet")
"""What a resolve of the alert changes: no proof of a cure where the run itself ended what the alert was about."""
_OF_INCIDENT: Final = ("incident.quiet", "incident.flaps", "incident.opened_at")


class Kind(Enum):
    """Type of a variable, in CEL's terms."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    DURATION = "duration"
    TIMESTAMP = "timestamp"
    MAP = "map(string, string)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One name that a condition may use."""

    name: str
    kind: Kind
    meaning: str


_TABLE: Final = (
    ("alert.name", Kind.STRING, "Its label `alertname`."),
    ("alert.severity", Kind.STRING, "Its label `severity`; empty when it has none."),
    ("alert.status", Kind.STRING, "`firing` or `resolved`."),
    ("alert.labels", Kind.MAP, "All its labels, as sent."),
    ("alert.annotations", Kind.MAP, "All its annotations, as sent last."),
    ("alert.starts_at", Kind.TIMESTAMP, "When it began to fire."),
    ("incident.quiet", Kind.BOOL, "Whether none of its alerts fires."),
    ("incident.flaps", Kind.INT, "How often the incident began to fire again within its linger."),
    ("incident.opened_at", Kind.TIMESTAMP, "When the first firing of the incident was received."),
    ("workflow.namespace", Kind.STRING, "Where it lives."),
    ("workflow.name", Kind.STRING, "Its name; after a resubmit, the name of the new run."),
    ("workflow.uid", Kind.STRING, "Its identity in the cluster."),
    (
        "workflow.phase",
        Kind.STRING,
        "`Pending`, `Running`, `Succeeded`, `Failed` or `Error`; empty at first.",
    ),
    ("workflow.message", Kind.STRING, "What Argo says about the phase."),
    ("workflow.suspended", Kind.BOOL, "Whether it waits for a person."),
    ("workflow.shutdown", Kind.STRING, "`Stop` or `Terminate` where somebody asked for that; else empty."),
    ("workflow.finished", Kind.BOOL, "Whether nothing more will happen by itself."),
    ("workflow.failed", Kind.BOOL, "Whether it ended as `Failed` or `Error`."),
    (
        "workflow.age",
        Kind.DURATION,
        "Time since it was started, else created; a retry starts it anew.",
    ),
    ("workflow.idle", Kind.DURATION, "Time without any sign of progress; zero while suspended and once finished."),
    ("workflow.progress", Kind.STRING, "Steps done and known, such as `1/2`; empty where Argo does not say."),
    ("workflow.labels", Kind.MAP, "Its labels."),
    ("workflow.annotations", Kind.MAP, "Its annotations."),
    ("workflow.nodes_running", Kind.INT, "Steps with a pod that are running."),
    ("workflow.nodes_failed", Kind.INT, "Steps with a pod that ended as `Failed` or `Error`."),
    ("pods.count", Kind.INT, "Its pods that exist."),
    ("pods.waiting", Kind.INT, "Pods that are pending, or of which a container waits."),
    ("pods.restarts", Kind.INT, "Restarts of all containers of all its pods."),
    ("now", Kind.TIMESTAMP, "The present time."),
)

VARIABLES: Final[Mapping[str, Variable]] = {
    name: Variable(name=name, kind=kind, meaning=meaning) for name, kind, meaning in _TABLE
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What the variables are at one moment.

    Attributes:
        known: Value of each variable that is known.
        missing: Why each other one is not.
        absent: Why there is no workflow at all; empty when there is one.
    """

    known: Mapping[str, object]
    missing: Mapping[str, str] = field(default_factory=dict)
    absent: str = ""

    def shown(self, name: str) -> str:
        """Write one value for people; a hostile one cannot grow without bound."""
        if name not in self.known:
            return f"not known ({self.missing.get(name) or self.absent or 'nothing was read'})"
        text = _written(self.known[name])
        return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def observe(
    *,
    now: datetime,
    alert: Occurrence,
    incident: Incident | None,
    workflow: Workflow | None,
    absent: str,
    pods: Sequence[Pod] | None,
) -> Values:
    """Give every variable its value.

    Args:
        now: The present time.
        alert: The occurrence that the playbook answers to.
        incident: Its incident, where it has one.
        workflow: The workflow that is watched now.
        absent: Why there is none.
        pods: Its pods; None when they could not be read.
    """
    known: dict[str, object] = {"now": now, **_of_alert(alert)}
    missing: dict[str, str] = {}
    if incident is None:
        missing |= dict.fromkeys(_OF_INCIDENT, "the alert has no incident")
    else:
        values = (incident.quiet_since is not None, incident.flaps, incident.opened_at)
        known |= dict(zip(_OF_INCIDENT, values, strict=True))
    if pods is None:
        missing |= dict.fromkeys(("pods.count", "pods.waiting", "pods.restarts"), "its pods could not be read")
    else:
        known |= _of_pods(pods)
    if workflow is None:
        reason = absent or "there is no such workflow"
        missing |= {name: reason for name in VARIABLES if name.startswith("workflow.")}
        return Values(known=known, missing=missing, absent=reason)
    known |= _of_workflow(workflow, now)
    for name, value, reason in _uncertain(workflow, pods, now):
        if value is None:
            missing[name] = reason
        else:
            known[name] = value
    return Values(known=known, missing=missing)


def _of_alert(alert: Occurrence) -> dict[str, object]:
    return {
        "alert.name": alert.alertname,
        "alert.severity": alert.severity,
        "alert.status": alert.status.value,
        "alert.labels": dict(alert.labels),
        "alert.annotations": dict(alert.annotations),
        "alert.starts_at": alert.starts_at,
    }


def _of_workflow(workflow: Workflow, now: datetime) -> dict[str, object]:
    return {
        "workflow.namespace": workflow.namespace,
        "workflow.name": workflow.name,
        "workflow.uid": workflow.uid,
        "workflow.phase": workflow.phase.value,
        "workflow.message": workflow.message,
        "workflow.suspended": workflow.suspended,
        "workflow.shutdown": workflow.shutdown,
        "workflow.finished": workflow.finished,
        "workflow.failed": workflow.phase in {Phase.FAILED, Phase.ERROR},
        "workflow.age": max(timedelta(), now - (workflow.started_at or workflow.created_at)),
        "workflow.progress": workflow.progress or "",
        "workflow.labels": dict(workflow.labels),
        "workflow.annotations": dict(workflow.annotations),
    }


def _uncertain(
    workflow: Workflow, pods: Sequence[Pod] | None, now: datetime
) -> tuple[tuple[str, object | None, str], ...]:
    """Values that may not be known though the workflow is, each with the reason that holds when it is None."""
    nodes = workflow.nodes_unreadable or "its steps could not be read"
    settled = workflow.suspended or workflow.finished
    # Without its pods a workflow would look idler than it is: a restart is a sign of life.
    idle = None if pods is None and not settled else workflow.idle(now, pods or ())
    return (
        ("workflow.idle", idle, nodes if workflow.nodes is None else "its pods could not be read"),
        ("workflow.nodes_running", _count(workflow, Phase.RUNNING), nodes),
        ("workflow.nodes_failed", _count(workflow, Phase.FAILED, Phase.ERROR), nodes),
    )


def _count(workflow: Workflow, *phases: Phase) -> int | None:
    if workflow.nodes is None:
        return None
    return sum(node.type == "Pod" and node.phase in phases for node in workflow.nodes)


def _of_pods(pods: Sequence[Pod]) -> dict[str, object]:
    return {
        "pods.count": len(pods),
        "pods.waiting": sum(
            pod.phase == "Pending" or any(container.waiting for container in pod.containers) for pod in pods
        ),
        "pods.restarts": sum(container.restarts for pod in pods for container in pod.containers),
    }


def _written(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    # No lone surrogate gets through: Postgres would refuse the record of the decision.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
