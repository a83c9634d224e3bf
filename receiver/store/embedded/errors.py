"""The one error of this room."""

from receiver.model.errors import StoreError


class EmbeddedPostgresError(StoreError):
    """The embedded Postgres could not be started, joined or stopped; the message says what to do about it."""
