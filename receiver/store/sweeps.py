"""What is overdue: each row whose time has come gets a new job and, with it, a new time.

A message keeps its time until it is claimed, and of ten thousand runs that are due at once the last one waits longer
for its turn than its lease is: both get a job only while none waits for them.

Every replica sweeps; rows that another one holds are skipped. So a lost job, a dead worker or an emptied queue delays
work by one lease, and ten thousand waiting runs cost one indexed statement a second.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from receiver.model.remediation import RunState
from receiver.store import outbox
from receiver.store.database import Transaction
from receiver.store.decisions import TICK_LEASE
from receiver.store.jobs import Job, Queue, waits
from receiver.store.looks import ACTIVE
from receiver.store.stories import LOOK_LEASE
from receiver.store.tables import IncidentRow, RequestRow, RunRow

_MOST: Final = 500
"""Rows of one kind in one sweep; what is left waits for the next, a second later."""


async def enqueue_due(transaction: Transaction, queue: Queue, now: datetime) -> int:
    """Make a job for every run, incident and message that is due; returns how many."""
    ticks = await _due_runs(transaction, now)
    looks = await _due_incidents(transaction, now)
    sends = await outbox.due(transaction, now)
    asked = await _due_requests(transaction, now)
    await queue.enqueue(transaction, Job.ASK, *({"request_id": number} for number in asked))
    await queue.enqueue(transaction, Job.TICK, *({"run_id": run_id, "cursor": cursor} for run_id, cursor in ticks))
    await queue.enqueue(transaction, Job.LOOK, *({"incident_id": number} for number in looks))
    await queue.enqueue(transaction, Job.SEND, *({"message_id": number} for number in sends))
    return len(ticks) + len(looks) + len(sends)


async def _due_runs(transaction: Transaction, now: datetime) -> list[tuple[int, int]]:
    """Wake runs, those first that are due longest; one whose job still waits in a long queue gets no second one."""
    due = (
        select(RunRow.id, RunRow.wake_at)
        .where(RunRow.state.in_(ACTIVE), RunRow.wake_at <= now, ~waits(Job.TICK, "run_id", RunRow.id))
        .order_by(RunRow.wake_at, RunRow.id)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    woken = await transaction.execute(
        update(RunRow)
        .where(RunRow.id == due.c.id)
        .values(state=RunState.RUNNING.value, wake_at=now + TICK_LEASE)
        .returning(RunRow.id, RunRow.cursor, due.c.wake_at.label("due_at"))
    )
    return [(row.id, row.cursor) for row in sorted(woken, key=lambda row: (row.due_at, row.id))]


async def _due_incidents(transaction: Transaction, now: datetime) -> list[int]:
    due = (
        select(IncidentRow.id)
        .where(IncidentRow.look_at <= now)
        .order_by(IncidentRow.look_at)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
    )
    asked = await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id.in_(due.scalar_subquery()))
        .values(look_at=now + LOOK_LEASE, asked=True)
        .returning(IncidentRow.id)
    )
    return list(asked.scalars())


async def _due_requests(transaction: Transaction, now: datetime) -> list[int]:
    due = (
        select(RequestRow.id)
        .where(RequestRow.due_at <= now)
        .order_by(RequestRow.due_at)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
    )
    asked = await transaction.execute(
        update(RequestRow)
        .where(RequestRow.id.in_(due.scalar_subquery()))
        .values(due_at=now + LOOK_LEASE)
        .returning(RequestRow.id)
    )
    return list(asked.scalars())
