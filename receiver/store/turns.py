"""Work that any replica may do and only one does at a time: whoever comes while it is done goes away again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from sqlalchemy import func, select

from receiver.store.database import Database, Transaction


class Turn(Enum):
    """What is done alone; the value is the advisory lock of it, ended by Postgres with the session that holds it."""

    ROLLUP = 7_215_004_813
    """Counting the hours; the others see what one counted."""
    RECONCILE = 7_215_004_821
    """Asking all Alertmanagers what they have."""
    WATCHDOG = 7_215_004_822
    """Looking whether what always fires was heard."""
    CLEANUP = 7_215_004_823
    """Archiving and deleting what ended long ago."""
    DIGESTS = 7_215_004_824
    """Writing digests."""
    SUMMARY = 7_215_004_825
    """Summing up a day."""
    TRACES = 7_215_004_826
    """Sending the traces of incidents that are over."""


@asynccontextmanager
async def alone(database: Database, turn: Turn) -> AsyncIterator[bool]:
    """Say whether it is our turn; while the block lasts, it is nobody else's.

    One connection is held meanwhile, whose transaction does nothing else.

    Raises:
        StoreUnavailable: The database does not answer.
    """
    async with database.transaction() as transaction:
        yield await claim(transaction, turn)


async def claim(transaction: Transaction, turn: Turn) -> bool:
    """Try to take a turn until the transaction ends; says whether it is ours."""
    taken = await transaction.execute(select(func.pg_try_advisory_xact_lock(turn.value)))
    return bool(taken.scalar())
