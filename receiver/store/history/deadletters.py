"""Bodies that could not be understood, newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select

from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.rows import Row
from receiver.store.tables import DeadLetterRow

ORDER: Final = Order(columns=(DeadLetterRow.id,))

_COLUMNS: Final[tuple[Any, ...]] = (
    DeadLetterRow.id,
    DeadLetterRow.received_at,
    DeadLetterRow.reason,
    DeadLetterRow.place,
    func.octet_length(DeadLetterRow.body).label("size"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A body that could not be understood.

    Attributes:
        reason: What is wrong with it.
        place: Where in it, as a path; empty for the body as a whole.
        size: Bytes of the body.
        body: The body itself; None in a page, which would grow without bound.
    """

    id: int
    received_at: datetime
    reason: str
    place: str
    size: int
    body: bytes | None = None


async def page(tx: Transaction, *, limit: int = 50, cursor: str | None = None) -> Page[DeadLetter]:
    """Read the newest dead letters, by `id`, without their bodies.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    return await read_page(tx, select(*_COLUMNS), ORDER, limit=limit, cursor=cursor, noun=_letter)


async def get(tx: Transaction, number: int) -> DeadLetter | None:
    """Read one dead letter with its body; None when there is none of that number."""
    if not is_number(number):
        return None
    found = await tx.execute(select(*_COLUMNS, DeadLetterRow.body).where(DeadLetterRow.id == number))
    row = found.one_or_none()
    return None if row is None else _letter(row, row.body)


def _letter(row: Row, body: bytes | None = None) -> DeadLetter:
    return DeadLetter(
        id=row.id, received_at=row.received_at, reason=row.reason, place=row.place, size=row.size, body=body
    )
