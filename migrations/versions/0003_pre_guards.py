"""What guards ask for: pauses, breakers, fixes that did not hold, incidents that are told as one."""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pauses_pkey")),
    )
    op.create_index("pauses_unended_idx", "pauses", ["id"], unique=False, postgresql_where=sa.text("ended_at is null"))
    op.create_table(
        "playbook_states",
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_because", sa.Text(), server_default="", nullable=False),
        sa.Column("demoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("demoted_because", sa.Text(), server_default="", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("playbook", name=op.f("playbook_states_pkey")),
    )
    op.create_table(
        "recurrences",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("recurrences_pkey")),
    )
    op.add_column("incidents", sa.Column("part_of", sa.BigInteger(), nullable=True))
    op.create_index("incidents_part_of_idx", "incidents", ["part_of"], postgresql_where=sa.text("part_of is not null"))
    op.create_index(
        "runs_ended_idx",
        "runs",
        ["playbook", "id"],
        unique=False,
        postgresql_where=sa.text("outcome in ('succeeded', 'failed', 'timed_out')"),
    )


def downgrade() -> None:
    op.drop_index("runs_ended_idx", "runs")
    op.drop_index("incidents_part_of_idx", "incidents")
    op.drop_column("incidents", "part_of")
    op.drop_table("recurrences")
    op.drop_table("playbook_states")
    op.drop_table("pauses")
