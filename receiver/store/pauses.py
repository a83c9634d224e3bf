"""The one switch that stops all: pauses, each with its reason and, where somebody said so, its end.

Whoever decides holds the pauses together with all others who decide; whoever pauses waits for them and then keeps them
out. So once a pause is committed nothing begins that had not begun before.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, or_, select, update

from receiver.model.standing import Pause
from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.database import Transaction
from receiver.store.guard_tables import PauseRow
from receiver.store.rows import Row

_LOCK: Final = func.hashtextextended("pauses", 0)


async def hold(transaction: Transaction) -> None:
    """Let nobody pause or resume until the end of the transaction."""
    await transaction.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


async def current(transaction: Transaction, now: datetime) -> tuple[Pause, ...]:
    """Read the pauses that hold now, oldest first."""
    found = await transaction.execute(
        select(PauseRow)
        .where(PauseRow.ended_at.is_(None), or_(PauseRow.expires_at.is_(None), PauseRow.expires_at > now))
        .order_by(PauseRow.id)
    )
    return tuple(_pause(row) for row in found)


async def begin(transaction: Transaction, *, reason: str, by: str, at: datetime, expires_at: datetime | None) -> Pause:
    """Pause everything, and say so in the timeline; a pause that holds already goes on beside it."""
    await _alone(transaction)
    begun = await transaction.execute(
        insert(PauseRow).values(reason=reason, paused_by=by, paused_at=at, expires_at=expires_at).returning(PauseRow)
    )
    pause = _pause(begun.one())
    until = f"until {expires_at:%Y-%m-%d %H:%M:%S} UTC" if expires_at else "until somebody resumes them"
    text = f"{by} paused all playbooks {until}: {reason}"
    await timeline.add(transaction, Event(at=at, kind=Kind.PAUSED, text=text, detail={"pause_id": pause.id}))
    return pause


async def end(transaction: Transaction, *, by: str, at: datetime) -> tuple[Pause, ...]:
    """End every pause that holds, and say so in the timeline; returns them, oldest first."""
    await _alone(transaction)
    ended = await current(transaction, at)
    await transaction.execute(
        update(PauseRow).where(PauseRow.id.in_([pause.id for pause in ended])).values(ended_at=at, ended_by=by)
    )
    if ended:
        text = f"{by} let all playbooks begin again"
        detail = {"pause_ids": [pause.id for pause in ended]}
        await timeline.add(transaction, Event(at=at, kind=Kind.RESUMED, text=text, detail=detail))
    return ended


async def _alone(transaction: Transaction) -> None:
    await transaction.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _pause(row: Row) -> Pause:
    return Pause(
        id=row.id,
        reason=row.reason,
        paused_by=row.paused_by,
        paused_at=row.paused_at,
        expires_at=row.expires_at,
    )
