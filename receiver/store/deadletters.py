"""Bodies that could not be understood: kept byte for byte, with the reason and the place."""

from datetime import datetime

from sqlalchemy import insert

from receiver.model.errors import DeliveryError
from receiver.store.database import Database
from receiver.store.tables import DeadLetterRow


async def keep(database: Database, body: bytes, error: DeliveryError, at: datetime) -> int:
    """Keep a body that is no delivery; returns its number.

    Raises:
        StoreUnavailable: It could not be kept.
    """
    async with database.transaction() as transaction:
        kept = await transaction.execute(
            insert(DeadLetterRow)
            .values(received_at=at, reason=error.reason, place=error.place, body=body)
            .returning(DeadLetterRow.id)
        )
        return int(kept.scalar_one())
