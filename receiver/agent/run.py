"""Commands as checks: run without a shell, within a limit, and ended with all their children."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from typing import Final

from receiver.agent.trouble import CheckFailed

_QUOTED: Final = 300
"""Characters of what a command said that stand in a reason."""


class Commands:
    """Runs commands, each as the leader of a process group of its own, and can end all that run.

    Args:
        environment: What the commands see.
        folder: Where they run; None for the folder of this process.
    """

    def __init__(self, environment: Mapping[str, str], *, folder: str | None = None) -> None:
        self._environment: Final = dict(environment)
        self._folder: Final = folder
        self._running: set[int] = set()
        self._stopped = False
        self._lock: Final = Lock()

    def run(self, command: Sequence[str], limit: timedelta) -> None:
        """Run a command to its end; on time-out its whole group is killed.

        Raises:
            CheckFailed: It cannot be started, ends with another code than 0, or takes longer than the limit.
        """
        named = " ".join(command)
        # A pipe would stay open in the hands of a child that outlives the command; a file holds nobody up.
        with tempfile.TemporaryFile() as said:
            try:
                with self._lock:
                    if self._stopped:
                        raise CheckFailed(f"{named} was not started, since this process stops")
                    process = subprocess.Popen(  # noqa: S603 - no shell; the command is of whoever configures the agent
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=said,
                        stderr=subprocess.STDOUT,
                        cwd=self._folder,
                        env=self._environment,
                        start_new_session=True,
                    )
                    self._running.add(process.pid)
            except (OSError, ValueError) as error:
                raise CheckFailed(f"{named} cannot be started: {error}") from error
            try:
                code = process.wait(limit.total_seconds())
            except subprocess.TimeoutExpired:
                _kill(process.pid)
                process.wait()
                raise CheckFailed(f"{named} did not end within {limit.total_seconds():g} s") from None
            finally:
                with self._lock:
                    self._running.discard(process.pid)
            if code:
                said.seek(0)
                raise CheckFailed(f"{named} ended with {code}: {one_line(said.read(4096).decode(errors='replace'))}")

    def stop(self) -> None:
        """Kill whatever runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            for group in self._running:
                _kill(group)


def one_line(text: str) -> str:
    """Put what others said into one short line in which nothing can move a cursor."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}..."


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
