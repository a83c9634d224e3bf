"""Who uses the server: two lock files, which the kernel releases when their holder dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from receiver.store.embedded.errors import EmbeddedPostgresError

_PAUSE = timedelta(milliseconds=20)


@contextmanager
def door(data_dir: Path, *, limit: timedelta) -> Iterator[None]:
    """Let one process at a time start or stop the server of *data_dir*.

    Raises:
        EmbeddedPostgresError: Another process held the door for longer than *limit*.
    """
    descriptor = _open(data_dir / "postgres.door")
    end = time.monotonic() + limit.total_seconds()
    try:
        while not _try(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > end:
                raise EmbeddedPostgresError(
                    f"Another process has been starting or stopping the database in {data_dir} for more than "
                    f"{limit.total_seconds():.0f} s. See {data_dir / 'postgres.log'}; end that process if it hangs."
                )
            time.sleep(_PAUSE.total_seconds())
        yield
    finally:
        os.close(descriptor)


@dataclass(kw_only=True, slots=True)
class Use:
    """One process's share in the server of a `data_dir`. Begin and end it with the door locked."""

    descriptor: int
    alone: bool
    """Whether nobody else used the server when this share began."""

    @classmethod
    def begin(cls, data_dir: Path) -> "Use":
        """Take a share."""
        descriptor = _open(data_dir / "postgres.users")
        alone = _try(descriptor, fcntl.LOCK_EX)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return cls(descriptor=descriptor, alone=alone)

    def is_last(self) -> bool:
        """Whether nobody else uses the server now. The share is given up by asking: end it next."""
        return _try(self.descriptor, fcntl.LOCK_EX)

    def end(self) -> None:
        """Give the share back."""
        os.close(self.descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
