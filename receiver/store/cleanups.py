"""Cleanups: one row for each run, written while it works, so that one that was killed says how far it came."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, or_, select, update

from receiver.model.cleanup import CleanupRun
from receiver.store.cleanup_tables import CleanupRow
from receiver.store.database import Transaction
from receiver.store.looks import ACTIVE
from receiver.store.rows import Row
from receiver.store.tables import RunRow


async def begin(tx: Transaction, run: CleanupRun) -> CleanupRun:
    """Write down that a run begins; returns it with its number."""
    made = await tx.execute(insert(CleanupRow).values(**_values(run)).returning(*CleanupRow.__table__.c))
    return _run(made.one())


async def keep(tx: Transaction, run: CleanupRun) -> None:
    """Write down what a run has come to."""
    await tx.execute(update(CleanupRow).where(CleanupRow.id == run.id).values(**_values(run)))


async def latest(tx: Transaction, *, limit: int) -> list[CleanupRun]:
    """Read the newest runs, the newest first."""
    statement = select(CleanupRow.__table__).order_by(CleanupRow.started_at.desc(), CleanupRow.id.desc())
    return [_run(row) for row in await tx.execute(statement.limit(limit))]


async def remediated(tx: Transaction, uid: str) -> bool:
    """Say whether a playbook is at work on a workflow, or on what it was made of or into."""
    about = or_(RunRow.lineage == uid, RunRow.target["uid"].astext == uid)
    found = await tx.execute(select(RunRow.id).where(RunRow.state.in_(ACTIVE), about).limit(1))
    return found.first() is not None


def _values(run: CleanupRun) -> dict[str, Any]:
    return {**{name: value for name, value in asdict(run).items() if name != "id"}, "skipped": dict(run.skipped)}


def _run(row: Row) -> CleanupRun:
    return CleanupRun(**row._mapping)  # noqa: SLF001 - SQLAlchemy's name for it
