"""What happened, in order: to one alert, in one incident, or anywhere since a number."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, func, or_, select

from receiver.model.timeline import Event
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, Position, read_page
from receiver.store.merging import family, within
from receiver.store.rows import Row, event
from receiver.store.tables import EventRow

ORDER: Final = Order(columns=(EventRow.at, EventRow.id), newest_first=False)


async def of_alert(tx: Transaction, alert_id: str, *, limit: int = 100, cursor: str | None = None) -> Page[Event]:
    """Read what happened to one alert, oldest first.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    return await _page(tx, select(EventRow).where(EventRow.alert_id == alert_id), limit, cursor)


async def stretch(tx: Transaction, alert_id: str, position: Position, count: int) -> list[Row]:
    """Read rows about one alert from a position on, nearest first."""
    wanted = select(EventRow.__table__).where(EventRow.alert_id == alert_id)
    return list(await tx.execute(ORDER.cut(wanted, position).limit(count)))


async def of_incident(tx: Transaction, number: int, *, limit: int = 100, cursor: str | None = None) -> Page[Event]:
    """Read what happened in one incident and in those merged into it, oldest first.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(EventRow).where(within(EventRow.incident_id, await family(tx, number)))
    return await _page(tx, statement, limit, cursor)


async def newest(tx: Transaction) -> int:
    """Give the highest number of any event so far; 0 when nothing has happened yet."""
    return int((await tx.execute(select(func.coalesce(func.max(EventRow.id), 0)))).scalar_one())


async def after(tx: Transaction, number: int, *, also: Sequence[int] = (), limit: int = 500) -> tuple[Event, ...]:
    """Read the events with higher numbers, lowest first.

    Numbers are given when a transaction writes and seen when it commits, so a lower one may appear after a higher one.

    Args:
        tx: The transaction to read in.
        number: The highest number that is known.
        also: Lower numbers that were missing when it was read.
        limit: Most events that are returned.
    """
    wanted = EventRow.id > number
    if also:
        wanted = or_(wanted, EventRow.id.in_(also))
    found = await tx.execute(select(EventRow).where(wanted).order_by(EventRow.id).limit(limit))
    return tuple(event(row) for row in found)


async def _page(tx: Transaction, statement: Select[Any], limit: int, cursor: str | None) -> Page[Event]:
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=event)
