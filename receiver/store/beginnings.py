"""The short way of a storm: deliveries of which every alert begins, in an incident that burns already.

What such a batch comes to needs no look at the store: each alert is a new occurrence, and one more in its incident. One
statement, which is a transaction of its own, does it all, where the long way (`receiver.store.recording`) asks, decides
and writes. Whether a batch is of this kind is told from memory; that it is, the statement makes sure of once it has
locked the incidents, and writes nothing where it is not. Both ways come to the same, and take locks in the same order.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from receiver.model.alert import AlertStatus, Change, Delivery, Receipt
from receiver.model.incident import SEVERITIES, worst
from receiver.store.jobs import QUEUE, Job
from receiver.store.memory import Key, Memory
from receiver.store.notes import note
from receiver.store.rows import public_id
from receiver.store.statements import document, statements
from receiver.store.stories import LOOK_LEASE
from receiver.store.telling import Named, Telling, described, kept
from receiver.store.tombstones import may_be_buried


class _Told(Named):
    """One row of an occurrence that begins, with its line in the timeline; it ends as `FirstTelling` does."""

    annotations: Mapping[str, str]
    story: int
    alert_id: str
    at: datetime
    text: str
    id: int
    starts_at_text: str
    alertname: str
    severity: str
    cluster: str
    namespace: str
    workflow: str
    agent: str
    labels: Mapping[str, str]
    generator_url: str
    group_key: str
    receiver: str


class _Story(msgspec.Struct):
    """One row of an incident in which alerts begin."""

    story: int
    key: str
    begun: int
    severity: str
    look_at: datetime


def all_begin(deliveries: Sequence[Delivery], tellings: Mapping[Key, Sequence[Telling]], memory: Memory) -> bool:
    """Answer whether, as far as one remembers, a batch only tells of alerts that begin in incidents that burn."""
    return (
        bool(tellings)
        and not any(one.truncated_alerts for one in deliveries)
        and all(_begins(key, said, memory) for key, said in tellings.items())
    )


async def begin(
    connection: psycopg.AsyncConnection[Any],
    deliveries: Sequence[Delivery],
    tellings: Mapping[Key, Sequence[Telling]],
    memory: Memory,
    turn: AbstractAsyncContextManager[None],
) -> list[Receipt] | None:
    """Record such a batch, and commit it.

    Args:
        connection: One on which each statement is a transaction of its own.
        deliveries: The batch.
        tellings: What it says; sorted by key.
        memory: What is remembered; corrected where it was wrong.
        turn: Held while Postgres works on it, and not while it is made ready.

    Returns:
        What became of each delivery; None where the batch is not of this kind after all, and nothing was written.
    """
    numbers = await memory.numbers(connection, len(tellings))
    told, stories = _rows(tellings, numbers)
    starts = [start for _, start in tellings]
    rows = {
        "told": document(told),
        "stories": document(list(stories.values())),
        **kept(deliveries),
        "burning": len(stories),
        "first": min(starts),
        "last": max(starts),
        "worst_first": ",".join(SEVERITIES),
        "kind": note(Change.FIRED, {})[0].value,
        "queue": QUEUE,
        "task": Job.LOOK.title,
        "priority": Job.LOOK.value,
    }
    ids: dict[str, int] = {}
    # Where another replica records one of them at this very moment, or this one did and its answer was lost.
    with suppress(psycopg.errors.UniqueViolation):
        async with turn:
            done = await connection.execute(statements()["begin_occurrences"], rows, prepare=True)
        ids = {key: number for key, number, _ in await done.fetchall()}
    if not ids:
        memory.quench(stories)
        return None
    memory.remember(tellings)
    return [
        Receipt(webhook_id=ids[str(one.key)], new=len(one.alerts), updated=0, repeated=0, resolved=0)
        for one in deliveries
    ]


def _begins(key: Key, said: Sequence[Telling], memory: Memory) -> bool:
    """Answer whether an occurrence is new, as far as one remembers, and only one more alert of an incident."""
    telling = said[0]
    return (
        len(said) == 1
        and telling.asked is None
        and telling.alert.status is AlertStatus.FIRING
        and memory.burns(telling.incident_key)
        and not memory.knows(key)
        and not may_be_buried(telling.alert.starts_at, telling.at)
    )


def _rows(tellings: Mapping[Key, Sequence[Telling]], numbers: Sequence[int]) -> tuple[list[_Told], dict[str, _Story]]:
    """Make the rows of the occurrences, and of their incidents by name."""
    told = []
    stories: dict[str, _Story] = {}
    for (telling,), number in zip(tellings.values(), numbers, strict=True):
        alert = telling.alert
        severity = alert.labels.get("severity", "")
        look_at = telling.at + LOOK_LEASE
        story = stories.get(telling.incident_key)
        if story is None:
            story = _Story(len(stories), telling.incident_key, 1, severity, look_at)
            stories[telling.incident_key] = story
        else:
            story.begun += 1
            story.severity = worst([story.severity, severity])
            story.look_at = max(story.look_at, look_at)
        # By position, which costs half of what names do.
        told.append(
            _Told(
                alert.fingerprint,
                alert.starts_at,
                alert.annotations,
                story.story,
                public_id(alert.starts_at, number),
                telling.at,
                note(Change.FIRED, alert.labels)[1],
                *described(number, telling),
            )
        )
    return told, stories
