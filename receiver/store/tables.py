"""The tables, as they are declared; a test compares them with what the migrations make.

Occurrences and the timeline are partitioned by month, with a default partition for absurd times. Postgres wants the
partition key in every unique key, hence their composite primary keys; nothing refers to them by foreign key.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, PrimaryKeyConstraint, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from receiver.store.table import Table as Table  # noqa: PLC0414 - whoever wants the tables wants what they are made of


class DeliveryRow(Table):
    """A webhook message, byte for byte; `key` was made when it was received, so that it is kept once."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(server_default=text("nextval('deliveries_id_seq')"))
    received_at: Mapped[datetime]
    key: Mapped[UUID]
    receiver: Mapped[str]
    group_key: Mapped[str]
    external_url: Mapped[str]
    truncated_alerts: Mapped[int]
    alerts: Mapped[int]
    body: Mapped[bytes]

    __table_args__ = (
        PrimaryKeyConstraint("received_at", "id"),
        Index("deliveries_received_at_key_key", "received_at", "key", unique=True),
        {"postgresql_partition_by": "RANGE (received_at)"},
    )


class DeadLetterRow(Table):
    """A body that could not be understood; one that came through the spool was given its `key` there."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"), unique=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str]
    place: Mapped[str]
    body: Mapped[bytes]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str] = mapped_column(server_default="")
    settlement: Mapped[str] = mapped_column(server_default="")


class TombstoneRow(Table):
    """What is left of an occurrence whose partition was dropped, so that a late delivery is not news."""

    __tablename__ = "tombstones"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime | None]
    pruned_at: Mapped[datetime]


class ExportRow(Table):
    """A month of history that lies on S3 as Parquet."""

    __tablename__ = "exports"

    relation: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[datetime] = mapped_column(primary_key=True)
    bucket: Mapped[str]
    key: Mapped[str]
    rows: Mapped[int]
    size: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[str]
    versions: Mapped[str]
    exported_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    pruned_at: Mapped[datetime | None]


class OccurrenceRow(Table):
    """One uninterrupted firing of one series."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(server_default=text("nextval('alerts_id_seq')"))
    fingerprint: Mapped[str]
    starts_at: Mapped[datetime]
    starts_at_text: Mapped[str]
    status: Mapped[str]
    inferred: Mapped[bool]
    ends_at: Mapped[datetime | None]
    alertname: Mapped[str]
    severity: Mapped[str]
    cluster: Mapped[str]
    namespace: Mapped[str]
    workflow: Mapped[str]
    agent: Mapped[str]
    labels: Mapped[dict[str, Any]]
    annotations: Mapped[dict[str, Any]]
    generator_url: Mapped[str]
    group_key: Mapped[str]
    receiver: Mapped[str]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_seen_at: Mapped[datetime | None]
    deliveries: Mapped[int]
    firings: Mapped[int]
    incident_id: Mapped[int | None]

    __table_args__ = (
        PrimaryKeyConstraint("starts_at", "id"),
        Index("alerts_fingerprint_starts_at_key", "fingerprint", "starts_at", unique=True),
        Index("alerts_alertname_starts_at_id_idx", "alertname", "starts_at", "id"),
        Index("alerts_namespace_workflow_starts_at_id_idx", "namespace", "workflow", "starts_at", "id"),
        Index("alerts_id_idx", "id"),
        Index("alerts_incident_id_idx", "incident_id"),
        Index("alerts_firing_idx", "starts_at", "id", postgresql_where=text("status = 'firing'")),
        Index("alerts_ends_at_idx", "ends_at", postgresql_where=text("ends_at is not null")),
        Index(
            "alerts_late_idx",
            "first_seen_at",
            postgresql_where=text("first_seen_at - starts_at > interval '1 day'"),
        ),
        Index(
            "alerts_late_end_idx",
            "resolved_seen_at",
            postgresql_where=text("resolved_seen_at - ends_at > interval '1 day'"),
        ),
        Index("alerts_labels_idx", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
        {"postgresql_partition_by": "RANGE (starts_at)"},
    )


class IncidentRow(Table):
    """One story."""

    __tablename__ = "incidents"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    state: Mapped[str]
    cluster: Mapped[str]
    namespace: Mapped[str]
    workflow: Mapped[str]
    agent: Mapped[str]
    title: Mapped[str]
    severity: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    quiet_since: Mapped[datetime | None]
    firing: Mapped[int]
    flaps: Mapped[int]
    previous_id: Mapped[int | None]
    merged_into: Mapped[int | None]
    lineage: Mapped[str] = mapped_column(server_default="")
    part_of: Mapped[int | None]
    acknowledged_by: Mapped[str] = mapped_column(server_default="")
    acknowledged_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    asked: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("incidents_open_key", "key", unique=True, postgresql_where=text("state = 'open'")),
        Index("incidents_key_id_idx", "key", "id"),
        # Not of all that are open: without statistics Postgres reads it from end to end, in place of the one of keys.
        Index(
            "incidents_quiet_idx",
            "quiet_since",
            postgresql_where=text("state = 'open' and quiet_since is not null"),
        ),
        Index("incidents_closed_at_idx", "closed_at", postgresql_where=text("closed_at is not null")),
        Index("incidents_look_idx", "look_at", postgresql_where=text("look_at is not null")),
        Index("incidents_lineage_idx", "lineage", postgresql_where=text("lineage <> ''")),
        Index("incidents_merged_into_idx", "merged_into", postgresql_where=text("merged_into is not null")),
        Index("incidents_part_of_idx", "part_of", postgresql_where=text("part_of is not null")),
        Index("incidents_merged_key_idx", "key", postgresql_where=text("state = 'merged'")),
        Index("incidents_namespace_id_idx", "namespace", "id"),
        Index("incidents_workflow_id_idx", "workflow", "id", postgresql_where=text("workflow <> ''")),
        # In a storm an incident changes with each of its alerts: with room on its page, no index has to follow.
        {"postgresql_with": {"fillfactor": "50"}},
    )


