"""Steps of a workflow that Argo packed because they are many: base64 of gzip, zstd or brotli. Pure.

Which of the three it is, is told by the first bytes, as Argo's own reader does; brotli has none of its own. Whoever may
patch a workflow may write anything here, so no more is unpacked than steps can be.
"""

import base64
import binascii
import json
import zlib
from typing import Any, Final

import brotli
import zstandard

from receiver.model.errors import NodesUnreadable

LARGEST_TREE: Final = 64 * 1024 * 1024
"""Bytes. Argo packs what is over 1 MiB; a tree that unpacks to more than this is not one."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1024 * 1024
_LARGEST_WINDOW: Final = 2**27
"""Bytes that zstd may look back, and hold for it; the command line tool has the same limit."""


def unpack(text: str) -> Any:
    """Undo Argo's compression of a node tree.

    Returns:
        The JSON value that was packed.

    Raises:
        NodesUnreadable: It is damaged, cut off, or larger than any tree of steps.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        return json.loads(_inflated(packed))
    except (binascii.Error, zlib.error, zstandard.ZstdError, brotli.error, ValueError, RecursionError) as garbled:
        raise NodesUnreadable("the compressed steps of this workflow are damaged") from garbled


def _inflated(packed: bytes) -> bytes:
    if packed.startswith(_GZIP):
        return _gunzipped(packed)
    return _unzstd(packed) if packed.startswith(_ZSTD) else _unbrotli(packed)


def _gunzipped(packed: bytes) -> bytes:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    tree = unzip.decompress(packed, LARGEST_TREE)
    if not unzip.eof:
        raise _unfinished()
    return tree


def _unzstd(packed: bytes) -> bytes:
    tree = bytearray()
    with zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(packed) as reader:
        while chunk := reader.read(_CHUNK):
            tree += chunk
            if len(tree) > LARGEST_TREE:
                raise _unfinished()
    return bytes(tree)


def _unbrotli(packed: bytes) -> bytes:
    unpacker, tree, rest = brotli.Decompressor(), bytearray(), packed
    while not unpacker.is_finished():
        chunk = unpacker.process(rest, output_buffer_limit=_CHUNK)
        tree += chunk
        if len(tree) > LARGEST_TREE or (not chunk and unpacker.can_accept_more_data()):
            raise _unfinished()
        rest = b""
    return bytes(tree)


def _unfinished() -> NodesUnreadable:
    return NodesUnreadable("the compressed steps of this workflow are cut off or too large")
