"""Alembic's entry: runs on the connection that `receiver.store.migrate` holds, under its advisory lock."""

from alembic import context

from receiver.store.migrate import is_ours
from receiver.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    include_object=is_ours,
)
with context.begin_transaction():
    context.run_migrations()
