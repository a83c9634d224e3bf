"""Bodies that could not be understood, newest first."""

from typing import Any, Final

from sqlalchemy import func, select

from receiver.model.deadletter import DeadLetter, Fate
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.rows import Row
from receiver.store.tables import DeadLetterRow

ORDER: Final = Order(columns=(DeadLetterRow.id,))

_COLUMNS: Final[tuple[Any, ...]] = (
    DeadLetterRow.id,
    DeadLetterRow.key,
    DeadLetterRow.received_at,
    DeadLetterRow.reason,
    DeadLetterRow.place,
    DeadLetterRow.settled_at,
    DeadLetterRow.settled_by,
    DeadLetterRow.settlement,
    func.octet_length(DeadLetterRow.body).label("size"),
)


async def page(
    tx: Transaction, *, settled: bool | None = None, limit: int = 50, cursor: str | None = None
) -> Page[DeadLetter]:
    """Read the newest dead letters, by `id`, without their bodies.

    Args:
        tx: The transaction to read in.
        settled: Only those of which a person decided something, or nothing; None for all.
        limit: Most items of the page.
        cursor: Where it begins.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(*_COLUMNS)
    if settled is not None:
        statement = statement.where(
            DeadLetterRow.settled_at.is_not(None) if settled else DeadLetterRow.settled_at.is_(None)
        )
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=_letter)


async def get(tx: Transaction, number: int) -> DeadLetter | None:
    """Read one dead letter with its body; None when there is none of that number."""
    if not is_number(number):
        return None
    found = await tx.execute(select(*_COLUMNS, DeadLetterRow.body).where(DeadLetterRow.id == number))
    row = found.one_or_none()
    return None if row is None else _letter(row, row.body)


def _letter(row: Row, body: bytes | None = None) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        key=row.key,
        received_at=row.received_at,
        reason=row.reason,
        place=row.place,
        size=row.size,
        fate=Fate(row.settlement) if row.settlement else None,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        body=body,
    )
