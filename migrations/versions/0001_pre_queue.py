"""The queue: procrastinate's schema as of 3.10.0, kept here so that this revision never changes with the package."""

from pathlib import Path

from alembic import op

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    script = Path(__file__).parents[1] / "sql" / "procrastinate-3.10.0.sql"
    driver = op.get_bind().connection.dbapi_connection
    assert driver is not None  # noqa: S101 - a bound connection always has one
    driver.cursor().execute(script.read_text(encoding="utf-8"))  # several statements in one text


def downgrade() -> None:
    raise RuntimeError("the first revision is not taken back: restore a backup instead")
