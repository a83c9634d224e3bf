"""The way from a row to a noun, and from a noun to the JSON that a row keeps: each in this one place.

A row is whatever has the table's columns as attributes: a row of SQLAlchemy's, or a named tuple of psycopg's.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Incident, IncidentState, Occurrence, Subject
from receiver.model.loss import Loss
from receiver.model.message import Act, Draft, Message, MessageState, Place, Priority
from receiver.model.remediation import Check, Decision, Entry, EntryState, Mode, Outcome, Run, RunId, RunState, Target
from receiver.model.timeline import Event, Kind

Row = Any
"""What a driver returns; it does not leave this room."""

Json = dict[str, Any]

_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
_PUBLIC_ID: Final = re.compile(r"(\d{4})(0[1-9]|1[0-2])-(\d{1,18})", re.ASCII)


def public_id(starts_at: datetime, number: int) -> str:
    """Name an occurrence to the outside: `YYYYMM-number`, so that the name says in which partition it lies."""
    month = starts_at.astimezone(UTC)
    return f"{month.year:04d}{month.month:02d}-{number}"


def parse_public_id(text: str) -> tuple[datetime, datetime, int]:
    """Read an occurrence's public id.

    Returns:
        Begin of its month, end of its month (exclusive, save for the last month that a date can name), its number.

    Raises:
        ValueError: It is no such id.
    """
    found = _PUBLIC_ID.fullmatch(text)
    if found is None or found[1] == "0000":
        raise ValueError(f"{text!r} is not the id of an alert; one looks like 202611-42")
    year, month, number = (int(part) for part in found.groups())
    last = (year, month) == (_LAST_MOMENT.year, _LAST_MOMENT.month)
    end = _LAST_MOMENT if last else datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return datetime(year, month, 1, tzinfo=UTC), end, number


def occurrence(row: Row) -> Occurrence:
    """Read a row of `alerts`."""
    return Occurrence(
        id=public_id(row.starts_at, row.id),
        fingerprint=Fingerprint(row.fingerprint),
        status=AlertStatus(row.status),
        inferred=row.inferred,
        subject=_subject(row),
        alertname=row.alertname,
        severity=row.severity,
        labels=row.labels,
        annotations=row.annotations,
        starts_at=row.starts_at,
        starts_at_text=row.starts_at_text,
        ends_at=row.ends_at,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        deliveries=row.deliveries,
        firings=row.firings,
        group_key=row.group_key,
        receiver=row.receiver,
        generator_url=row.generator_url,
        incident_id=row.incident_id,
    )


def incident(row: Row) -> Incident:
    """Read a row of `incidents`."""
    return Incident(
        id=row.id,
        key=row.key,
        state=IncidentState(row.state),
        subject=_subject(row),
        title=row.title,
        severity=row.severity,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        quiet_since=row.quiet_since,
        flaps=row.flaps,
        previous_id=row.previous_id,
        lineage=row.lineage,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        merged_into=row.merged_into,
        part_of=row.part_of,
    )


def event(row: Row) -> Event:
    """Read a row of `timeline`."""
    return Event(
        id=row.id,
        at=row.at,
        kind=Kind(row.kind),
        text=row.text,
        incident_id=row.incident_id,
        alert_id=row.alert_id,
        run_id=row.run_id,
        detail=row.detail,
    )


def finding(row: Row) -> Finding:
    """Read a row of `findings`."""
    took: timedelta = row.took
    return Finding(source=row.source, state=FindingState(row.state), summary=row.summary, detail=row.detail, took=took)


def decision(row: Row) -> Decision:
    """Read a row of `decisions`."""
    return Decision(
        playbook=row.playbook,
        version=row.version,
        mode=Mode(row.mode),
        alert_id=row.alert_id,
        target=target(row.target),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        reason=row.reason,
        checks=tuple(check(value) for value in row.checks),
        would=tuple(row.would),
        loss=loss(row.loss),
    )


def run(row: Row, journal: Sequence[Entry] = ()) -> Run:
    """Read a row of `runs`, and join it with its journal, oldest first."""
    return Run(
        id=RunId(row.id),
        incident_id=row.incident_id,
        alert_id=row.alert_id,
        playbook=row.playbook,
        version=row.version,
        mode=Mode(row.mode),
        target=target(row.target),
        state=RunState(row.state),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        reason=row.reason,
        confirm=row.confirm,
        escalate=row.escalate,
        hold_until=row.hold_until,
        steps=tuple(row.steps),
        cursor=row.cursor,
        vars=row.vars,
        wake_at=row.wake_at,
        entered_at=row.entered_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        journal=tuple(journal),
    )


def entry(row: Row) -> Entry:
    """Read a row of `journal`."""
    return Entry(
        cursor=row.cursor,
        attempt=row.attempt,
        action=row.action,
        state=EntryState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=row.result,
        error=row.error,
    )


def message(row: Row) -> Message:
    """Read a row of `outbox`."""
    draft = Draft(
        place=Place(row.place),
        address=row.address,
        act=Act(row.act),
        key=row.key,
        payload=row.payload,
        cause=row.cause,
        priority=Priority(row.priority),
    )
    return Message(
        id=row.id,
        incident_id=row.incident_id,
        draft=draft,
        state=MessageState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
        error=row.error,
        answer=row.answer,
        replays=row.replays,
        replayed_at=row.replayed_at,
    )


def target(value: Mapping[str, Any] | None) -> Target | None:
    """Read a target from its JSON."""
    return None if value is None else Target(**value)


def target_json(noun: Target | None) -> Json | None:
    """Write a target as JSON."""
    if noun is None:
        return None
    return {
        "kind": noun.kind,
        "namespace": noun.namespace,
        "name": noun.name,
        "uid": noun.uid,
        "lineage": noun.lineage,
    }


def check(value: Mapping[str, Any]) -> Check:
    """Read a guard's verdict from its JSON."""
    return Check(**value)


def loss(value: Mapping[str, Any] | None) -> Loss | None:
    """Read a loss from its JSON."""
    if value is None:
        return None
    return Loss(
        finished_nodes=value["finished_nodes"],
        pod_time=_seconds(value["pod_seconds"]),
        idle=_seconds(value["idle_seconds"]),
    )


def loss_json(noun: Loss | None) -> Json | None:
    """Write a loss as JSON, times in seconds."""
    if noun is None:
        return None
    return {
        "finished_nodes": noun.finished_nodes,
        "pod_seconds": None if noun.pod_time is None else noun.pod_time.total_seconds(),
        "idle_seconds": None if noun.idle is None else noun.idle.total_seconds(),
    }


def check_json(noun: Check) -> Json:
    """Write a guard's verdict as JSON."""
    return {
        "guard": noun.guard,
        "passed": noun.passed,
        "measured": noun.measured,
        "limit": noun.limit,
        "reason": noun.reason,
    }


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _subject(row: Row) -> Subject:
    return Subject(cluster=row.cluster, namespace=row.namespace, workflow=row.workflow, agent=row.agent)
