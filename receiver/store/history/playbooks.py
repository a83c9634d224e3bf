"""The playbooks as the pipeline last loaded them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from receiver.model.remediation import Mode
from receiver.model.standing import Standing
from receiver.store import standings
from receiver.store.database import Transaction
from receiver.store.rows import Row
from receiver.store.tables import PlaybookRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A playbook as the pipeline loaded it.

    Attributes:
        version: Changes whenever the text does.
        text: The document itself.
        disabled: Why it cannot work here; empty when it can.
        standing: What its own results have made of it.
    """

    name: str
    version: str
    mode: Mode
    summary: str
    text: str
    disabled: str
    loaded_at: datetime
    standing: Standing


async def all_loaded(tx: Transaction) -> tuple[Loaded, ...]:
    """Read all playbooks, by name."""
    standing = {one.playbook: one for one in await standings.all_standings(tx)}
    found = await tx.execute(select(PlaybookRow).order_by(PlaybookRow.name))
    return tuple(_loaded(row, standing.get(row.name, Standing(playbook=row.name))) for row in found)


async def get(tx: Transaction, name: str) -> Loaded | None:
    """Read one playbook; None when none of that name is loaded."""
    row = (await tx.execute(select(PlaybookRow).where(PlaybookRow.name == name))).one_or_none()
    return None if row is None else _loaded(row, await standings.read(tx, name))


def _loaded(row: Row, standing: Standing) -> Loaded:
    return Loaded(
        name=row.name,
        version=row.version,
        mode=Mode(row.mode),
        summary=row.summary,
        text=row.text,
        disabled=row.disabled,
        loaded_at=row.loaded_at,
        standing=standing,
    )
