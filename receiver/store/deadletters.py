"""Bodies that could not be understood: kept byte for byte, with the reason and the place."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from receiver.model.deadletter import Fate
from receiver.model.errors import DeliveryError
from receiver.store.database import Database, Transaction
from receiver.store.tables import DeadLetterRow


async def keep(database: Database, body: bytes, error: DeliveryError, at: datetime, *, key: UUID) -> int:
    """Keep a body that is no delivery, once under its key; returns its number.

    Raises:
        StoreUnavailable: It could not be kept.
    """
    wanted = insert(DeadLetterRow).values(key=key, received_at=at, reason=error.reason, place=error.place, body=body)
    async with database.transaction() as transaction:
        kept = await transaction.execute(
            # What is there already is left as it is; only an update gives its number back.
            wanted.on_conflict_do_update(index_elements=["key"], set_={"key": wanted.excluded.key}).returning(
                DeadLetterRow.id
            )
        )
        return int(kept.scalar_one())


async def settle(tx: Transaction, number: int, fate: Fate, *, by: str, at: datetime) -> bool:
    """Write down what a person made of a dead letter; says whether it was still open, since the first word stays."""
    settled = await tx.execute(
        update(DeadLetterRow)
        .where(DeadLetterRow.id == number, DeadLetterRow.settled_at.is_(None))
        .values(settled_at=at, settled_by=by, settlement=fate.value)
    )
    return settled.rowcount == 1


async def forget_settled(tx: Transaction, before: datetime) -> int:
    """Let go of dead letters about which a person decided before a time; returns how many. No other goes by age."""
    return (await tx.execute(delete(DeadLetterRow).where(DeadLetterRow.settled_at < before))).rowcount


async def bound(tx: Transaction, most: int) -> tuple[int, int]:
    """Let go of dead letters beyond a number: the oldest settled ones first, then the oldest of all.

    Returns:
        How many settled ones went, and how many of which nobody had decided anything.
    """
    there = select(func.count()).select_from(DeadLetterRow).scalar_subquery()
    surplus = (
        select(DeadLetterRow.id)
        .order_by(DeadLetterRow.settled_at.is_(None), DeadLetterRow.id)
        .limit(func.greatest(there - most, 0))
    )
    gone = await tx.execute(
        delete(DeadLetterRow).where(DeadLetterRow.id.in_(surplus)).returning(DeadLetterRow.settled_at)
    )
    fates = [settled_at is not None for settled_at in gone.scalars()]
    return sum(fates), len(fates) - sum(fates)
