"""Messages have priorities and can be replayed; all that goes to one address shares its pace."""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", "address", name=op.f("lanes_pkey")),
    )
    op.add_column("outbox", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("2"), nullable=False))
    op.add_column("outbox", sa.Column("replays", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("outbox", sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "outbox_pending_idx",
        "outbox",
        ["place", "address", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index("outbox_due_idx", table_name="outbox", postgresql_where=sa.text("state = 'pending'"))


def downgrade() -> None:
    op.create_index("outbox_due_idx", "outbox", ["due_at"], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("outbox_pending_idx", table_name="outbox", postgresql_where=sa.text("state = 'pending'"))
    op.drop_column("outbox", "replayed_at")
    op.drop_column("outbox", "replays")
    op.drop_column("outbox", "priority")
    op.drop_table("lanes")