class LineageRow(Table):
    """A workflow that was looked at, and the root that it descends from: what the cluster may have forgotten since."""

    __tablename__ = "lineages"

    uid: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime]
    lineage: Mapped[str]
    seen_at: Mapped[datetime]

    __table_args__ = (Index("lineages_namespace_name_created_at_idx", "namespace", "name", "created_at"),)


class EventRow(Table):
    """One line of the timeline; never changed."""

    __tablename__ = "timeline"

    id: Mapped[int] = mapped_column(server_default=text("nextval('timeline_id_seq')"))
    at: Mapped[datetime]
    kind: Mapped[str]
    text: Mapped[str]
    incident_id: Mapped[int | None]
    alert_id: Mapped[str | None]
    run_id: Mapped[int | None]
    detail: Mapped[dict[str, Any]]

    __table_args__ = (
        PrimaryKeyConstraint("at", "id"),
        Index("timeline_incident_id_at_id_idx", "incident_id", "at", "id"),
        Index("timeline_alert_id_at_id_idx", "alert_id", "at", "id"),
        Index("timeline_id_idx", "id"),
        {"postgresql_partition_by": "RANGE (at)"},
    )


class FindingRow(Table):
    """What one source said about an incident when it was looked at."""

    __tablename__ = "findings"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int]
    at: Mapped[datetime]
    source: Mapped[str]
    state: Mapped[str]
    summary: Mapped[str]
    detail: Mapped[dict[str, Any]]
    took: Mapped[timedelta]

    __table_args__ = (Index("findings_incident_id_source_id_idx", "incident_id", "source", "id"),)


class PlaybookRow(Table):
    """A playbook as the pipeline last loaded it, for pages that only read rows."""

    __tablename__ = "playbooks"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    mode: Mapped[str]
    summary: Mapped[str]
    text: Mapped[str]
    disabled: Mapped[str]
    loaded_at: Mapped[datetime]


class DecisionRow(Table):
    """What a playbook decided about one firing of one occurrence: once, whatever is delivered again."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    incident_id: Mapped[int] = mapped_column(index=True)
    alert_id: Mapped[str]
    firing: Mapped[int]
    playbook: Mapped[str]
    version: Mapped[str]
    mode: Mapped[str]
    target: Mapped[dict[str, Any] | None]
    outcome: Mapped[str | None]
    reason: Mapped[str]
    checks: Mapped[list[Any]]
    would: Mapped[list[Any]]
    loss: Mapped[dict[str, Any] | None]
    run_id: Mapped[int | None]

    __table_args__ = (Index("decisions_alert_id_firing_playbook_key", "alert_id", "firing", "playbook", unique=True),)


class RunRow(Table):
    """The durable state of a remediation."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int] = mapped_column(index=True)
    alert_id: Mapped[str]
    playbook: Mapped[str]
    version: Mapped[str]
    mode: Mapped[str]
    target: Mapped[dict[str, Any] | None]
    lineage: Mapped[str]
    state: Mapped[str]
    outcome: Mapped[str | None]
    reason: Mapped[str]
    confirm: Mapped[str]
    escalate: Mapped[bool]
    hold_until: Mapped[datetime | None]
    steps: Mapped[list[Any]]
    cursor: Mapped[int]
    vars: Mapped[dict[str, Any]]
    wake_at: Mapped[datetime | None]
    entered_at: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "runs_one_per_lineage",
            "lineage",
            unique=True,
            postgresql_where=text("state in ('running', 'waiting') and lineage <> ''"),
        ),
        Index("runs_lineage_playbook_started_at_idx", "lineage", "playbook", "started_at"),
        Index("runs_finished_at_idx", "finished_at", postgresql_where=text("finished_at is not null")),
        Index(
            "runs_ended_idx", "playbook", "id", postgresql_where=text("outcome in ('succeeded', 'failed', 'timed_out')")
        ),
        Index("runs_playbook_id_idx", "playbook", "id"),
        Index("runs_wake_idx", "wake_at", postgresql_where=text("state in ('running', 'waiting')")),
    )


class EntryRow(Table):
    """One attempt at a step, written before its effect."""

    __tablename__ = "journal"

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cursor: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action: Mapped[str]
    state: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any]]
    error: Mapped[str]


class RequestRow(Table):
    """Something that a person asked for; the pipeline acts on it, where it is about no run by `due_at`."""

    __tablename__ = "requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    run_id: Mapped[int | None] = mapped_column(index=True)
    asked_by: Mapped[str]
    detail: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str]
    due_at: Mapped[datetime | None]

    __table_args__ = (Index("requests_due_idx", "due_at", postgresql_where=text("due_at is not null")),)


class MessageRow(Table):
    """The outbox: what is to be said, and what became of it; a digest is about no single incident."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[int | None]
    place: Mapped[str]
    address: Mapped[str]
    act: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]]
    cause: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str]
    answer: Mapped[dict[str, Any]]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("2"))
    replays: Mapped[int] = mapped_column(server_default=text("0"))
    replayed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("outbox_incident_id_place_address_id_idx", "incident_id", "place", "address", "id"),
        Index("outbox_place_id_idx", "place", "id"),
        Index("outbox_dead_idx", "id", postgresql_where=text("state = 'dead'")),
        Index("outbox_pending_idx", "place", "address", "priority", "id", postgresql_where=text("state = 'pending'")),
    )
