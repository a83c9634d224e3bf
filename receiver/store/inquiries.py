"""Deliveries about which Alertmanager is to be asked; noted when they are recorded, settled within seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, select, tuple_, update

from receiver.store.database import Transaction
from receiver.store.peer_tables import InquiryRow
from receiver.store.tables import DeliveryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One delivery, and what is to be asked about it.

    Attributes:
        body: The message; None when it is kept no more.
        late: Occurrences whose firing came late: fingerprint and start.
        truncated: How many alerts of the group it did not tell.
        tries: How often it was asked about, this time included.
    """

    received_at: datetime
    key: UUID
    body: bytes | None
    late: frozenset[tuple[str, datetime]]
    truncated: int
    tries: int


async def claim(transaction: Transaction, now: datetime, *, most: int, pause: timedelta) -> list[Inquiry]:
    """Take what is due; nobody else takes it, and it comes again later unless it is settled.

    Args:
        transaction: To be committed before anybody is asked.
        now: The present time.
        most: How many.
        pause: After which it comes again the first time; longer each time.
    """
    due = (
        select(InquiryRow.received_at, InquiryRow.key)
        .where(InquiryRow.due_at <= now)
        .order_by(InquiryRow.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    named = [tuple(row) for row in await transaction.execute(due)]
    if not named:
        return []
    this = tuple_(InquiryRow.received_at, InquiryRow.key).in_(named)
    found = await transaction.execute(
        select(InquiryRow, DeliveryRow.body)
        .outerjoin(
            DeliveryRow,
            and_(DeliveryRow.received_at == InquiryRow.received_at, DeliveryRow.key == InquiryRow.key),
        )
        .where(this)
    )
    taken = [
        Inquiry(
            received_at=row.received_at,
            key=row.key,
            body=row.body,
            late=frozenset((name, datetime.fromisoformat(at)) for name, at in row.late),
            truncated=row.truncated,
            tries=row.tries + 1,
        )
        for row in found
    ]
    for one in taken:
        await transaction.execute(
            update(InquiryRow)
            .where(InquiryRow.received_at == one.received_at, InquiryRow.key == one.key)
            .values(tries=one.tries, due_at=now + pause * 2 ** (one.tries - 1))
        )
    return taken


async def settle(transaction: Transaction, inquiry: Inquiry) -> None:
    """Say that nothing is to be asked any more."""
    await transaction.execute(
        delete(InquiryRow).where(InquiryRow.received_at == inquiry.received_at, InquiryRow.key == inquiry.key)
    )
