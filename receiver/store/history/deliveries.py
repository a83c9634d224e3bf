"""Raw deliveries as they were received, as long as they are kept."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from receiver.store.database import Transaction
from receiver.store.history.page import is_number
from receiver.store.tables import DeliveryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDelivery:
    """A webhook message, byte for byte.

    Attributes:
        key: Under which it was recorded once.
    """

    id: int
    key: UUID
    received_at: datetime
    body: bytes


async def get(tx: Transaction, number: int) -> RawDelivery | None:
    """Read one delivery by its `webhook_id`; None when there is none of that number, or not any more.

    No index is over the number alone, so each day that is kept is searched: for debugging, not for pages.
    """
    if not is_number(number):
        return None
    columns = (DeliveryRow.id, DeliveryRow.key, DeliveryRow.received_at, DeliveryRow.body)
    row = (await tx.execute(select(*columns).where(DeliveryRow.id == number))).one_or_none()
    return None if row is None else RawDelivery(id=row.id, key=row.key, received_at=row.received_at, body=row.body)
