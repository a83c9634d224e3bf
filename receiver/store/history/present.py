"""What is open at this moment, each incident with what is being done about it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, bindparam, case, func, select

from receiver.model.incident import SEVERITIES, Incident, IncidentState
from receiver.model.message import Act, MessageState
from receiver.model.remediation import Decision, Run, RunState
from receiver.store.database import Transaction
from receiver.store.history.remediations import with_journals
from receiver.store.rows import Row, decision, incident, run
from receiver.store.tables import DecisionRow, IncidentRow, MessageRow, RunRow

T = TypeVar("T")

MOST: Final = 200
"""Incidents that are read: nobody reads more at once, and a storm may have thousands."""

_OPEN: Final = (IncidentRow.state == IncidentState.OPEN.value, IncidentRow.part_of.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """One open incident, and what is being done about it.

    Attributes:
        firing: How many of its alerts fire.
        look_at: When it is looked at; None where nobody has to.
        runs: Its unfinished runs with their journals, oldest first.
        last_run: Its newest finished run, without its journal; None where there is none.
        last_decision: The newest decision about it; None where there is none.
        paged: Whether somebody was woken for it.
        tells_of: How many other open incidents it tells people of.
    """

    incident: Incident
    firing: int
    look_at: datetime | None
    runs: tuple[Run, ...]
    last_run: Run | None
    last_decision: Decision | None
    paged: bool
    tells_of: int


async def present(tx: Transaction) -> tuple[tuple[Present, ...], int]:
    """Read what is open, the worst severity and the oldest first; and how much is open altogether.

    Incidents of which another one tells are left out, since that one stands for them.
    """
    order = case(
        {name: rank for rank, name in enumerate(SEVERITIES)}, value=IncidentRow.severity, else_=len(SEVERITIES)
    )
    found = (await tx.execute(select(IncidentRow).where(*_OPEN).order_by(order, IncidentRow.id).limit(MOST))).all()
    number = (await tx.execute(select(func.count()).select_from(IncidentRow).where(*_OPEN))).scalar_one()
    return await _described(tx, found), int(number)


async def present_of(tx: Transaction, number: int) -> Present | None:
    """Read the same of one incident, whatever its state; None when there is none of that number."""
    found = (await tx.execute(select(IncidentRow).where(IncidentRow.id == number))).all()
    described = await _described(tx, found)
    return described[0] if described else None


async def _described(tx: Transaction, found: Iterable[Row]) -> tuple[Present, ...]:
    rows = {row.id: row for row in found}
    # One array, not a parameter for each: writing out hundreds of them took longer than the answers.
    ids = any_(bindparam("ids", list(rows), ARRAY(BigInteger)))
    running = select(RunRow).where(RunRow.state != RunState.FINISHED.value, RunRow.incident_id == ids)
    unfinished = await with_journals(tx, tuple(run(row) for row in await tx.execute(running.order_by(RunRow.id))))
    runs: defaultdict[int, list[Run]] = defaultdict(list)
    for one in unfinished:
        runs[one.incident_id].append(one)
    ended = await _newest(tx, RunRow, ids, run, RunRow.state == RunState.FINISHED.value)
    decided = await _newest(tx, DecisionRow, ids, decision)
    woken = await tx.execute(
        select(MessageRow.incident_id)
        .where(
            MessageRow.incident_id == ids,
            MessageRow.act == Act.TRIGGER.value,
            MessageRow.state == MessageState.SENT.value,
        )
        .distinct()
    )
    paged = set(woken.scalars())
    counted = await tx.execute(
        select(IncidentRow.part_of, func.count()).where(IncidentRow.part_of == ids).group_by(IncidentRow.part_of)
    )
    tells_of = {teller: number for teller, number in counted if teller is not None}
    return tuple(
        Present(
            incident=incident(row),
            firing=row.firing,
            look_at=row.look_at,
            runs=tuple(runs[number]),
            last_run=ended.get(number),
            last_decision=decided.get(number),
            paged=number in paged,
            tells_of=tells_of.get(number, 0),
        )
        for number, row in rows.items()
    )


async def _newest(
    tx: Transaction, table: Any, ids: ColumnElement[Any], noun: Callable[[Row], T], *wanted: Any
) -> dict[int, T]:
    """Read the newest row of each incident; of all others, which may be many and long, no more than the number."""
    newest = select(func.max(table.id)).where(table.incident_id == ids, *wanted).group_by(table.incident_id)
    found = await tx.execute(select(table).where(table.id.in_(newest)))
    return {row.incident_id: noun(row) for row in found}
