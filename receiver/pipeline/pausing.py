"""A pause reaches what was decided and has not acted yet; what has is carried to its end."""

from datetime import timedelta
from typing import Final

from receiver.model.remediation import Run
from receiver.pipeline.rooms import Rooms
from receiver.remediate.tick import Wait
from receiver.store import pauses
from receiver.store.database import Transaction

_AGAIN: Final = timedelta(minutes=1)
"""How late a run may notice that somebody has resumed."""


async def held_back(rooms: Rooms, transaction: Transaction, run: Run) -> Wait | None:
    """Let a run that is about to take its first effect wait while everything is paused; None when it may go on.

    Nobody can pause until the transaction ends, so that after a pause no first effect is written down.
    """
    if run.journal:
        return None
    await pauses.hold(transaction)
    now = rooms.now()
    found = await pauses.current(transaction, now)
    if not found:
        return None
    ends = [pause.expires_at for pause in found if pause.expires_at is not None]
    until = min([now + _AGAIN, *ends])
    text = "; ".join(f"{pause.paused_by} has paused everything: {pause.reason}" for pause in found)
    return Wait(until=until, vars=run.vars, text=text)
