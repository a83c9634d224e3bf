"""The form of one record on disk, and how whole records are found again.

A frame is the mark of its file, the length and the checksum of what follows, and the record itself. The mark is sixteen
random bytes, drawn for each file: no sender can know it, so a body that contains a forged frame is never taken for one.
"""

import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

MARK_LENGTH: Final = 16
"""Bytes of a file's mark."""

_HEAD: Final = struct.Struct("<II")
"""Length in bytes and CRC-32 of the record, both little-endian."""

OVERHEAD: Final = MARK_LENGTH + _HEAD.size
"""Bytes of a frame beside its record."""


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What waits in the spool: a delivery, or a body that could not be understood.

    Attributes:
        key: Under which it is recorded, once.
        received_at: When it came; aware, UTC.
        body: Byte for byte.
        reason: Why it is no delivery; None where it is one.
        place: Where in the body, of one that is none; possibly empty.
    """

    key: UUID
    received_at: datetime
    body: bytes
    reason: str | None = None
    place: str = ""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A whole record in a file, with its first byte and the one after its last."""

    start: int
    end: int
    record: Record


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Write a record."""
    return _ENCODER.encode(record)


def frame(encoded: bytes, mark: bytes) -> bytes:
    """Write the frame of a record, `OVERHEAD` bytes longer than the record."""
    return mark + _HEAD.pack(len(encoded), _checksum(encoded, mark)) + encoded


def frames(content: bytes, mark: bytes, start: int) -> Iterator[Frame]:
    """Find the whole records of a file from a place on; what is between them and behind the last is damaged or torn.

    Args:
        content: The file, from its first byte.
        mark: The file's mark.
        start: Where to begin.
    """
    while (found := content.find(mark, start)) >= 0:
        whole = _read(content, mark, found)
        if whole is not None:
            yield whole
        start = found + 1 if whole is None else whole.end


def _read(content: bytes, mark: bytes, start: int) -> Frame | None:
    begin = start + OVERHEAD
    if begin > len(content):
        return None
    length, checksum = _HEAD.unpack_from(content, start + MARK_LENGTH)
    payload = content[begin : begin + length]
    if len(payload) < length or _checksum(payload, mark) != checksum:
        return None
    try:
        record = _DECODER.decode(payload)
    except msgspec.MsgspecError:
        return None
    return Frame(start=start, end=begin + length, record=record)


def _checksum(payload: bytes, mark: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(mark))
