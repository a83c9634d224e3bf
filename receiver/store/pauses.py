"""The one switch that stops all: pauses, each with its reason and, where somebody said so, its end.

Whoever decides holds the pauses together with all others who decide; whoever pauses waits for them and then keeps them
out. So once a pause is committed nothing begins that had not begun before.
"""

from datetime import datetime

from sqlalchemy import insert, or_, select, text, update

from receiver.model.standing import Pause
from receiver.store.database import Transaction
from receiver.store.guard_tables import PauseRow
from receiver.store.rows import Row


async def hold(transaction: Transaction) -> None:
    """Let nobody pause or resume until the end of the transaction."""
    await transaction.execute(text("select pg_advisory_xact_lock_shared(hashtextextended('pauses', 0))"))


async def current(transaction: Transaction, now: datetime) -> tuple[Pause, ...]:
    """Read the pauses that hold now, oldest first."""
    found = await transaction.execute(
        select(PauseRow)
        .where(PauseRow.ended_at.is_(None), or_(PauseRow.expires_at.is_(None), PauseRow.expires_at > now))
        .order_by(PauseRow.id)
    )
    return tuple(_pause(row) for row in found)


async def begin(transaction: Transaction, *, reason: str, by: str, at: datetime, expires_at: datetime | None) -> Pause:
    """Pause everything; a pause that holds already goes on beside it."""
    await _alone(transaction)
    begun = await transaction.execute(
        insert(PauseRow).values(reason=reason, paused_by=by, paused_at=at, expires_at=expires_at).returning(PauseRow)
    )
    return _pause(begun.one())


async def end(transaction: Transaction, *, by: str, at: datetime) -> tuple[Pause, ...]:
    """End every pause that holds; returns them, oldest first."""
    await _alone(transaction)
    ended = await current(transaction, at)
    await transaction.execute(
        update(PauseRow).where(PauseRow.id.in_([pause.id for pause in ended])).values(ended_at=at, ended_by=by)
    )
    return ended


async def _alone(transaction: Transaction) -> None:
    await transaction.execute(text("select pg_advisory_xact_lock(hashtextextended('pauses', 0))"))


def _pause(row: Row) -> Pause:
    return Pause(
        id=row.id,
        reason=row.reason,
        paused_by=row.paused_by,
        paused_at=row.paused_at,
        expires_at=row.expires_at,
    )
