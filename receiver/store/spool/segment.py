"""One file of records. It only grows, and is removed as a whole once everything in it is recorded.

All functions block, and raise OSError where the disk fails.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

from receiver.store.spool.frame import MARK_LENGTH, Frame, frames

TITLE: Final = b"receiver-spool-1"
"""The first bytes of a file; another form gets another number."""

HEADER: Final = len(TITLE) + MARK_LENGTH
"""Where the first record begins."""

SUFFIX: Final = ".spool"


@dataclass(slots=True, kw_only=True)
class Segment:
    """A file that is open for reading, and for appending until it is sealed.

    Attributes:
        number: Its place in the order of files.
        mark: Random bytes before each record.
        size: Bytes up to the end of the last whole record.
        damaged: Whether bytes before that are no records; such a file is put aside, never removed.
        torn: Bytes that were cut when it was opened.
    """

    path: Path
    number: int
    mark: bytes
    size: int
    damaged: bool = False
    torn: int = 0

    @classmethod
    def create(cls, folder: Path, number: int) -> Self:
        """Make an empty file, durably."""
        path = folder / f"{number:016d}{SUFFIX}"
        mark = secrets.token_bytes(MARK_LENGTH)
        try:
            write_durably(path, TITLE + mark, flags=os.O_CREAT | os.O_EXCL)
            sync_folder(folder)
        except OSError:
            # Half a file that stayed would only be in the way of the next try.
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return cls(path=path, number=number, mark=mark, size=HEADER)

    @classmethod
    def open(cls, path: Path) -> tuple[Self, list[Frame]]:
        """Open a file that an earlier process wrote, and cut what its death tore.

        Returns:
            The file and its records; it may have none.
        """
        content = path.read_bytes()
        known = content[: len(TITLE)] == TITLE[: len(content)]
        mark = content[len(TITLE) : HEADER]
        found = list(frames(content, mark, HEADER)) if known and len(mark) == MARK_LENGTH else []
        size = found[-1].end if found else min(HEADER, len(content))
        segment = cls(path=path, number=int(path.stem), mark=mark, size=size, damaged=not known or _has_gap(found))
        if known and size < len(content):
            segment.torn = len(content) - size
            _cut(path, size)
        return segment, found

    def append(self, written: bytes) -> None:
        """Add whole frames, durably.

        Raises:
            OSError: They are not durable. What of them stands in the file is cut where the disk lets us; the file must
                not be appended to again, since after a failed fsync nobody knows what the disk holds.
        """
        try:
            write_durably(self.path, written, at=self.size)
        except OSError:
            with suppress(OSError):
                _cut(self.path, self.size)
            raise
        self.size += len(written)

    def read(self, start: int, most: int) -> list[Frame]:
        """Read some records from a place on."""
        return list(islice(frames(self.path.read_bytes()[: self.size], self.mark, start), most))

    def remove(self) -> None:
        """Give the disk its room back; a damaged file keeps it, under another name."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink()
        sync_folder(self.path.parent)


def write_durably(path: Path, written: bytes, *, at: int = 0, flags: int = 0) -> None:
    """Write bytes to a place in a file and wait until the disk has them."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        done = 0
        while done < len(written):
            done += os.pwrite(file, written[done:], at + done)
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _cut(path: Path, size: int) -> None:
    os.truncate(path, size)
    write_durably(path, b"")


def _has_gap(found: list[Frame]) -> bool:
    """Answer whether records do not follow each other without a break."""
    ends = [HEADER, *(one.end for one in found)]
    return any(one.start != end for one, end in zip(found, ends, strict=False))
