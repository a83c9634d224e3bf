"""Everything that happened, in order: the append-only story of alerts, incidents, runs and messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class Kind(Enum):
    """What happened. The name is part of the API."""

    ALERT_FIRED = "alert.fired"
    ALERT_REWORDED = "alert.reworded"
    ALERT_RESOLVED = "alert.resolved"
    ALERT_RESOLVED_FIRST = "alert.resolved_first"
    ALERT_LATE = "alert.late"
    ALERT_OVERTAKEN = "alert.overtaken"
    ALERT_REFIRED = "alert.refired"
    ALERT_CONFIRMED = "alert.confirmed"
    ALERT_CLOSED = "alert.closed"
    ALERT_UNDECIDED = "alert.undecided"
    ALERT_SUPPRESSED = "alert.suppressed"
    ALERT_UNSUPPRESSED = "alert.unsuppressed"
    GROUP_COMPLETED = "group.completed"
    GROUP_INCOMPLETE = "group.incomplete"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_REOPENED = "incident.reopened"
    INCIDENT_BOUND = "incident.bound"
    INCIDENT_MERGED = "incident.merged"
    INCIDENT_SPLIT = "incident.split"
    INCIDENT_GATHERED = "incident.gathered"
    INCIDENT_ACKNOWLEDGED = "incident.acknowledged"
    INCIDENT_SILENCED = "incident.silenced"
    INCIDENT_NOT_SILENCED = "incident.not_silenced"
    INCIDENT_CLOSED = "incident.closed"
    INCIDENT_TRACED = "incident.traced"
    PRESS_DECLINED = "press.declined"
    CONTEXT_FOUND = "context.found"
    DECIDED = "playbook.decided"
    DEMOTED = "playbook.demoted"
    BREAKER_OPENED = "breaker.opened"
    BREAKER_CLOSED = "breaker.closed"
    PAUSED = "remediations.paused"
    RESUMED = "remediations.resumed"
    RUN_ASKED = "run.asked"
    RUN_STARTED = "run.started"
    RUN_WAITING = "run.waiting"
    EVIDENCE_KEPT = "evidence.kept"
    STEP_INTENDED = "step.intended"
    STEP_DONE = "step.done"
    STEP_FAILED = "step.failed"
    RUN_FINISHED = "run.finished"
    TEMPLATE_FAILED = "template.failed"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_SENT = "message.sent"
    MESSAGE_DEAD = "message.dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a timeline.

    Attributes:
        text: One sentence for people; hostile text where it quotes an alert.
        detail: What a program may want to know, as JSON values.
        id: Number in order of recording; None before it is recorded.
    """

    at: datetime
    kind: Kind
    text: str
    incident_id: int | None = None
    alert_id: str | None = None
    run_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int | None = None
