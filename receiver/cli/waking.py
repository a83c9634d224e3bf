"""Waking whatever acts on a request, in the transaction that writes it: the same for a page, a button and a command."""

from collections.abc import Callable
from datetime import datetime

from receiver.store import runs
from receiver.store.database import Transaction
from receiver.store.jobs import Job, Queue
from receiver.web.api.asking import Wake


def waking(queue: Queue, now: Callable[[], datetime]) -> Wake:
    """Make the function that wakes."""

    async def wake(tx: Transaction, run_id: int | None) -> None:
        if run_id is not None:
            cursor = await runs.wake(tx, run_id, now())
            if cursor is not None:
                await queue.enqueue(tx, Job.TICK, {"run_id": run_id, "cursor": cursor})

    return wake
