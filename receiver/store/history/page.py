"""Pages that are cut by key: a cursor names the row after which the next page begins, in either direction."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, DateTime, Select, and_, tuple_

from receiver.model.errors import QueryRefused
from receiver.store.database import Transaction
from receiver.store.rows import Row

T = TypeVar("T")
Key = tuple[datetime | int, ...]

MOST: Final = 500
"""Items of one page."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_CURSOR: Final = 200
LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of the answers, in order.

    Attributes:
        items: At most as many as were asked for. A search that had to stop early holds fewer, perhaps none, and has a
            `next` all the same.
        next: Cursor of the page after this one; None at the end.
        previous: Cursor of the page before this one; None at the beginning.
    """

    items: tuple[T, ...]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page begins.

    Attributes:
        key: Key of the row that is just outside of the page; None for the end of the list that lies there.
        backwards: Whether the page reaches from there towards the beginning of the list.
        given: Whether a cursor named it at all.
    """

    key: Key | None = None
    backwards: bool = False
    given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a list is ordered: by columns that together are unique, all in one direction."""

    columns: tuple[Any, ...]
    newest_first: bool = True

    def position(self, cursor: str | None) -> Position:
        """Read a cursor.

        Raises:
            QueryRefused: It is none of ours.
        """
        if cursor is None:
            return Position()
        try:
            return self._position(cursor)
        except (ValueError, TypeError, OverflowError) as error:
            raise QueryRefused(
                "this is not a cursor of this list; take it from `next` or `previous` of a page", parameter="cursor"
            ) from error

    def key(self, row: Row) -> Key:
        """Read a row's key."""
        return tuple(getattr(row, column.key) for column in self.columns)

    def beyond(self, key: Key, *, backwards: bool, columns: Sequence[Any] | None = None) -> ColumnElement[bool]:
        """Say that a row lies beyond a key, looking in a direction.

        The first column alone is compared as well: a comparison of rows does not tell Postgres which partitions it
        may leave out.
        """
        ours = columns or self.columns
        if self.newest_first is backwards:
            return and_(ours[0] >= key[0], tuple_(*ours) > tuple_(*key))
        return and_(ours[0] <= key[0], tuple_(*ours) < tuple_(*key))

    def sorting(self, *, backwards: bool, columns: Sequence[Any] | None = None) -> list[ColumnElement[Any]]:
        """Give what `order by` needs to look in a direction."""
        ours = columns or self.columns
        return [column.asc() if self.newest_first is backwards else column.desc() for column in ours]

    def cut(self, statement: Select[Any], position: Position) -> Select[Any]:
        """Begin a statement at a position, in order."""
        if position.key is not None:
            statement = statement.where(self.beyond(position.key, backwards=position.backwards))
        return statement.order_by(*self.sorting(backwards=position.backwards))

    def page(
        self, rows: Sequence[Row], position: Position, limit: int, noun: Callable[[Row], T], *, edge: Key | None = None
    ) -> Page[T]:
        """Make a page of the rows that were read in the position's direction.

        Args:
            rows: One more than `limit` where there are so many, nearest first.
            position: Where the reading began.
            limit: Most items of the page.
            noun: Turns a row into what it stands for.
            edge: Key of the last row that was looked at, where the search stopped before the end.
        """
        kept = list(rows[:limit])
        near, far = (self.key(kept[0]), self.key(kept[-1])) if kept else (edge, edge)
        onward = self._cursor(far, backwards=position.backwards) if len(rows) > limit else None
        if len(rows) <= limit and edge is not None:
            onward = self._cursor(edge, backwards=position.backwards)
        back = self._cursor(near, backwards=not position.backwards) if position.given else None
        if position.backwards:
            kept.reverse()
        items = tuple(noun(row) for row in kept)
        following, preceding = (back, onward) if position.backwards else (onward, back)
        return Page(items=items, next=following, previous=preceding)

    def _position(self, cursor: str) -> Position:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError("too long")
        words = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        direction, *numbers = words
        if direction not in {0, 1} or len(numbers) not in {0, len(self.columns)}:
            raise ValueError("not of this list")
        key = tuple(self._value(number, column) for number, column in zip(numbers, self.columns, strict=False))
        return Position(key=key or None, backwards=bool(direction), given=True)

    def _cursor(self, key: Key | None, *, backwards: bool) -> str:
        numbers = [_number(part) for part in key or ()]
        text = json.dumps([int(backwards), *numbers], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()

    def _value(self, number: object, column: Any) -> datetime | int:
        if not isinstance(number, int) or abs(number) > LARGEST:
            raise ValueError(number)
        return _EPOCH + number * _MICROSECOND if isinstance(column.type, DateTime) else number


def checked(limit: int) -> int:
    """Refuse a number of items that no page has.

    Raises:
        QueryRefused: It is below 1 or above `MOST`.
    """
    if not 1 <= limit <= MOST:
        raise QueryRefused(f"a page holds 1 to {MOST} items, not {limit}", parameter="limit")
    return limit


def is_number(number: int) -> bool:
    """Answer whether a number can be the id of a row."""
    return 0 < number <= LARGEST


async def read_page(
    tx: Transaction,
    statement: Select[Any],
    order: Order,
    *,
    limit: int,
    cursor: str | None,
    noun: Callable[[Row], T],
) -> Page[T]:
    """Read one page of a statement's rows.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    position = order.position(cursor)
    rows = (await tx.execute(order.cut(statement, position).limit(checked(limit) + 1))).all()
    return order.page(rows, position, limit, noun)


def _number(part: datetime | int) -> int:
    return (part - _EPOCH) // _MICROSECOND if isinstance(part, datetime) else part
