"""The outbox: what was said to whom, newest first."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from receiver.model.message import Message, MessageState, Place
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.merging import family, within
from receiver.store.rows import message
from receiver.store.tables import MessageRow

ORDER: Final = Order(columns=(MessageRow.id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages are wanted; what is None is not asked."""

    state: MessageState | None = None
    place: Place | None = None
    incident_id: int | None = None


async def page(tx: Transaction, wanted: MessageFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Message]:
    """Read the newest messages that a filter wants, by `id`.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(MessageRow)
    if wanted.state is not None:
        statement = statement.where(MessageRow.state == wanted.state.value)
    if wanted.place is not None:
        statement = statement.where(MessageRow.place == wanted.place.value)
    if wanted.incident_id is not None:
        statement = statement.where(within(MessageRow.incident_id, await family(tx, wanted.incident_id)))
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=message)


async def get(tx: Transaction, number: int) -> Message | None:
    """Read one message; None when there is none of that number."""
    if not is_number(number):
        return None
    row = (await tx.execute(select(MessageRow).where(MessageRow.id == number))).one_or_none()
    return None if row is None else message(row)


async def of_incident(tx: Transaction, number: int) -> tuple[Message, ...]:
    """Read all messages about an incident and about those merged into it, oldest first."""
    which = within(MessageRow.incident_id, await family(tx, number))
    found = await tx.execute(select(MessageRow).where(which).order_by(MessageRow.id))
    return tuple(message(row) for row in found)
