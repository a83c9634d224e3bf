"""Which folder a process writes to: one process holds it at a time, and what others left behind is taken over.

Below `data_dir/spool` each process has a folder of its own, numbered, with a lock file that the kernel releases when
its holder dies. Two processes on one `data_dir` thus never write to the same file, and a folder whose holder is gone is
found by the next that looks.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from receiver.store.spool.segment import SUFFIX, sync_folder

_MOST: Final = 1_000
"""Processes on one `data_dir`; so many never meet, so beyond it something else is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that this process holds until `release`, or until it dies."""

    path: Path
    lock: int

    @classmethod
    def claim(cls, base: Path) -> Self:
        """Take the first folder that nobody holds; made where all are held.

        Raises:
            OSError: None can be had.
        """
        make_private(base)
        for number in range(1, _MOST):
            path = base / f"{number:04d}"
            make_private(path)
            held = cls._hold(path)
            if held is not None:
                return held
        raise OSError(f"all {_MOST} folders in {base} are held by others")

    @classmethod
    def abandoned(cls, base: Path) -> list[Self]:
        """Take all folders that nobody holds and that have something in them."""
        candidates = sorted({path.parent for path in base.glob(f"*/*{SUFFIX}")})
        held = [cls._hold(path) for path in candidates]
        return [one for one in held if one is not None]

    def release(self) -> None:
        """Leave the folder to whoever comes next."""
        os.close(self.lock)

    @classmethod
    def _hold(cls, path: Path) -> Self | None:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return cls(path=path, lock=lock)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can open, durably; one that is there is made so."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
