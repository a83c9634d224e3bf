"""Keeps the number of dead letters within its bound."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from receiver.model.errors import StoreError
from receiver.store.database import Database
from receiver.store.deadletters import bound, forget_settled

log = structlog.get_logger()

_EVERY: Final = timedelta(minutes=1)


class LetterBound:
    """Lets go of dead letters beyond a number, and counts what goes.

    Args:
        database: Where they are.
        most: How many are kept.
        settled_for: How long those are kept about which a person has decided.
        registry: Where it is counted.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        database: Database,
        *,
        most: int,
        settled_for: timedelta,
        registry: CollectorRegistry,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._most = most
        self._settled_for = settled_for
        self._now = now
        self._dropped = Counter(
            "receiver_deadletters_dropped",
            "Dead letters that went because there were too many; open: nobody had decided about them.",
            ["fate"],
            registry=registry,
        )
        for fate in ("settled", "open"):
            self._dropped.labels(fate)

    async def keep(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY.total_seconds())
            try:
                await self.look()
            except StoreError as error:
                log.warning("deadletters", action="deadletters_not_bounded", error=str(error))

    async def look(self) -> None:
        """Let go of what is too old or too much; that nobody had decided about some is worth a loud line.

        Raises:
            StoreUnavailable: The database does not answer; nothing went.
        """
        async with self._database.transaction() as tx:
            await forget_settled(tx, self._now() - self._settled_for)
            settled, undecided = await bound(tx, self._most)
        self._dropped.labels("settled").inc(settled)
        self._dropped.labels("open").inc(undecided)
        if undecided:
            log.error("deadletters", action="deadletters_dropped", undecided=undecided, most=self._most)
