"""Requests in Slack's name: each signed one counts once, and those that were refused are kept for whoever wonders."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.message import Place
from receiver.store.database import Transaction
from receiver.store.press_tables import PressRow
from receiver.store.tables import MessageRow

TAKEN: Final = "taken"
"""Verdict on a request that was Slack's own."""
DECLINED: Final = "declined"
"""Verdict on one that was Slack's own, and from which nothing follows: the person may not, or it is over by now."""

MOST_REFUSED: Final = 1000
"""So many refused ones are kept, the newest: whoever forges them must not fill the disk."""
KEPT: Final = timedelta(days=30)
"""How long those are kept that were taken; a signature is refused by its age long before."""


async def take(transaction: Transaction, signature: str, *, at: datetime) -> int | None:
    """Take a request of Slack's by its signature, or by what stands for one; returns its number.

    None where the same was taken before.
    """
    values = {"at": at, "verdict": TAKEN, "signature": signature, "pressed_by": "", "said": ""}
    taken = await transaction.execute(upsert(PressRow).values(**values).on_conflict_do_nothing().returning(PressRow.id))
    number: int | None = taken.scalar()
    return number


async def note(transaction: Transaction, number: int, *, pressed_by: str, said: str, verdict: str = TAKEN) -> None:
    """Write down who pressed, what was answered, and where it was refused after all, why."""
    await transaction.execute(
        update(PressRow).where(PressRow.id == number).values(pressed_by=pressed_by, said=said, verdict=verdict)
    )


async def refuse(transaction: Transaction, verdict: str, *, said: str, at: datetime) -> None:
    """Keep a request that was refused, and drop the oldest of them."""
    values = {"at": at, "verdict": verdict, "signature": None, "pressed_by": "", "said": said}
    number = (await transaction.execute(insert(PressRow).values(**values).returning(PressRow.id))).scalar_one()
    old = (PressRow.verdict != TAKEN) & (PressRow.id <= number - MOST_REFUSED)
    await transaction.execute(delete(PressRow).where(or_(old, PressRow.at < at - KEPT)))


async def is_ours(transaction: Transaction, incident_id: int, channel_id: str, ts: str) -> bool:
    """Answer whether a message in Slack is one that we sent about an incident."""
    found = await transaction.execute(
        select(
            exists().where(
                MessageRow.incident_id == incident_id,
                MessageRow.place == Place.SLACK.value,
                MessageRow.answer["channel_id"].astext == channel_id,
                MessageRow.answer["ts"].astext == ts,
            )
        )
    )
    return bool(found.scalar())
