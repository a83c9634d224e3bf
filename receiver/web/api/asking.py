"""Asking for something: what is asked is written down, and whoever can act on it is woken in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from receiver.model.request import Kind
from receiver.model.shapes.asking import Asked
from receiver.store import requests
from receiver.store.database import Transaction
from receiver.webhook.access import Caller

Wake = Callable[[Transaction, int | None], Awaitable[None]]
"""Enqueue, in the transaction, whatever acts on requests: about the run of that number, or about none."""


async def ask(
    tx: Transaction, wake: Wake, kind: Kind, run_id: int | None, *, asked_by: Caller, detail: Mapping[str, Any]
) -> Asked:
    """Write down what a caller asks for, and wake whoever acts on it."""
    number = await requests.ask(tx, kind, run_id, asked_by=asked_by.name, detail=detail)
    await wake(tx, run_id)
    return Asked(request_id=number, run_id=run_id)
