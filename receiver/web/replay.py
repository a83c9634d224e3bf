"""Dead letters again: parsed once more, as at the door, and recorded as if they came now.

A person asks for it, after the reason is gone: a newer version understands more. The body keeps the time at which it
was received and gets one key for ever, so that replaying it twice records it once. What is still not understood stays
what it was, and the answer says why.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from receiver.model.alert import Receipt, Spooled
from receiver.model.deadletter import DeadLetter, Fate
from receiver.model.errors import LetterAbsent, LetterRefused, LetterSettled, StoreError, StoreUnavailable
from receiver.store import deadletters
from receiver.store.database import Database
from receiver.store.history import deadletters as history
from receiver.webhook.message import parse
from receiver.webhook.route import Record

_log = structlog.get_logger(__name__)


class Replay:
    """What a person may decide about dead letters.

    Args:
        database: Where they are.
        record: Makes a delivery durable, as at the door.
        now: The present time; aware, UTC.
    """

    def __init__(self, database: Database, record: Record, now: Callable[[], datetime]) -> None:
        self._database = database
        self._record = record
        self._now = now

    async def replay(self, number: int, *, by: str) -> Receipt | Spooled:
        """Parse a dead letter again and record it; returns what became of it.

        Raises:
            LetterAbsent: There is none of that number.
            LetterSettled: A person has decided about it already.
            DeliveryError: It is still not understood; nothing was changed.
            LetterRefused: It is understood, and Postgres still refuses it; nothing was changed.
            StoreUnavailable: It could not be made durable; ask again.
        """
        letter = await self._open(number)
        delivery = parse(letter.body or b"", letter.received_at, key=letter.key)
        try:
            kept = await self._record(delivery)
        except StoreUnavailable:
            raise
        except StoreError as error:
            raise LetterRefused(f"dead letter {number} could still not be recorded: {error}") from error
        await self._settle(number, Fate.REPLAYED, by)
        return kept

    async def discard(self, number: int, *, by: str) -> None:
        """Note that nobody wants a dead letter.

        Raises:
            LetterAbsent: There is none of that number.
            LetterSettled: A person has decided about it already.
        """
        await self._open(number)
        await self._settle(number, Fate.DISCARDED, by)

    async def _open(self, number: int) -> DeadLetter:
        async with self._database.transaction() as tx:
            letter = await history.get(tx, number)
        if letter is None:
            raise LetterAbsent(f"there is no dead letter {number}; `receiver deadletter list` shows what there is")
        if letter.fate is not None:
            raise LetterSettled(f"dead letter {number} was {letter.fate.value} by {letter.settled_by} already")
        return letter

    async def _settle(self, number: int, fate: Fate, by: str) -> None:
        async with self._database.transaction() as tx:
            await deadletters.settle(tx, number, fate, by=by, at=self._now())
        _log.info("deadletter_settled", deadletter_id=number, fate=fate.value, by=by)
