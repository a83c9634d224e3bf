"""Lists by what is rare are read from an index: one namespace, one workflow, one playbook, one place, what is dead."""

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    op.create_index("incidents_namespace_id_idx", "incidents", ["namespace", "id"], unique=False)
    op.create_index(
        "incidents_workflow_id_idx",
        "incidents",
        ["workflow", "id"],
        unique=False,
        postgresql_where=sa.text("workflow <> ''"),
    )
    op.create_index("runs_playbook_id_idx", "runs", ["playbook", "id"], unique=False)
    op.create_index("outbox_place_id_idx", "outbox", ["place", "id"], unique=False)
    op.create_index("outbox_dead_idx", "outbox", ["id"], unique=False, postgresql_where=sa.text("state = 'dead'"))


def downgrade() -> None:
    op.drop_index("outbox_dead_idx", table_name="outbox", postgresql_where=sa.text("state = 'dead'"))
    op.drop_index("outbox_place_id_idx", table_name="outbox")
    op.drop_index("runs_playbook_id_idx", table_name="runs")
    op.drop_index("incidents_workflow_id_idx", table_name="incidents", postgresql_where=sa.text("workflow <> ''"))
    op.drop_index("incidents_namespace_id_idx", table_name="incidents")
