"""What is of low severity waits in rows for a digest; a message need not be about one incident."""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    op.create_table(
        "digest_entries",
        sa.Column("incident_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "place", "address", "shadow", name=op.f("digest_entries_pkey")),
    )
    op.create_index(
        "digest_entries_due_idx",
        "digest_entries",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("settled_at is null"),
    )
    op.alter_column("outbox", "incident_id", existing_type=sa.BigInteger(), nullable=True)


def downgrade() -> None:
    op.execute("delete from outbox where incident_id is null")
    op.alter_column("outbox", "incident_id", existing_type=sa.BigInteger(), nullable=False)
    op.drop_index("digest_entries_due_idx", table_name="digest_entries", postgresql_where=sa.text("settled_at is null"))
    op.drop_table("digest_entries")
