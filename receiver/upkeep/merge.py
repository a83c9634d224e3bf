"""Joins two sorted streams of rows into one, with few rows of each in memory."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from receiver.model.history import Key, Relation

Rows = list[dict[str, Any]]


async def merged(
    relation: Relation, older: Iterator[Rows], newer: AsyncIterator[Rows], *, at_once: int
) -> AsyncIterator[Rows]:
    """Give the rows of both, in order and some at once; of two with the same key the newer one."""
    left, right = _Side(relation), _Side(relation)
    joined: Rows = []
    while True:
        if left.is_empty:
            left.take(next(older, []))
        if right.is_empty:
            right.take(await anext(newer, []))
        if left.is_empty and right.is_empty:
            break
        if left.is_empty or (not right.is_empty and right.key <= left.key):
            if not left.is_empty and right.key == left.key:
                left.pop()
            joined.append(right.pop())
        else:
            joined.append(left.pop())
        if len(joined) == at_once:
            yield joined
            joined = []
    if joined:
        yield joined


class _Side:
    """One of the streams: the rows that were taken from it and not used."""

    def __init__(self, relation: Relation) -> None:
        self._relation = relation
        self._rows: Rows = []
        self._next = 0

    @property
    def is_empty(self) -> bool:
        """Whether more must be taken."""
        return self._next >= len(self._rows)

    @property
    def key(self) -> Key:
        """Key of the next row."""
        return self._relation.key(self._rows[self._next])

    def take(self, rows: Rows) -> None:
        """Put rows in."""
        self._rows, self._next = rows, 0

    def pop(self) -> dict[str, Any]:
        """Take the next row out."""
        self._next += 1
        return self._rows[self._next - 1]
