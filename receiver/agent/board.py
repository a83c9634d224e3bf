"""The checks together: all at once, each within its limit, and what they found kept for a while."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread
from typing import Final

from receiver.agent.trouble import CheckFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: Under which it is told.
        look: Looks within the time that it is given; raises `CheckFailed` where something is wrong.
        limit: How long it may take.
    """

    name: str
    look: Callable[[timedelta], None]
    limit: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What all checks found together.

    Attributes:
        at: When they were asked, in UTC.
        took: How long the slowest took.
        failures: By the name of each check that failed, its reason.
        names: Of all checks, in that order.
    """

    at: datetime
    took: timedelta
    failures: dict[str, str]
    names: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def checks(self) -> dict[str, bool]:
        """Whether each check passed, by its name."""
        return {name: name not in self.failures for name in self.names}


class Board:
    """Asks all checks at once, and keeps what they found between two questions.

    A check that does not come back, such as one that hangs in a dead network drive, cannot be ended; it is told as
    failed until it does, and is not asked a second time meanwhile. The others wait for none but themselves.

    Args:
        checks: With different names.
        fresh: How old a round may be to answer for the present.
        heard: Is told each new round, by whoever asked for it.
    """

    def __init__(
        self, checks: Sequence[Check], *, fresh: timedelta, heard: Callable[[Round], None] | None = None
    ) -> None:
        self._checks: Final = tuple(checks)
        self._fresh: Final = fresh
        self._heard: Final = heard
        self._lock: Final = Lock()
        self._attempts: dict[str, _Attempt] = {}
        self._last: tuple[float, Round] | None = None

    def look(self) -> Round:
        """Give the last round where it is fresh, else a new one; whoever comes meanwhile waits for the same."""
        with self._lock:
            if self._last is not None and time.monotonic() - self._last[0] < self._fresh.total_seconds():
                return self._last[1]
            found = self._ask()
            self._last = time.monotonic(), found
            if self._heard is not None:
                self._heard(found)
            return found

    def _ask(self) -> Round:
        at, began = datetime.now(UTC), time.monotonic()
        for check in self._checks:
            attempt = self._attempts.get(check.name)
            if attempt is None or not attempt.is_alive():
                self._attempts[check.name] = _Attempt(check)
                self._attempts[check.name].start()
        found = {check.name: self._attempts[check.name].conclude() for check in self._checks}
        return Round(
            at=at,
            took=timedelta(seconds=time.monotonic() - began),
            failures={name: reason for name, reason in found.items() if reason},
            names=tuple(found),
        )


class _Attempt(Thread):
    """One look of one check; a daemon, so that one which hangs does not keep the process."""

    def __init__(self, check: Check) -> None:
        super().__init__(name=f"check {check.name}", daemon=True)
        self._check: Final = check
        self._began: Final = time.monotonic()
        self._reason = "it ended without an answer; see the log of this process"

    def run(self) -> None:
        try:
            self._check.look(self._check.limit)
            self._reason = ""
        except CheckFailed as failure:
            self._reason = str(failure)

    def conclude(self) -> str:
        """Wait for it within what is left of its limit, and say why it failed; empty where it passed."""
        limit = self._check.limit.total_seconds()
        # A check that keeps its own limit says best what it waited for: it gets a moment to say so.
        self.join(max(0.0, self._began + limit + _MOMENT - time.monotonic()))
        if self.is_alive():
            waited = time.monotonic() - self._began
            return f"no answer within {limit:g} s; it has been waiting for {waited:.0f} s and cannot be ended"
        return self._reason


_MOMENT: Final = 0.2
"""Seconds."""
