"""What playbooks decided and why, newest first: above all, why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from receiver.model.remediation import Decision, Outcome, Run
from receiver.store import gatherings
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, read_page
from receiver.store.merging import family, within
from receiver.store.rows import Row, decision
from receiver.store.tables import DecisionRow

ORDER: Final = Order(columns=(DecisionRow.id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A decision as it was recorded.

    Attributes:
        firing: Which firing of the occurrence it is about, from 1.
        run_id: The run that follows from it; None when none does.
    """

    id: int
    at: datetime
    incident_id: int
    firing: int
    run_id: int | None
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions are wanted; what is None is not asked.

    Attributes:
        incident_id: The incident, one that was merged into it, or one that it tells of.
        alert_id: Public id of the occurrence.
    """

    incident_id: int | None = None
    alert_id: str | None = None
    playbook: str | None = None
    outcome: Outcome | None = None


async def page(
    tx: Transaction, wanted: DecisionFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Recorded]:
    """Read the newest decisions that a filter wants, by `id`.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(DecisionRow)
    if wanted.incident_id is not None:
        about = (*await family(tx, wanted.incident_id), *await gatherings.told_of_by(tx, wanted.incident_id))
        statement = statement.where(within(DecisionRow.incident_id, about))
    for column, value in (
        (DecisionRow.alert_id, wanted.alert_id),
        (DecisionRow.playbook, wanted.playbook),
        (DecisionRow.outcome, wanted.outcome and wanted.outcome.value),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=_recorded)


async def of_incident(tx: Transaction, number: int) -> tuple[Decision, ...]:
    """Read all decisions of an incident and of those merged into it, oldest first."""
    which = within(DecisionRow.incident_id, await family(tx, number))
    found = await tx.execute(select(DecisionRow).where(which).order_by(DecisionRow.id))
    return tuple(decision(row) for row in found)


async def of_run(tx: Transaction, run: Run) -> Decision | None:
    """Read the decision from which a run follows; None where it is not kept any more."""
    which = (DecisionRow.alert_id == run.alert_id, DecisionRow.playbook == run.playbook, DecisionRow.run_id == run.id)
    row = (await tx.execute(select(DecisionRow).where(*which))).first()
    return None if row is None else decision(row)


def _recorded(row: Row) -> Recorded:
    return Recorded(
        id=row.id,
        at=row.at,
        incident_id=row.incident_id,
        firing=row.firing,
        run_id=row.run_id,
        decision=decision(row),
    )
