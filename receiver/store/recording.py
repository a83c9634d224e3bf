"""One batch of deliveries, recorded in one transaction: messages, occurrences, incidents, timeline and jobs.

Locks are taken in one order by everybody: incidents by number, then occurrences by key. What an occurrence becomes is
decided by `receiver.model.alert.observe` alone; here it is only looked up, asked and written down.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from receiver.model.alert import Change, Delivery, Receipt
from receiver.model.incident import LabelNames
from receiver.model.timeline import Kind
from receiver.store.jobs import Job, Queue
from receiver.store.rows import public_id
from receiver.store.statements import statements
from receiver.store.stories import Count, Stories
from receiver.store.telling import (
    Columns,
    Key,
    Telling,
    firings,
    first_columns,
    fold,
    key_columns,
    known_from,
    later_columns,
    tellings_of,
)

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


class Recording:
    """One transaction's work; made anew for each try."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], queue: Queue, names: LabelNames) -> None:
        self._connection = connection
        self._queue = queue
        self._names = names
        self._stories = Stories(self._run)
        self._changes: list[list[Change]] = []
        self._late: dict[int, list[Key]] = {}
        self._kept: AbstractSet[UUID] = frozenset()
        self._events: list[tuple[datetime, str, str, int | None, str | None, dict[str, Any]]] = []

    async def record(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Record a batch; the caller commits.

        Raises:
            Contended: Try again in a new transaction.
        """
        ids = await self._keep(deliveries)
        # What an earlier try has committed already, though its answer was lost, is not told again.
        fresh = [one for one in deliveries if one.key not in self._kept]
        self._changes = [[] for _ in fresh]
        tellings = tellings_of(fresh, self._names)
        if tellings:
            await self._stories.find(tellings, known_from(await self._run("peek_occurrences", key_columns(tellings))))
            inserted = await self._insert(tellings)
            await self._update({key: said for key, said in tellings.items() if key not in inserted})
            await self._follow_up(await self._stories.write())
        await self._inquire(fresh)
        changes = dict(zip((one.key for one in fresh), self._changes, strict=True))
        return [_receipt(ids[one.key], changes.get(one.key, [])) for one in deliveries]

    async def _run(self, name: str, columns: Columns) -> list[dict[str, Any]]:
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statements()[name], _parameters(name, columns), prepare=True)
            return await cursor.fetchall() if cursor.description else []

    async def _keep(self, deliveries: Sequence[Delivery]) -> dict[UUID, int]:
        """Keep the messages; returns the number of each, by key."""
        keys: Columns = {
            "received_at": [one.received_at for one in deliveries],
            "key": [one.key for one in deliveries],
        }
        kept = await self._run(
            "keep_deliveries",
            {
                **keys,
                "receiver": [one.receiver for one in deliveries],
                "group_key": [one.group_key for one in deliveries],
                "external_url": [one.external_url for one in deliveries],
                "truncated_alerts": [one.truncated_alerts for one in deliveries],
                "alerts": [len(one.alerts) for one in deliveries],
                "body": [one.body for one in deliveries],
            },
        )
        ids = {row["key"]: row["id"] for row in kept}
        if len(ids) < len(deliveries):
            before = {row["key"]: row["id"] for row in await self._run("kept_deliveries", keys)}
            self._kept = before.keys() - ids.keys()
            ids = before
        return ids

    async def _insert(self, tellings: Mapping[Key, Sequence[Telling]]) -> set[Key]:
        """Insert what was never heard of; returns the keys of it."""
        folded = {key: fold(None, said) for key, said in tellings.items()}
        rows = await self._run("first_tellings", first_columns(tellings, folded, self._stories.ids))
        fresh = {(row["fingerprint"], row["starts_at"]): row["id"] for row in rows}
        for key, number in fresh.items():
            said = tellings[key]
            self._note(public_id(key[1], number), said, folded[key][1], self._stories.open(said[0].incident_key))
        return set(fresh)

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
        await self._run("later_tellings", later_columns(rows))

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
            await self._run(
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
            await self._run("add_events", {**columns, "run_id": [None] * len(self._events)})
        unasked = [{"incident_id": story.id} for story in changed if not story.asked]
        await self._queue.enqueue_on(self._connection, Job.LOOK, unasked)


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
