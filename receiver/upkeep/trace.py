"""Makes the trace of an incident out of its rows; nothing is measured while it happens, so nothing can slow it down."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from receiver.model.incident import Incident, Occurrence
from receiver.model.message import Message, MessageState
from receiver.model.remediation import Outcome, Run
from receiver.model.trace import Moment, Span, Trace
from receiver.store.history.traces import Course

WHOLE: Final = "incident"
"""Key of the span that holds all others."""

MOMENTS: Final = 500
"""Lines of the timeline that a trace holds at most: collectors refuse what is too large. The newest are left out."""

_TROUBLES: Final = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


def trace_of(course: Course, *, origin: str) -> Trace:
    """Write a closed incident down as a trace.

    Args:
        course: The incident with all that has a time.
        origin: What tells this installation from others that send to the same place.
    """
    incident = course.story.incident
    end = incident.closed_at or incident.opened_at
    return Trace(
        key=f"{origin}/{incident.id}/{incident.opened_at.isoformat()}",
        spans=[
            _whole(course, incident, end),
            *(span for alert in course.story.alerts for span in _fired(alert, end)),
            *_looked(course),
            *(span for run in course.story.runs for span in _ran(run, end)),
            *(span for message in course.story.messages for span in _told(message)),
        ],
    )


def _whole(course: Course, incident: Incident, end: datetime) -> Span:
    moments = [Moment(at=event.at, name=event.kind.value, text=event.text) for event in course.events[:MOMENTS]]
    return Span(
        key=WHOLE,
        parent=None,
        name="incident",
        begun_at=min([incident.opened_at, *(alert.starts_at for alert in course.story.alerts)]),
        ended_at=end,
        attributes={
            "receiver.incident_id": incident.id,
            "receiver.title": incident.title,
            "receiver.severity": incident.severity,
            "k8s.namespace.name": incident.subject.namespace,
            "receiver.workflow": incident.subject.workflow,
        },
        moments=moments,
    )


def _fired(alert: Occurrence, end: datetime) -> Iterator[Span]:
    """An alert fires until its end; until it was first received, it was on its way."""
    key = f"alert/{alert.id}"
    known = {"receiver.alert_id": alert.id, "receiver.alertname": alert.alertname}
    yield Span(
        key=key,
        parent=WHOLE,
        name="alert",
        begun_at=alert.starts_at,
        ended_at=max(alert.ends_at or end, alert.starts_at),
        attributes=known | {"receiver.deliveries": alert.deliveries, "receiver.inferred": alert.inferred},
    )
    yield Span(
        key=f"{key}/receive",
        parent=key,
        name="receive",
        begun_at=alert.starts_at,
        ended_at=max(alert.first_seen_at, alert.starts_at),
        attributes=known,
    )


def _looked(course: Course) -> Iterator[Span]:
    for place, asked in enumerate(course.asked):
        yield Span(
            key=f"enrich/{place}",
            parent=WHOLE,
            name=f"enrich {asked.source}",
            begun_at=asked.began_at,
            ended_at=asked.at,
            attributes={"receiver.source": asked.source, "receiver.state": asked.state},
            trouble=asked.summary if asked.state == "failed" else "",
        )
    for decided in course.decided:
        yield Span(
            key=f"decision/{decided.id}",
            parent=WHOLE,
            name="decide",
            begun_at=decided.at,
            ended_at=decided.at,
            attributes={
                "receiver.playbook": decided.playbook,
                "receiver.mode": decided.mode,
                "receiver.outcome": decided.outcome or "run",
                "receiver.reason": decided.reason,
            },
        )


def _ran(run: Run, end: datetime) -> Iterator[Span]:
    key = f"run/{run.id}"
    yield Span(
        key=key,
        parent=WHOLE,
        name="remediate",
        begun_at=run.started_at,
        ended_at=run.finished_at or end,
        attributes={
            "receiver.run_id": run.id,
            "receiver.playbook": run.playbook,
            "receiver.outcome": run.outcome.value if run.outcome else "",
        },
        trouble=run.reason if run.outcome in _TROUBLES else "",
    )
    for entry in run.journal:
        yield Span(
            key=f"{key}/{entry.cursor}/{entry.attempt}",
            parent=key,
            name=entry.action,
            begun_at=entry.started_at,
            ended_at=entry.finished_at or entry.started_at,
            attributes={"receiver.attempt": entry.attempt, "receiver.state": entry.state.value},
            trouble=entry.error,
        )


def _told(message: Message) -> Iterator[Span]:
    yield Span(
        key=f"message/{message.id}",
        parent=WHOLE,
        name=f"notify {message.draft.place.value}",
        begun_at=message.created_at,
        ended_at=message.sent_at or message.created_at,
        attributes={
            "receiver.message_id": message.id,
            "receiver.act": message.draft.act.value,
            "receiver.attempts": message.attempts,
            "receiver.state": message.state.value,
        },
        trouble=message.error if message.state is MessageState.DEAD else "",
    )
