"""The process of the server: which one it is, what it says, how it is ended."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from receiver.store.embedded.account import Account
from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.premises import Premises

_PAUSE = timedelta(milliseconds=20)

_FAST_LIMIT = timedelta(seconds=20)
"""Time for a fast shutdown, which writes all changed pages: a tenth of a second at rest, seconds after heavy writing.
Kubernetes kills after 30 s, so there is time left for the immediate one."""

_IMMEDIATE_LIMIT = timedelta(seconds=6)
"""Time for an immediate shutdown; Postgres kills its own children after 5 s."""

_PROC = Path("/proc")


def find_postmaster(premises: Premises, account: Account) -> int | None:
    """Return the process id of the server that runs on these premises, if one does.

    `postmaster.pid` outlives a server that was killed, and its number may have gone to another process since (in a
    container it soon has), so the process must be the account's and have been told to serve this cluster.
    """
    pid = _noted_pid(premises)
    return pid if pid and runs(pid, premises, account) else None


def runs(pid: int, premises: Premises, account: Account) -> bool:
    """Whether the process *pid* is a server on these premises."""
    if not (_PROC / "self").exists():
        return is_alive(pid)
    # The command line may be read by all; where a process stands may not be read by a root without CAP_SYS_PTRACE.
    command = _command(pid, account)
    return command[:1] == ["postgres"] and str(premises.cluster) in command


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended; one whose end nobody has asked for yet has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return not (_PROC / "self").exists()
    return state not in {"Z", "X"}


def clear_stale_files(premises: Premises, account: Account, *, alone: bool) -> None:
    """Remove the lock files of a server that was killed. Call it when none is found, with the door locked.

    Postgres does so itself, unless its number is taken: by another process of the same account, or by its own remains
    where nobody asks for the end of orphans, as in a container whose first process is not an init.

    Args:
        premises: Where the file is.
        account: Whose processes a server could be.
        alone: Whether no other process uses the server. If one does, a server that cannot be seen may well run.

    Raises:
        EmbeddedPostgresError: Somebody uses a server that cannot be seen from here.
    """
    pid = _noted_pid(premises)
    if pid is None:
        return
    if not alone:
        raise EmbeddedPostgresError(
            f"Another process uses the database in {premises.cluster}, but its server (process {pid}) is not to be "
            "seen. Either it was killed, or it runs in another container. End that process first; "
            f"{premises.log} may say more."
        )
    if (_PROC / str(pid)).exists() and _command(pid, account)[:1] != ["postgres"]:
        for lock in (premises.cluster / "postmaster.pid", premises.socket.with_name(f"{premises.socket.name}.lock")):
            lock.unlink(missing_ok=True)


def stop_postmaster(pid: int, premises: Premises, account: Account) -> None:
    """End the server: fast, which cuts connections and loses nothing, then at once, which costs a recovery later.

    Raises:
        EmbeddedPostgresError: It did not end.
    """
    for how, limit in ((signal.SIGINT, _FAST_LIMIT), (signal.SIGQUIT, _IMMEDIATE_LIMIT)):
        if not runs(pid, premises, account):
            return
        os.kill(pid, how)
        if _wait_until_gone(pid, limit):
            return
    raise EmbeddedPostgresError(
        f"Postgres (process {pid}, data in {premises.cluster}) did not stop. See {premises.log}; end it by hand with "
        f"`kill -QUIT {pid}`, never with -KILL."
    )


def _wait_until_gone(pid: int, limit: timedelta) -> bool:
    """Whether the process ended in time: the whole of it, not only its command line, which goes a moment earlier."""
    end = time.monotonic() + limit.total_seconds()
    while time.monotonic() < end:
        if not is_alive(pid):
            return True
        time.sleep(_PAUSE.total_seconds())
    return False


def _noted_pid(premises: Premises) -> int | None:
    try:
        pid = int((premises.cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid > 0 else None


def _command(pid: int, account: Account) -> list[str]:
    """Return the program's name and its arguments; nothing when the process has ended or is not the account's."""
    place = _PROC / str(pid)
    try:
        if place.stat().st_uid != account.uid:
            return []
        words = (place / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [Path(os.fsdecode(words[0])).name, *map(os.fsdecode, words[1:])]
