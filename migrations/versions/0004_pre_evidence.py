"""What is lost by a step, the evidence kept before it, runs and backtests that people ask for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("loss", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_table(
        "evidence",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "cursor", name=op.f("evidence_pkey")),
    )
    op.create_index(op.f("evidence_at_idx"), "evidence", ["at"], unique=False)
    op.create_table(
        "backtests",
        sa.Column("request_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("backtests_pkey")),
    )
    op.create_index(op.f("backtests_playbook_idx"), "backtests", ["playbook"], unique=False)
    op.add_column("requests", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "requests_due_idx", "requests", ["due_at"], unique=False, postgresql_where=sa.text("due_at is not null")
    )


def downgrade() -> None:
    op.drop_index("requests_due_idx", "requests")
    op.drop_column("requests", "due_at")
    op.drop_table("backtests")
    op.drop_table("evidence")
    op.drop_column("decisions", "loss")
