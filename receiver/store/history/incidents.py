"""Incidents, newest first, and the alerts of one."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from receiver.model.incident import Incident, IncidentState, Occurrence, sought
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.rows import incident, occurrence
from receiver.store.tables import IncidentRow, OccurrenceRow

ORDER: Final = Order(columns=(IncidentRow.id,))

MOST_ALERTS: Final = 500
"""Alerts of one incident that are read with it; a storm may bring more, and its page of alerts has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents are wanted; what is None is not asked.

    Attributes:
        state: None for all but those that were merged into others.
    """

    state: IncidentState | None = None
    namespace: str | None = None
    workflow: str | None = None
    severity: str | None = None


async def page(
    tx: Transaction, wanted: IncidentFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Incident]:
    """Read the newest incidents that a filter wants, by `id`.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(IncidentRow)
    if wanted.state is not None:
        statement = statement.where(IncidentRow.state == wanted.state.value)
    else:
        statement = statement.where(IncidentRow.state != IncidentState.MERGED.value)
    for column, value in (
        (IncidentRow.namespace, sought(wanted.namespace)),
        (IncidentRow.workflow, sought(wanted.workflow)),
        (IncidentRow.severity, sought(wanted.severity)),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=incident)


async def get(tx: Transaction, number: int) -> Incident | None:
    """Read one incident; None when there is none of that number."""
    if not is_number(number):
        return None
    row = (await tx.execute(select(IncidentRow).where(IncidentRow.id == number))).one_or_none()
    return None if row is None else incident(row)


async def alerts_of(tx: Transaction, number: int) -> tuple[Occurrence, ...]:
    """Read the alerts of an incident, oldest first; of more than `MOST_ALERTS`, the newest."""
    found = await tx.execute(
        select(OccurrenceRow)
        .where(OccurrenceRow.incident_id == number)
        .order_by(OccurrenceRow.starts_at.desc(), OccurrenceRow.id.desc())
        .limit(MOST_ALERTS)
    )
    return tuple(reversed([occurrence(row) for row in found]))
