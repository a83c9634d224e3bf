"""One batch of deliveries, recorded in one transaction: messages, occurrences, incidents, timeline and jobs.

Locks are taken in one order by everybody: incidents by number, then occurrences by key. What an occurrence becomes is
decided by `receiver.model.alert.observe` alone; here it is only looked up, asked and written down.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from receiver.model.alert import Change, Delivery, Receipt
from receiver.model.incident import LabelNames
from receiver.model.timeline import Kind
from receiver.store.jobs import Job, Queue
from receiver.store.rows import Row, public_id
from receiver.store.statements import document, statements
from receiver.store.stories import Contended, Count, Stories, changed_story
from receiver.store.telling import (
    FirstTelling,
    Key,
    Known,
    LaterTelling,
    Telling,
    firings,
    first_telling,
    fold,
    known_from,
    later_telling,
    named,
    tellings_of,
)
from receiver.store.tombstones import buried

_REMEMBERED: Final = 100_000
"""Occurrences that one process remembers: some 20 MB, and more than fire at once anywhere."""

_DRAWN: Final = 1_000
"""Numbers that are drawn at once."""

_EVENTS: Final = {
    Change.FIRED: (Kind.ALERT_FIRED, "{name} fires"),
    Change.REWORDED: (Kind.ALERT_REWORDED, "{name} still fires, with other annotations"),
    Change.RESOLVED: (Kind.ALERT_RESOLVED, "{name} is resolved"),
    Change.RESOLVED_FIRST: (Kind.ALERT_RESOLVED_FIRST, "{name} was first heard of when it was resolved already"),
    Change.LATE: (Kind.ALERT_LATE, "{name}: a firing came after its own resolve; recorded, nothing reopened"),
    Change.OVERTAKEN: (
        Kind.ALERT_OVERTAKEN,
        "{name}: a resolve came that a later firing had overtaken; it fires",
    ),
    Change.REFIRED: (Kind.ALERT_REFIRED, "{name} fires again after it was resolved"),
    Change.CONFIRMED: (Kind.ALERT_CONFIRMED, "{name} is resolved; Alertmanager confirms what had been inferred"),
}


class Heard:
    """What one process remembers of what it recorded: which occurrences are known, and numbers for new ones.

    Both only save questions. An occurrence that is known and not remembered is noticed when it is inserted, and the
    transaction is tried again; a number that is never used is a gap.
    """

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._numbers: list[int] = []

    def known(self, keys: Iterable[Key]) -> list[Key]:
        """Pick those that may be stored already."""
        return [key for key in keys if key in self._keys]

    def remember(self, keys: Iterable[Key]) -> None:
        """Remember that occurrences are stored; the oldest memories make room."""
        self._keys.update(dict.fromkeys(keys))
        while len(self._keys) > _REMEMBERED:
            del self._keys[next(iter(self._keys))]

    async def numbers(self, connection: psycopg.AsyncConnection[Any], count: int) -> list[int]:
        """Give as many new numbers of occurrences as are asked for."""
        if len(self._numbers) < count:
            drawn = await connection.execute(
                "select nextval('alerts_id_seq') from generate_series(1, %s)", [max(count, _DRAWN)], prepare=True
            )
            # Read first, then added: meanwhile another recording may have taken numbers.
            fresh = [number for (number,) in await drawn.fetchall()]
            self._numbers += fresh
        taken, self._numbers = self._numbers[:count], self._numbers[count:]
        return taken


class _Kept(msgspec.Struct):
    """One row of a raw message."""

    received_at: datetime
    key: UUID
    receiver: str
    group_key: str
    external_url: str
    truncated_alerts: int
    alerts: int
    body: bytes


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

    def __init__(self, connection: psycopg.AsyncConnection[Any], queue: Queue, names: LabelNames, heard: Heard) -> None:
        self._connection = connection
        self._queue = queue
        self._names = names
        self._heard = heard
        self._cursor = connection.cursor(row_factory=namedtuple_row)
        self._stories = Stories(self._ask)
        self._changes: list[list[Change]] = []
        self._late: dict[int, list[Key]] = {}
        self._said: list[tuple[Telling, Change, str, Count | None]] = []

    async def record(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Record a batch, and commit it.

        Raises:
            Contended: Try again in a new transaction.
        """
        async with self._connection.transaction():
            return await self._record(deliveries)

    async def _record(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        numbers = await self._heard.numbers(self._connection, sum(len(one.alerts) for one in deliveries))
        tellings = tellings_of(deliveries, self._names)
        heard = self._heard.known(tellings)
        # Where all is new, the stories concerned are known without a look: they are locked in the same breath.
        keys = set() if heard else {one[0].incident_key for one in tellings.values()} - {""}
        ids: dict[UUID, int] = {}
        locked = []
        for row in await self._ask("receive", rows=document(_rows_of(deliveries)), keys=list(keys)):
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
            kept = await self._ask("kept_deliveries", rows=document(_rows_of(deliveries)))
            ids = {row.key: row.id for row in kept}
            heard = self._heard.known(tellings)
        self._changes = [[] for _ in fresh]
        known = known_from(await self._ask("peek_occurrences", rows=document(named(heard)))) if heard else {}
        tellings = await self._without_dropped(tellings, known)
        if tellings:
            await self._tell(tellings, known, numbers)
        await self._inquire(fresh)
        changes = dict(zip((one.key for one in fresh), self._changes, strict=True))
        return [_receipt(ids[one.key], changes.get(one.key, ())) for one in deliveries]

    async def _without_dropped(
        self, tellings: dict[Key, list[Telling]], known: Mapping[Key, Known]
    ) -> dict[Key, list[Telling]]:
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
        self._heard.remember(tellings)
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
            if change in _EVENTS:
                self._said.append((telling, change, alert_id, story))

    def _lines(self, changed: Sequence[Count]) -> list[_Line]:
        """Write the timeline."""
        lines = []
        for story in changed:
            at = story.changed_at
            if at and story.opened:
                lines.append(_Line(at, Kind.INCIDENT_OPENED.value, "the incident begins", story.id, None, {}))
        for telling, change, alert_id, told in self._said:
            kind, sentence = _EVENTS[change]
            text = sentence.format(name=telling.alert.labels.get("alertname") or "an alert without a name")
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


def _rows_of(deliveries: Sequence[Delivery]) -> list[_Kept]:
    return [
        _Kept(
            one.received_at,
            one.key,
            one.receiver,
            one.group_key,
            one.external_url,
            one.truncated_alerts,
            len(one.alerts),
            one.body,
        )
        for one in deliveries
    ]


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
