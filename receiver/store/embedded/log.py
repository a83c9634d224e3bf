"""What the server and initdb say: one file in `data_dir`, put aside when it has grown."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from receiver.store.embedded.premises import Premises

_LONGEST_LOG = 5_000_000
"""Bytes at which the log is put aside at the next start; one older log is kept."""


@contextmanager
def opened_log(premises: Premises) -> Iterator[int]:
    """Open the log for a child to write to; give its descriptor."""
    descriptor = os.open(premises.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def log_size(premises: Premises) -> int:
    """Return its bytes: where the next words will stand."""
    return premises.log.stat().st_size if premises.log.exists() else 0


def put_old_log_aside(premises: Premises) -> None:
    """Begin a new log when the old one is long."""
    if log_size(premises) > _LONGEST_LOG:
        premises.log.rename(premises.log.with_suffix(".log.1"))


def describe_log(premises: Premises, *, since: int) -> str:
    """Return the last lines that the log has gained since it was *since* bytes long, for use in an error."""
    with premises.log.open("rb") as log:
        log.seek(max(since, premises.log.stat().st_size - 4096))
        lines = log.read().decode(errors="replace").strip().splitlines()[-8:]
    if not lines:
        return f"{premises.log} says nothing about it."
    return f"{premises.log} ends with:\n" + "\n".join(f"  {line}" for line in lines)
