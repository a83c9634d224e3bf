"""All files of one folder: where records are added, which is next, and how much room they take.

Everything here blocks and is called from one thread at a time; OSError means that the disk fails.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from pathlib import Path
from typing import Final

import structlog

from receiver.store.spool.frame import OVERHEAD, Frame, Record, encode, frame
from receiver.store.spool.segment import HEADER, SUFFIX, Segment, write_durably

SEGMENT: Final = 4 * 1024 * 1024
"""Bytes after which a new file is begun; room comes back a file at a time."""

_CURSOR: Final = struct.Struct("<16sQI")
"""Mark of the file that is drained, how far it is, and a checksum of both."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _File:
    """A file, and what is still to be drained of it."""

    segment: Segment
    oldest: datetime
    drained_to: int = HEADER
    waiting: int = 0


class Shelf:
    """The records of one folder, in the order in which they were added.

    Args:
        folder: Held by this process alone.
        most: Bytes that its files may take.

    Attributes:
        waiting: How many records are to be dropped; like the other two it may be read from any thread.
        size: How many bytes the files take, dropped records included.
        oldest: When the oldest record came, exact to one batch; None where there is none.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._files: deque[_File] = deque()
        self._next = 1
        self._open: Segment | None = None
        self.waiting = 0
        self.size = 0
        self.oldest: datetime | None = None

    def load(self) -> None:
        """Find what an earlier process left; whatever its death tore is cut."""
        cursor = self._read_cursor()
        for path in sorted(self._folder.glob(f"{'[0-9]' * 16}{SUFFIX}")):
            segment, found = Segment.open(path)
            self._next = segment.number + 1
            offset = cursor[1] if cursor and cursor[0] == segment.mark else HEADER
            found = [one for one in found if one.start >= offset]
            if segment.torn or segment.damaged:
                log.warning(
                    "spool", action="spool_mended", file=path.name, cut_bytes=segment.torn, damaged=segment.damaged
                )
            if not found:
                segment.remove()
                continue
            oldest = found[0].record.received_at
            self._files.append(_File(segment=segment, drained_to=offset, waiting=len(found), oldest=oldest))
        self._count()

    def add(self, records: Sequence[Record]) -> list[bool]:
        """Add records durably, as far as there is room.

        Returns:
            For each whether it was added; a record that is too large leaves the room to smaller ones.

        Raises:
            OSError: The disk fails; none was added.
        """
        room = self._most - self.size - (0 if self._has_open_file else HEADER)
        encoded = [encode(record) for record in records]
        added = []
        for one in encoded:
            added.append(OVERHEAD + len(one) <= room)
            room -= OVERHEAD + len(one) if added[-1] else 0
        if any(added):
            self._append(list(compress(encoded, added)), next(compress(records, added)).received_at)
            self._count()
        return added

    def peek(self, most: int) -> list[Frame]:
        """Read the oldest records; all from one file, so maybe fewer than there are."""
        if not self._files:
            return []
        return self._files[0].segment.read(self._files[0].drained_to, most)

    def drop(self, recorded: Sequence[Frame]) -> None:
        """Note that the oldest records, as `peek` gave them, are recorded elsewhere."""
        one = self._files[0]
        one.drained_to, one.oldest = recorded[-1].end, recorded[-1].record.received_at
        one.waiting -= len(recorded)
        if not one.waiting:
            self._files.popleft()
            if one.segment is self._open:
                self._open = None
        self._count()
        if one.waiting:
            self._write_cursor(one.segment.mark, one.drained_to)
        else:
            one.segment.remove()

    def probe(self, size: int) -> None:
        """Try whether the disk takes and keeps so many bytes."""
        path = self._folder / "probe"
        try:
            write_durably(path, bytes(size), flags=os.O_CREAT)
        finally:
            path.unlink(missing_ok=True)

    def _count(self) -> None:
        self.waiting = sum(one.waiting for one in self._files)
        self.size = sum(one.segment.size for one in self._files)
        self.oldest = self._files[0].oldest if self._files else None

    @property
    def _has_open_file(self) -> bool:
        return self._open is not None and self._open.size < SEGMENT

    def _append(self, encoded: Sequence[bytes], oldest: datetime) -> None:
        if self._open is None or not self._has_open_file:
            self._open = Segment.create(self._folder, self._next)
            self._next += 1
        segment = self._open
        try:
            segment.append(b"".join(frame(one, segment.mark) for one in encoded))
        except OSError:
            self._open = None
            if segment.size == HEADER:
                segment.path.unlink(missing_ok=True)
            raise
        if not self._files or self._files[-1].segment is not segment:
            self._files.append(_File(segment=segment, oldest=oldest))
        self._files[-1].waiting += len(encoded)

    def _read_cursor(self) -> tuple[bytes, int] | None:
        """Read how far draining was; None where nobody knows, so that all is drained again."""
        path = self._folder / "cursor"
        content = path.read_bytes() if path.exists() else b""
        if len(content) != _CURSOR.size:
            return None
        mark, offset, checksum = _CURSOR.unpack(content)
        return (mark, offset) if checksum == zlib.crc32(content[:-4]) else None

    def _write_cursor(self, mark: bytes, offset: int) -> None:
        content = _CURSOR.pack(mark, offset, 0)[:-4]
        try:
            write_durably(
                self._folder / "cursor", content + zlib.crc32(content).to_bytes(4, "little"), flags=os.O_CREAT
            )
        except OSError as error:
            # What is recorded stays recorded: after a death these records would be drained again, under their keys.
            log.warning("spool", action="cursor_not_written", reason=str(error))
