"""What the pool says of an outage, in two lines instead of hundreds: that it began, and that it is over.

The pool warns of each attempt in vain and of each connection that broke, several times a second while Postgres is away.
The first of these says it all. Whatever else the pool warns of is passed on.
"""

import logging
from datetime import timedelta
from time import monotonic
from typing import Final

import structlog

log = structlog.get_logger()

_POOL: Final = "psycopg.pool"
"""Name of the pool's logger; https://www.psycopg.org/psycopg3/docs/advanced/pool.html."""

_OF_OUTAGES: Final = ("error connecting in ", "reconnection attempt in pool ", "discarding ")
"""How its warnings begin that come with every outage, as of release 3.3."""


class PoolLog(logging.Filter):
    """Turns the warnings of one process's pools into a line when connections fail, and one when they come again."""

    def __init__(self) -> None:
        super().__init__()
        self._since: float | None = None
        self._warnings = 0

    def listen(self) -> None:
        """Stand between the pool and the log; once is enough, and more does no harm."""
        logging.getLogger(_POOL).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep back what the pool says of an outage; the first of it is told in a line of ours."""
        said = record.getMessage()
        if record.levelno != logging.WARNING or not said.startswith(_OF_OUTAGES):
            return True
        self._warnings += 1
        if self._since is None:
            self._since = monotonic()
            log.warning("database", action="connections_fail", error=" ".join(said.split()))
        return False

    def connected(self) -> None:
        """Hear that a connection was made."""
        if self._since is None:
            return
        lasted = timedelta(seconds=round(monotonic() - self._since, 1))
        log.info("database", action="connections_again", after=str(lasted), warnings=self._warnings)
        self._since, self._warnings = None, 0


POOL_LOG: Final = PoolLog()
"""The one of this process: the pool's logger is one as well."""
