"""One batch of deliveries, recorded in one transaction: messages, occurrences, incidents, timeline and jobs.

Locks are taken in one order by everybody: incidents by number, then occurrences by key. What an occurrence becomes is
decided by `receiver.model.alert.observe` alone; here it is only looked up, asked and written down.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from receiver.model.alert import Change, Delivery, Receipt
from receiver.model.incident import LabelNames
from receiver.model.timeline import Kind
from receiver.store.jobs import Job, Queue
from receiver.store.memory import Key, Memory
from receiver.store.notes import is_noted, note
from receiver.store.rows import Row, public_id
from receiver.store.statements import document, statements
from receiver.store.stories import Contended, Count, Stories, changed_story
from receiver.store.telling import (
    FirstTelling,
    Known,
    LaterTelling,
    Telling,
    firings,
    first_telling,
    fold,
    kept,
    known_from,
    later_telling,
    named,
    tellings_of,
)
from receiver.store.tombstones import buried


class _Inquiry(msgspec.Struct):
    """One row of a delivery about which Alertmanager is to be asked."""

    received_at: datetime
    key: UUID
    late: list[tuple[str, str]]
    truncated: int
    due_at: datetime


class _Line(msgspec.Struct):
    """One row of the timeline."""

    at: datetime
    kind: str
    text: str
    incident_id: int | None
    alert_id: str | None
    detail: Mapping[str, Any]


class Recording:
    """One transaction's work; made anew for each try.

    Few statements do much each, since what one costs beside its work (on both sides, and on the way) is what small
    batches cost: deliveries whose alerts are all new take two, whatever their number.
    """

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], queue: Queue, names: LabelNames, memory: Memory
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._names = names
        self._memory = memory
        self._cursor = connection.cursor(row_factory=namedtuple_row)
        self._stories = Stories(self._ask)
        self._changes: list[list[Change]] = []
        self._late: dict[int, list[Key]] = {}
        self._said: list[tuple[Telling, Change, str, Count | None]] = []

    async def record(self, deliveries: Sequence[Delivery], tellings: Mapping[Key, Sequence[Telling]]) -> list[Receipt]:
        """Record a batch, and commit it.

        Args:
            deliveries: The batch.
            tellings: What it says; sorted by key.

        Raises:
            Contended: Try again in a new transaction.
        """
        async with self._connection.transaction():
            return await self._record(deliveries, tellings)

    async def _record(self, deliveries: Sequence[Delivery], tellings: Mapping[Key, Sequence[Telling]]) -> list[Receipt]:
        numbers = await self._memory.numbers(self._connection, sum(len(one.alerts) for one in deliveries))
        heard = [key for key in tellings if self._memory.knows(key)]
        # Where all is new, the stories concerned are known without a look: they are locked in the same breath.
        keys = set() if heard else {one[0].incident_key for one in tellings.values()} - {""}
        ids: dict[UUID, int] = {}
        locked = []
        raw = kept(deliveries)
        for row in await self._ask("receive", **raw, keys=list(keys)):
            if row.state is None:
                ids[UUID(row.key)] = row.id
            else:
                locked.append(row)
        if not heard:
            await self._stories.take(locked, keys)
        fresh = deliveries
        if len(ids) < len(deliveries):
            # What an earlier try has committed already, though its answer was lost, is not told again.
            fresh = [one for one in deliveries if one.key in ids]
            tellings = tellings_of(fresh, self._names)
            known_ids = await self._ask("kept_deliveries", rows=raw["rows"])
            ids = {row.key: row.id for row in known_ids}
            heard = [key for key in tellings if self._memory.knows(key)]
        self._changes = [[] for _ in fresh]
        known = known_from(await self._ask("peek_occurrences", rows=document(named(heard)))) if heard else {}
        tellings = await self._without_dropped(tellings, known)
        if tellings:
            await self._tell(tellings, known, numbers)
        await self._inquire(fresh)
        changes = dict(zip((one.key for one in fresh), self._changes, strict=True))
        return [_receipt(ids[one.key], changes.get(one.key, ())) for one in deliveries]

    async def _without_dropped(
        self, tellings: Mapping[Key, Sequence[Telling]], known: Mapping[Key, Known]
    ) -> Mapping[Key, Sequence[Telling]]:
        """Leave out occurrences that were dropped from the history: what is told of them is late, and not news."""
        new = [(*key, said[-1].at) for key, said in tellings.items() if key not in known]
        dropped = await buried(self._connection, new)
        for key in dropped:
            for telling in tellings[key]:
                self._changes[telling.delivery].append(Change.LATE)
        return {key: said for key, said in tellings.items() if key not in dropped} if dropped else tellings

    async def _tell(
        self, tellings: Mapping[Key, Sequence[Telling]], known: Mapping[Key, Known], numbers: Sequence[int]
    ) -> None:
        """Write down what is said of occurrences, and what follows from it."""
        folded = {key: fold(known[key].standing if key in known else None, said) for key, said in tellings.items()}
        await self._stories.find(tellings, known, folded)
        new = [key for key in tellings if key not in known]
        for key, number in zip(new, numbers, strict=False):
            said = tellings[key]
            self._note(public_id(key[1], number), said, folded[key][1], self._stories.open(said[0].incident_key))
        later = await self._update({key: said for key, said in tellings.items() if key in known})
        changed = await self._stories.settle()
        first = []
        for key, number in zip(new, numbers, strict=False):
            telling, (standing, changes) = tellings[key][0], folded[key]
            story = self._stories.open(telling.incident_key)
            first.append(first_telling(number, telling, standing, firings(changes), story.id if story else None))
        inserted = await self._write(first, later, changed)
        unasked = [{"incident_id": story.id} for story in changed if not story.asked]
        await self._queue.enqueue_on(self._connection, Job.LOOK, unasked)
        self._memory.remember(tellings)
        self._memory.kindle(self._stories.burning)
        if inserted < len(new):
            # Some were known after all: recorded by another replica, or before this one started.
            raise Contended

    async def _write(
        self, first: Sequence[FirstTelling], later: Sequence[LaterTelling], changed: Sequence[Count]
    ) -> int:
        """Write everything down; returns how many occurrences were new."""
        if later:
            # Apart: an update makes itself ready for every month there is, which costs more than all the rest.
            await self._do("later_tellings", rows=document(later))
        stories = [changed_story(story, story.changed_at) for story in changed if story.changed_at]
        return await self._do(
            "write_down",
            first=document(first),
            stories=document(stories),
            events=document(self._lines(changed)),
        )

    async def _ask(self, name: str, /, **parameters: Any) -> Sequence[Row]:
        """Run a named statement; returns its rows."""
        await self._do(name, **parameters)
        return await self._cursor.fetchall()

    async def _do(self, name: str, /, **parameters: Any) -> int:
        """Run a named statement; returns how many rows it wrote."""
        await self._cursor.execute(statements()[name], parameters, prepare=True)
        return self._cursor.rowcount

    async def _update(self, tellings: Mapping[Key, Sequence[Telling]]) -> list[LaterTelling]:
        """Lock occurrences that were known before, and make of each what is known of it now."""
        if not tellings:
            return []
        later = []
        locked = await self._ask("lock_occurrences", rows=document(named(tellings)))
        for key, before in known_from(locked).items():
            standing, changes = fold(before.standing, tellings[key])
            story = self._stories.of(before, tellings[key], changes)
            self._note(public_id(key[1], before.id), tellings[key], changes, story)
            incident_id = story.id if story else before.incident_id
            later.append(later_telling(key, standing, before.firings + firings(changes), incident_id))
        return later

    def _note(self, alert_id: str, said: Sequence[Telling], changes: Sequence[Change], story: Count | None) -> None:
        """Put changes into the receipts and the stories, and note what the timeline is to tell."""
        for telling, change in zip(said, changes, strict=True):
            self._changes[telling.delivery].append(change)
            if change is Change.LATE:
                self._late.setdefault(telling.delivery, []).append((telling.alert.fingerprint, telling.alert.starts_at))
            if story is not None:
                story.take(telling, change)
            if is_noted(change):
                self._said.append((telling, change, alert_id, story))

    def _lines(self, changed: Sequence[Count]) -> list[_Line]:
        """Write the timeline."""
        lines = []
        for story in changed:
            at = story.changed_at
            if at and story.opened:
                lines.append(_Line(at, Kind.INCIDENT_OPENED.value, "the incident begins", story.id, None, {}))
        for telling, change, alert_id, told in self._said:
            kind, text = note(change, telling.alert.labels)
            detail = {"receiver": telling.receiver}
            if telling.asked:
                detail |= {"peer": telling.asked.peer, "asked_at": telling.asked.at.isoformat()}
            story_id = told.id if told and not told.vain else None
            lines.append(_Line(telling.at, kind.value, text, story_id, alert_id, detail))
        for story in changed:
            at = story.changed_at
            if at and story.reopened:
                text = "an alert fires again before the incident was over"
                lines.append(_Line(at, Kind.INCIDENT_REOPENED.value, text, story.id, None, {"flaps": story.flaps}))
        return lines

    async def _inquire(self, fresh: Sequence[Delivery]) -> None:
        """Note about which deliveries Alertmanager is to be asked; what it was asked for needs no asking."""
        asking = [
            (number, one)
            for number, one in enumerate(fresh)
            if one.asked is None and (one.truncated_alerts or number in self._late)
        ]
        if asking:
            late = {number: [(name, at.isoformat()) for name, at in keys] for number, keys in self._late.items()}
            rows = [
                _Inquiry(one.received_at, one.key, late.get(number, []), one.truncated_alerts, one.received_at)
                for number, one in asking
            ]
            await self._do("add_inquiries", rows=document(rows))


def _receipt(webhook_id: int, changes: Sequence[Change]) -> Receipt:
    new = changes.count(Change.FIRED)
    updated = changes.count(Change.REWORDED) + changes.count(Change.REFIRED)
    resolved = changes.count(Change.RESOLVED) + changes.count(Change.RESOLVED_FIRST)
    return Receipt(
        webhook_id=webhook_id,
        new=new,
        updated=updated,
        resolved=resolved,
        repeated=len(changes) - new - updated - resolved,
    )
