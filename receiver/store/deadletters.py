"""Bodies that could not be understood: kept byte for byte, with the reason and the place."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from receiver.model.errors import DeliveryError
from receiver.store.database import Database
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
