"""One batch of deliveries, recorded in one transaction: messages, occurrences, incidents, timeline and jobs.

Locks are taken in one order by everybody: incidents by number, then occurrences by key. What an occurrence becomes is
decided by `receiver.model.alert.observe` alone; here it is only looked up, asked and written down.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg
from psycopg.rows import dict_row

from receiver.model.alert import Change, Delivery, Receipt
from receiver.model.incident import LabelNames
from receiver.model.timeline import Kind
from receiver.store.jobs import Job, Queue
from receiver.store.rows import public_id
from receiver.store.statements import statements
from receiver.store.stories import Contended, Count, Stories
from receiver.store.telling import (
    Columns,
    Key,
    Known,
    Telling,
    firings,
    first_columns,
    fold,
    key_columns,
    known_from,
    later_columns,
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


class Recording:
    """One transaction's work; made anew for each try.

    Statements that do not wait for each other are sent together and answered together: a delivery costs three round
    trips when all its alerts are new.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any], queue: Queue, names: LabelNames, heard: Heard) -> None:
        self._connection = connection
        self._queue = queue
        self._names = names
        self._heard = heard
        self._pipeline: psycopg.AsyncPipeline
        self._stories = Stories(self._send)
        self._changes: list[list[Change]] = []
        self._late: dict[int, list[Key]] = {}
        self._events: list[tuple[datetime, str, str, int | None, str | None, dict[str, Any]]] = []

    async def record(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Record a batch; the caller commits.

        Raises:
            Contended: Try again in a new transaction.
        """
        numbers = await self._heard.numbers(self._connection, sum(len(one.alerts) for one in deliveries))
        async with self._connection.pipeline() as self._pipeline:
            return await self._record(deliveries, numbers)

    async def _record(self, deliveries: Sequence[Delivery], numbers: Sequence[int]) -> list[Receipt]:
        tellings = tellings_of(deliveries, self._names)
        keeping = await self._send("keep_deliveries", _delivery_columns(deliveries))
        heard = self._heard.known(tellings)
        peeking = await self._send("peek_occurrences", key_columns(heard)) if heard else None
        ids = {row["key"]: row["id"] for row in await keeping.fetchall()}
        fresh = deliveries
        if len(ids) < len(deliveries):
            # What an earlier try has committed already, though its answer was lost, is not told again.
            fresh = [one for one in deliveries if one.key in ids]
            tellings = tellings_of(fresh, self._names)
            ids = {row["key"]: row["id"] for row in await self._run("kept_deliveries", _delivery_keys(deliveries))}
        self._changes = [[] for _ in fresh]
        known = known_from(await peeking.fetchall()) if peeking else {}
        tellings = await self._without_dropped(tellings, known)
        if tellings:
            await self._tell(tellings, known, numbers)
        await self._inquire(fresh)
        changes = dict(zip((one.key for one in fresh), self._changes, strict=True))
        return [_receipt(ids[one.key], changes.get(one.key, [])) for one in deliveries]

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
        await self._stories.find(tellings, known)
        new = {key: said for key, said in tellings.items() if key not in known}
        inserting = await self._insert(new, numbers) if new else None
        await self._update({key: said for key, said in tellings.items() if key in known})
        await self._follow_up(await self._stories.write())
        await self._pipeline.sync()
        self._heard.remember(tellings)
        if inserting is not None and inserting.rowcount < len(new):
            # Some were known after all: recorded by another replica, or before this one started.
            raise Contended

    async def _send(self, name: str, columns: Columns) -> psycopg.AsyncCursor[dict[str, Any]]:
        """Send a named statement; its rows are fetched from the cursor when they are needed."""
        cursor = self._connection.cursor(row_factory=dict_row)
        return await cursor.execute(statements()[name], _parameters(name, columns), prepare=True)

    async def _run(self, name: str, columns: Columns) -> list[dict[str, Any]]:
        cursor = await self._send(name, columns)
        return await cursor.fetchall()

    async def _insert(
        self, tellings: Mapping[Key, Sequence[Telling]], numbers: Sequence[int]
    ) -> psycopg.AsyncCursor[dict[str, Any]]:
        """Send what was never heard of."""
        folded = {key: fold(None, said) for key, said in tellings.items()}
        columns = first_columns(tellings, folded, self._stories.ids)
        inserting = await self._send("first_tellings", {**columns, "id": numbers[: len(tellings)]})
        for (key, said), number in zip(tellings.items(), numbers, strict=False):
            self._note(public_id(key[1], number), said, folded[key][1], self._stories.open(said[0].incident_key))
        return inserting

    async def _update(self, tellings: Mapping[Key, Sequence[Telling]]) -> None:
        """Write down what is now known of occurrences that were known before."""
        if not tellings:
            return
        rows = []
        for key, before in known_from(await self._run("lock_occurrences", key_columns(tellings))).items():
            standing, changes = fold(before.standing, tellings[key])
            story = self._stories.of(before, tellings[key], changes)
            self._note(public_id(key[1], before.id), tellings[key], changes, story)
            incident_id = story.id if story else before.incident_id
            rows.append((key, standing, before.firings + firings(changes), incident_id))
        await self._send("later_tellings", later_columns(rows))

    def _note(self, alert_id: str, said: Sequence[Telling], changes: Sequence[Change], story: Count | None) -> None:
        """Put changes into the receipts, the story and the timeline."""
        for telling, change in zip(said, changes, strict=True):
            self._changes[telling.delivery].append(change)
            if change is Change.LATE:
                self._late.setdefault(telling.delivery, []).append((telling.alert.fingerprint, telling.alert.starts_at))
            if story is not None:
                story.take(telling, change)
            if change in _EVENTS:
                kind, sentence = _EVENTS[change]
                text = sentence.format(name=telling.alert.labels.get("alertname") or "an alert without a name")
                asked = {"peer": telling.asked.peer, "asked_at": telling.asked.at.isoformat()} if telling.asked else {}
                detail = {"receiver": telling.receiver} | asked
                self._events.append((telling.at, kind.value, text, story.id if story else None, alert_id, detail))

    async def _inquire(self, fresh: Sequence[Delivery]) -> None:
        """Note about which deliveries Alertmanager is to be asked; what it was asked for needs no asking."""
        asking = [
            (number, one)
            for number, one in enumerate(fresh)
            if one.asked is None and (one.truncated_alerts or number in self._late)
        ]
        if asking:
            late = {number: [(name, at.isoformat()) for name, at in keys] for number, keys in self._late.items()}
            await self._send(
                "add_inquiries",
                {
                    "received_at": [one.received_at for _, one in asking],
                    "key": [one.key for _, one in asking],
                    "late": [late.get(number, []) for number, _ in asking],
                    "truncated": [one.truncated_alerts for _, one in asking],
                    "due_at": [one.received_at for _, one in asking],
                },
            )

    async def _follow_up(self, changed: Sequence[Count]) -> None:
        """Write the timeline, and have somebody look at each incident that changed."""
        for story in changed:
            at = story.changed_at
            if at and story.opened:
                self._events.insert(0, (at, Kind.INCIDENT_OPENED.value, "the incident begins", story.id, None, {}))
            elif at and story.reopened:
                text = "an alert fires again before the incident was over"
                detail = {"flaps": story.flaps}
                self._events.append((at, Kind.INCIDENT_REOPENED.value, text, story.id, None, detail))
        if self._events:
            names = ("at", "kind", "text", "incident_id", "alert_id", "detail")
            columns: Columns = dict(zip(names, zip(*self._events, strict=True), strict=True))
            await self._send("add_events", {**columns, "run_id": [None] * len(self._events)})
        unasked = [{"incident_id": story.id} for story in changed if not story.asked]
        await self._queue.enqueue_on(self._connection, Job.LOOK, unasked)


def _delivery_keys(deliveries: Sequence[Delivery]) -> Columns:
    return {"received_at": [one.received_at for one in deliveries], "key": [one.key for one in deliveries]}


def _delivery_columns(deliveries: Sequence[Delivery]) -> Columns:
    return {
        **_delivery_keys(deliveries),
        "receiver": [one.receiver for one in deliveries],
        "group_key": [one.group_key for one in deliveries],
        "external_url": [one.external_url for one in deliveries],
        "truncated_alerts": [one.truncated_alerts for one in deliveries],
        "alerts": [len(one.alerts) for one in deliveries],
        "body": [one.body for one in deliveries],
    }


def _parameters(name: str, columns: Columns) -> dict[str, Any]:
    """Write rows as the one JSON document that most statements take; the others take an array for each column."""
    if "%(rows)s" not in statements()[name]:
        return {column: list(values) for column, values in columns.items()}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return {"rows": msgspec.json.encode(rows).decode()}


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
