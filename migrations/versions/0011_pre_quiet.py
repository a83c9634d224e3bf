"""The index of quiet incidents holds only those: of all open ones, Postgres took it for the index of their keys."""

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    _make_anew("state = 'open' and quiet_since is not null")


def downgrade() -> None:
    _make_anew("state = 'open'")


def _make_anew(where: str) -> None:
    op.drop_index("incidents_quiet_idx", table_name="incidents")
    op.create_index("incidents_quiet_idx", "incidents", ["quiet_since"], unique=False, postgresql_where=sa.text(where))
