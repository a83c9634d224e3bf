"""The tables of alerts, incidents, remediations and messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0002"
down_revision: str | None = "0001"


PARTITIONED = ("alerts", "deliveries", "timeline")


def upgrade() -> None:
    for table in PARTITIONED:
        op.execute(f"create sequence {table}_id_seq as bigint")
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), server_default=sa.text("nextval('alerts_id_seq')"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at_text", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alertname", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("labels", JSONB(), nullable=False),
        sa.Column("annotations", JSONB(), nullable=False),
        sa.Column("generator_url", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deliveries", sa.BigInteger(), nullable=False),
        sa.Column("firings", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("starts_at", "id", name=op.f("alerts_pkey")),
        postgresql_partition_by="RANGE (starts_at)",
    )
    op.create_index("alerts_alertname_starts_at_id_idx", "alerts", ["alertname", "starts_at", "id"], unique=False)
    op.create_index("alerts_fingerprint_starts_at_key", "alerts", ["fingerprint", "starts_at"], unique=True)
    op.create_index(
        "alerts_firing_idx", "alerts", ["starts_at", "id"], unique=False, postgresql_where=sa.text("status = 'firing'")
    )
    op.create_index("alerts_id_idx", "alerts", ["id"], unique=False)
    op.create_index("alerts_incident_id_idx", "alerts", ["incident_id"], unique=False)
    op.create_index(
        "alerts_labels_idx",
        "alerts",
        ["labels"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.create_index(
        "alerts_namespace_workflow_starts_at_id_idx",
        "alerts",
        ["namespace", "workflow", "starts_at", "id"],
        unique=False,
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), server_default="", nullable=False),
        sa.Column("settlement", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("dead_letters_pkey")),
        sa.UniqueConstraint("key", name=op.f("dead_letters_key_key")),
    )
    op.create_index(op.f("dead_letters_received_at_idx"), "dead_letters", ["received_at"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("firing", sa.BigInteger(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("target", JSONB(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checks", JSONB(), nullable=False),
        sa.Column("would", JSONB(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("decisions_pkey")),
    )
    op.create_index(
        "decisions_alert_id_firing_playbook_key", "decisions", ["alert_id", "firing", "playbook"], unique=True
    )
    op.create_index(op.f("decisions_incident_id_idx"), "decisions", ["incident_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), server_default=sa.text("nextval('deliveries_id_seq')"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("external_url", sa.Text(), nullable=False),
        sa.Column("truncated_alerts", sa.BigInteger(), nullable=False),
        sa.Column("alerts", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("received_at", "id", name=op.f("deliveries_pkey")),
        postgresql_partition_by="RANGE (received_at)",
    )
    op.create_index("deliveries_received_at_key_key", "deliveries", ["received_at", "key"], unique=True)
    op.create_table(
        "exports",
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("month", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("relation", "month", name=op.f("exports_pkey")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("took", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("findings_pkey")),
    )
    op.create_index("findings_incident_id_source_id_idx", "findings", ["incident_id", "source", "id"], unique=False)
    op.create_table(
        "hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alertname", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("fired", sa.BigInteger(), nullable=False),
        sa.Column("resolved", sa.BigInteger(), nullable=False),
        sa.Column("firing_time", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "alertname", "severity", "namespace", name=op.f("hours_pkey")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quiet_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("firing", sa.BigInteger(), nullable=False),
        sa.Column("flaps", sa.BigInteger(), nullable=False),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
        sa.Column("lineage", sa.Text(), server_default="", nullable=False),
        sa.Column("acknowledged_by", sa.Text(), server_default="", nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pkey")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("incidents_key_id_idx", "incidents", ["key", "id"], unique=False)
    op.create_index(
        "incidents_lineage_idx", "incidents", ["lineage"], unique=False, postgresql_where=sa.text("lineage <> ''")
    )
    op.create_index(
        "incidents_look_idx", "incidents", ["look_at"], unique=False, postgresql_where=sa.text("look_at is not null")
    )
    op.create_index(
        "incidents_merged_into_idx",
        "incidents",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into is not null"),
    )
    op.create_index(
        "incidents_merged_key_idx", "incidents", ["key"], unique=False, postgresql_where=sa.text("state = 'merged'")
    )
    op.create_index("incidents_open_key", "incidents", ["key"], unique=True, postgresql_where=sa.text("state = 'open'"))
    op.create_index(
        "incidents_quiet_idx", "incidents", ["quiet_since"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_table(
        "journal",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", JSONB(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "cursor", "attempt", name=op.f("journal_pkey")),
    )
    op.create_table(
        "lineages",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("lineages_pkey")),
    )
    op.create_index(
        "lineages_namespace_name_created_at_idx", "lineages", ["namespace", "name", "created_at"], unique=False
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("answer", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
        sa.UniqueConstraint("key", name=op.f("outbox_key_key")),
    )
    op.create_index("outbox_due_idx", "outbox", ["due_at"], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.create_index(
        "outbox_incident_id_place_address_id_idx", "outbox", ["incident_id", "place", "address", "id"], unique=False
    )
    op.create_table(
        "playbooks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Text(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("playbooks_pkey")),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("requests_pkey")),
    )
    op.create_index(op.f("requests_run_id_idx"), "requests", ["run_id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("target", JSONB(), nullable=True),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("confirm", sa.Text(), nullable=False),
        sa.Column("escalate", sa.Boolean(), nullable=False),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("steps", JSONB(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("vars", JSONB(), nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
    )
    op.create_index(op.f("runs_incident_id_idx"), "runs", ["incident_id"], unique=False)
    op.create_index("runs_lineage_playbook_started_at_idx", "runs", ["lineage", "playbook", "started_at"], unique=False)
    op.create_index(
        "runs_one_per_lineage",
        "runs",
        ["lineage"],
        unique=True,
        postgresql_where=sa.text("state in ('running', 'waiting') and lineage <> ''"),
    )
    op.create_index(
        "runs_wake_idx", "runs", ["wake_at"], unique=False, postgresql_where=sa.text("state in ('running', 'waiting')")
    )
    op.create_table(
        "timeline",
        sa.Column("id", sa.BigInteger(), server_default=sa.text("nextval('timeline_id_seq')"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("alert_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("timeline_pkey")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("timeline_alert_id_at_id_idx", "timeline", ["alert_id", "at", "id"], unique=False)
    op.create_index("timeline_id_idx", "timeline", ["id"], unique=False)
    op.create_index("timeline_incident_id_at_id_idx", "timeline", ["incident_id", "at", "id"], unique=False)
    op.create_table(
        "tombstones",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "starts_at", name=op.f("tombstones_pkey")),
    )
    _statistics()
    _asking()
    for table in PARTITIONED:
        op.execute(f"create table {table}_p_default partition of {table} default")


def _statistics() -> None:
    op.create_index(
        "alerts_ends_at_idx", "alerts", ["ends_at"], unique=False, postgresql_where=sa.text("ends_at is not null")
    )
    op.create_index(
        "alerts_late_idx",
        "alerts",
        ["first_seen_at"],
        unique=False,
        postgresql_where=sa.text("first_seen_at - starts_at > interval '1 day'"),
    )
    op.create_index(
        "alerts_late_end_idx",
        "alerts",
        ["resolved_seen_at"],
        unique=False,
        postgresql_where=sa.text("resolved_seen_at - ends_at > interval '1 day'"),
    )
    op.create_index(op.f("decisions_at_idx"), "decisions", ["at"], unique=False)
    op.create_index("hours_alertname_hour_idx", "hours", ["alertname", "hour"], unique=False)
    op.create_table(
        "playbook_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "playbook", "outcome", name=op.f("playbook_hours_pkey")),
    )
    op.create_index(
        "incidents_closed_at_idx",
        "incidents",
        ["closed_at"],
        unique=False,
        postgresql_where=sa.text("closed_at is not null"),
    )
    op.create_index(
        "runs_finished_at_idx",
        "runs",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at is not null"),
    )


def _asking() -> None:
    op.create_table(
        "inquiries",
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("late", JSONB(), nullable=False),
        sa.Column("truncated", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("received_at", "key", name=op.f("inquiries_pkey")),
    )
    op.create_index(op.f("inquiries_due_at_idx"), "inquiries", ["due_at"], unique=False)
    op.create_table(
        "peers",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("peers_pkey")),
    )
    op.create_table(
        "sightings",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suppressed_by", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "starts_at", name=op.f("sightings_pkey")),
    )


def downgrade() -> None:
    raise RuntimeError("the first tables hold everything there is: restore a backup instead")
