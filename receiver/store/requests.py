"""What people ask for: rows that a page, a button or a command writes, and that the pipeline answers.

Whoever asks also wakes the pipeline in the same transaction, so that no wish is committed without somebody to act on
it.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, select, update

from receiver.model.request import Kind, Request
from receiver.store.database import Transaction
from receiver.store.rows import Row
from receiver.store.tables import RequestRow


async def ask(
    tx: Transaction, kind: Kind, run_id: int | None, *, asked_by: str, detail: Mapping[str, Any] | None = None
) -> int:
    """Write down a request; returns its number.

    Args:
        tx: Everything that belongs to the request is written in it.
        kind: What is asked for.
        run_id: The run it is about; None where it is about none.
        asked_by: Who asks, by name.
        detail: What else was said, as JSON values.
    """
    values = {
        "at": func.clock_timestamp(),
        # What is about no run yet has nobody who would come by it: the sweep brings it to whoever acts on it.
        "due_at": func.clock_timestamp() if run_id is None else None,
        "kind": kind.value,
        "run_id": run_id,
        "asked_by": asked_by,
        "detail": dict(detail or {}),
        "answer": "",
    }
    return int((await tx.execute(insert(RequestRow).values(**values).returning(RequestRow.id))).scalar_one())


async def get(tx: Transaction, number: int) -> Request | None:
    """Read one request; None when there is none of that number."""
    row = (await tx.execute(select(RequestRow).where(RequestRow.id == number))).one_or_none()
    return None if row is None else _request(row)


async def open_for_run(tx: Transaction, run_id: int) -> tuple[Request, ...]:
    """Read the requests about a run that nobody acted on yet, in the order in which they were asked."""
    found = await tx.execute(
        select(RequestRow).where(RequestRow.run_id == run_id, RequestRow.answered_at.is_(None)).order_by(RequestRow.id)
    )
    return tuple(_request(row) for row in found)


async def answer(tx: Transaction, number: int, text: str) -> bool:
    """Write down what became of a request; says whether it was still open, since the first answer stays."""
    changed = await tx.execute(
        update(RequestRow)
        .where(RequestRow.id == number, RequestRow.answered_at.is_(None))
        .values(answered_at=func.clock_timestamp(), answer=text, due_at=None)
    )
    return changed.rowcount == 1


async def begin(tx: Transaction, number: int, run_id: int) -> None:
    """Write down which run follows from a request."""
    await tx.execute(update(RequestRow).where(RequestRow.id == number).values(run_id=run_id))


def _request(row: Row) -> Request:
    return Request(
        id=row.id,
        at=row.at,
        kind=Kind(row.kind),
        run_id=row.run_id,
        asked_by=row.asked_by,
        detail=row.detail,
        answered_at=row.answered_at,
        answer=row.answer,
    )
