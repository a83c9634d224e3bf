"""Remediations, newest first, each with its journal."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, select

from receiver.model.remediation import Entry, Outcome, Run, RunState
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.merging import family, within
from receiver.store.rows import Row, entry, run
from receiver.store.tables import EntryRow, RunRow

ORDER: Final = Order(columns=(RunRow.id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which remediations are wanted; what is None is not asked.

    Attributes:
        workflow: Name of the workflow that it acts on.
        namespace: Namespace of what it acts on.
        incident_id: The incident in which it happened, or into which that one was merged.
    """

    state: RunState | None = None
    outcome: Outcome | None = None
    playbook: str | None = None
    workflow: str | None = None
    namespace: str | None = None
    incident_id: int | None = None


async def page(tx: Transaction, wanted: RunFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Run]:
    """Read the newest remediations that a filter wants, by `id`, with their journals.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = _wanted(wanted)
    if wanted.incident_id is not None:
        statement = statement.where(within(RunRow.incident_id, await family(tx, wanted.incident_id)))
    found = await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=run)
    return replace(found, items=await with_journals(tx, found.items))


async def get(tx: Transaction, number: int) -> Run | None:
    """Read one remediation with its journal; None when there is none of that number."""
    if not is_number(number):
        return None
    row = (await tx.execute(select(RunRow).where(RunRow.id == number))).one_or_none()
    return None if row is None else (await with_journals(tx, (run(row),)))[0]


async def of_incident(tx: Transaction, number: int) -> tuple[Run, ...]:
    """Read all remediations of an incident and of those merged into it with their journals, oldest first."""
    which = within(RunRow.incident_id, await family(tx, number))
    found = await tx.execute(select(RunRow).where(which).order_by(RunRow.id))
    return await with_journals(tx, tuple(run(row) for row in found))


async def with_journals(tx: Transaction, runs: Sequence[Run]) -> tuple[Run, ...]:
    """Join runs with their journals, oldest entry first."""
    if not runs:
        return ()
    found = await tx.execute(
        select(EntryRow)
        .where(EntryRow.run_id.in_([one.id for one in runs]))
        .order_by(EntryRow.started_at, EntryRow.cursor, EntryRow.attempt)
    )
    journals: defaultdict[int, list[Entry]] = defaultdict(list)
    row: Row
    for row in found:
        journals[row.run_id].append(entry(row))
    return tuple(replace(one, journal=tuple(journals[one.id])) for one in runs)


def _wanted(wanted: RunFilter) -> Select[Any]:
    statement = select(RunRow)
    if wanted.workflow is not None:
        statement = statement.where(RunRow.target["kind"].astext == "workflow")
    for column, value in (
        (RunRow.state, wanted.state and wanted.state.value),
        (RunRow.outcome, wanted.outcome and wanted.outcome.value),
        (RunRow.playbook, wanted.playbook),
        (RunRow.target["name"].astext, wanted.workflow),
        (RunRow.target["namespace"].astext, wanted.namespace),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return statement
