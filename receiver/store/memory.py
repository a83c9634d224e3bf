"""What one process remembers of what it recorded.

All of it only saves questions: which occurrences are known, which incidents burn, and numbers for new occurrences.
What is not true any more is found out by the statement that relied on it, which then is taken back; a number that is
never used is a gap.
"""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import psycopg

Key = tuple[str, datetime]
"""An occurrence: fingerprint and start."""

_OCCURRENCES: Final = 100_000
"""Occurrences that are remembered: some 20 MB, and more than fire at once anywhere."""

_INCIDENTS: Final = 10_000
"""Incidents that are remembered: some 2 MB."""

_DRAWN: Final = 1_000
"""Numbers that are drawn at once."""


class Memory:
    """The memory of one process; none of it is needed."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, None] = OrderedDict()
        self._burning: OrderedDict[str, None] = OrderedDict()
        self._numbers: list[int] = []

    def knows(self, key: Key) -> bool:
        """Answer whether an occurrence may be stored already."""
        return key in self._known

    def remember(self, keys: Iterable[Key]) -> None:
        """Remember that occurrences are stored; the oldest memories make room."""
        _put(self._known, keys, _OCCURRENCES)

    def burns(self, incident_key: str) -> bool:
        """Answer whether an alert of this name may only be one more in an incident that is open and fires."""
        return incident_key in self._burning

    def kindle(self, incident_keys: Iterable[str]) -> None:
        """Remember that the incidents of these names are open and fire; the oldest memories make room."""
        _put(self._burning, incident_keys, _INCIDENTS)

    def quench(self, incident_keys: Iterable[str]) -> None:
        """Forget incidents of which one turned out not to burn any more."""
        for key in incident_keys:
            self._burning.pop(key, None)

    async def numbers(self, connection: psycopg.AsyncConnection[Any], count: int) -> list[int]:
        """Give as many new numbers of occurrences as are asked for."""
        if len(self._numbers) < count:
            drawn = await connection.execute(
                "select nextval('alerts_id_seq') from generate_series(1, %s)", [max(count, _DRAWN)], prepare=True
            )
            # Read first, then added: meanwhile another recording may have taken numbers.
            fresh = [number for (number,) in await drawn.fetchall()]
            self._numbers += fresh
        taken, self._numbers = self._numbers[:count], self._numbers[count:]
        return taken


def _put(memory: OrderedDict[Any, None], keys: Iterable[Any], most: int) -> None:
    for key in keys:
        memory[key] = None
    while len(memory) > most:
        # A plain dict looks for its first key behind all that were taken out of it, for up to 90 microseconds.
        memory.popitem(last=False)
