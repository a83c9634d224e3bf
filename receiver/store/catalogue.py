"""The playbooks as they were loaded last, for whoever only reads rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.store.database import Transaction
from receiver.store.tables import PlaybookRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One playbook of the catalogue.

    Attributes:
        text: The document as its author wrote it.
        disabled: Why it cannot work here; empty when it can.
    """

    name: str
    version: str
    mode: str
    summary: str
    text: str
    disabled: str


async def replace(transaction: Transaction, playbooks: Sequence[Listed], at: datetime) -> None:
    """Make the catalogue say just these playbooks."""
    names = [one.name for one in playbooks]
    await transaction.execute(delete(PlaybookRow).where(PlaybookRow.name.not_in(names)))
    for one in playbooks:
        values = {
            "version": one.version,
            "mode": one.mode,
            "summary": one.summary,
            "text": one.text,
            "disabled": one.disabled,
            "loaded_at": at,
        }
        await transaction.execute(
            upsert(PlaybookRow)
            .values(name=one.name, **values)
            .on_conflict_do_update(index_elements=[PlaybookRow.name], set_=values)
        )
