"""The durable state of a run: every change is a compare-and-swap on its cursor, in the transaction of what it tells.

A tick that finds another cursor, or a run that is finished, changes nothing: whoever was paused and woke up again, or
was started twice, ends here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.errors import StoreError
from receiver.model.incident import Occurrence
from receiver.model.manual import as_occurrence, request_of
from receiver.model.remediation import EntryState, Outcome, Run, RunState
from receiver.store import requests, rows
from receiver.store.database import Transaction
from receiver.store.decisions import TICK_LEASE
from receiver.store.looks import ACTIVE
from receiver.store.tables import EntryRow, OccurrenceRow, RunRow


async def read(transaction: Transaction, run_id: int) -> Run | None:
    """Read a run with its journal."""
    row = (await transaction.execute(select(RunRow).where(RunRow.id == run_id))).first()
    if row is None:
        return None
    journal = await transaction.execute(
        select(EntryRow)
        .where(EntryRow.run_id == run_id)
        .order_by(EntryRow.started_at, EntryRow.cursor, EntryRow.attempt)
    )
    return rows.run(row, [rows.entry(entry) for entry in journal])


async def alert_of(transaction: Transaction, run: Run) -> Occurrence:
    """Read the occurrence that a run answers to, as it is now, or what stands for a person's wish.

    Raises:
        StoreError: It is not kept any more.
    """
    wish = request_of(run.alert_id)
    if wish is not None:
        asked = await requests.get(transaction, wish)
        if asked is None:
            raise StoreError(f"run {run.id} follows from request {wish}, which is not kept any more")
        return as_occurrence(asked)
    month, after, number = rows.parse_public_id(run.alert_id)
    statement = select(OccurrenceRow).where(
        OccurrenceRow.id == number, OccurrenceRow.starts_at >= month, OccurrenceRow.starts_at < after
    )
    return rows.occurrence((await transaction.execute(statement)).one())


async def intend(
    transaction: Transaction,
    run: Run,
    *,
    attempt: int,
    action: str,
    at: datetime,
    intent: Mapping[str, Any] | None = None,
) -> bool:
    """Write down an effect before it is taken.

    Args:
        transaction: It is on record when this commits.
        run: Whose present step it is.
        attempt: Number of the attempt, from 1.
        action: The verb.
        at: The present time.
        intent: What the action has to know again to recognise its effect; stands as the entry's result until it is
            done.

    Returns:
        False when it is not ours to take: the run went on meanwhile, or somebody else took this attempt.
    """
    if not await _swap(transaction, run, state=RunState.RUNNING.value, wake_at=at + TICK_LEASE):
        return False
    written = await transaction.execute(
        upsert(EntryRow)
        .values(
            run_id=run.id,
            cursor=run.cursor,
            attempt=attempt,
            action=action,
            state=EntryState.INTENDED.value,
            started_at=at,
            result=dict(intent or {}),
            error="",
        )
        .on_conflict_do_nothing()
        .returning(EntryRow.attempt)
    )
    return written.first() is not None


async def settle(
    transaction: Transaction,
    run: Run,
    *,
    attempt: int,
    at: datetime,
    result: Mapping[str, Any] | None = None,
    error: str = "",
) -> None:
    """Write down what became of an attempt; one that failed keeps what it intended."""
    known = {} if result is None else {"result": dict(result)}
    await transaction.execute(
        update(EntryRow)
        .where(EntryRow.run_id == run.id, EntryRow.cursor == run.cursor, EntryRow.attempt == attempt)
        .values(
            state=(EntryState.FAILED if error else EntryState.DONE).value,
            finished_at=at,
            error=error,
            **known,
        )
    )


async def go_on(transaction: Transaction, run: Run, *, at: datetime, variables: Mapping[str, Any]) -> bool:
    """Go to the next step; its tick is due now. False when the run went on meanwhile."""
    return await _swap(
        transaction,
        run,
        cursor=run.cursor + 1,
        vars=dict(variables),
        state=RunState.RUNNING.value,
        wake_at=at + TICK_LEASE,
        entered_at=at,
    )


async def wait(transaction: Transaction, run: Run, *, until: datetime, variables: Mapping[str, Any], why: str) -> bool:
    """Stay at the step until a time. False when the run went on meanwhile."""
    return await _swap(transaction, run, vars=dict(variables), state=RunState.WAITING.value, wake_at=until, reason=why)


async def finish(
    transaction: Transaction,
    run: Run,
    *,
    at: datetime,
    outcome: Outcome,
    reason: str,
    variables: Mapping[str, Any],
    escalate: bool,
    taken: int = 0,
) -> bool:
    """End a run; *taken* counts the attempts that whoever ends it has written down since it was read.

    Returns:
        False when nothing was changed: it had ended, went on meanwhile, or somebody else has written an effect down.
        Whoever read the run before that, was paused and woke up again knows nothing of what may have been done.
    """
    # Held first, then counted: an effect is written down under the same lock.
    await transaction.execute(select(RunRow.id).where(RunRow.id == run.id).with_for_update())
    written = await transaction.execute(select(func.count()).where(EntryRow.run_id == run.id))
    if written.scalar_one() > len(run.journal) + taken:
        return False
    return await _swap(
        transaction,
        run,
        vars=dict(variables),
        state=RunState.FINISHED.value,
        outcome=outcome.value,
        reason=reason,
        escalate=escalate,
        wake_at=None,
        finished_at=at,
    )


async def wake(transaction: Transaction, run_id: int, at: datetime) -> int | None:
    """Make a waiting run due now, because somebody answered; returns its cursor, or None when it is finished."""
    woken = await transaction.execute(
        update(RunRow).where(RunRow.id == run_id, RunRow.state.in_(ACTIVE)).values(wake_at=at).returning(RunRow.cursor)
    )
    return woken.scalar()


async def _swap(transaction: Transaction, run: Run, **values: Any) -> bool:
    swapped = await transaction.execute(
        update(RunRow)
        .where(RunRow.id == run.id, RunRow.cursor == run.cursor, RunRow.state.in_(ACTIVE))
        .values(**values)
        .returning(RunRow.id)
    )
    return swapped.first() is not None
