"""What is stored, compared with a model of the rules that was written apart from the code that keeps them.

The histories are random: alerts that fire, repeat, are reworded and resolved in any order, some twice, some lost, some
received long before they are recorded, through two replicas on one database. `RECEIVER_LONG_TESTS=1` tries many more.
"""

import asyncio
import itertools
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import text

from receiver.model.alert import Delivery, Receipt
from receiver.model.incident import LabelNames
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store import looks
from receiver.store.database import Database
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.webhook.message import parse

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}
PROFILE = settings(
    max_examples=1_000 if LONG else 60,
    derandomize=True,
    deadline=None,
    database=None,
    # Making a failure small takes minutes, and each of them costs a hundred transactions.
    phases=tuple(Phase) if LONG else (Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

PATIENCE = 3_600 if LONG else 120
"""Seconds for all examples of a test."""

BEGIN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LINGER = timedelta(minutes=5)
BELIEVED_AFTER = timedelta(minutes=10)
CAPTURES = Path("tests/data/deliveries")
WORLDS = itertools.count(1)
"""Each example plays in a world of its own, named by a label; so one database serves them all."""

SERIES = (("Stuck", "etl"), ("Failed", "etl"), ("Stuck", "train"), ("DiskFull", ""))
"""Alert names and the workflows that they are about; the last is about none."""


class Telling(NamedTuple):
    """One delivery of one alert."""

    series: int
    episode: int
    firing: bool
    wording: int
    delay: int
    """Minutes that passed between its receipt and its recording."""
    replica: int
    copies: int


class Pause(NamedTuple):
    """Nothing happens for some minutes; then what is over is closed."""

    minutes: int


TELLINGS = st.builds(
    Telling,
    series=st.integers(0, len(SERIES) - 1),
    episode=st.sampled_from((0, 0, 0, 1)),
    firing=st.booleans(),
    wording=st.integers(0, 1),
    delay=st.sampled_from((0, 0, 1, 9, 12, 25)),
    replica=st.integers(0, 1),
    copies=st.sampled_from((1, 1, 2)),
)
COURSES = st.lists(st.one_of(TELLINGS, TELLINGS, st.builds(Pause, st.integers(1, 14))), min_size=20, max_size=40)


@dataclass
class Tale:
    """An incident, as the rules want it."""

    subject: str
    firing: int = 0
    quiet_at: datetime | None = None
    flaps: int = 0
    closed: bool = False
    after: "Tale | None" = None


@dataclass
class Episode:
    """An occurrence, as the rules want it."""

    fires: bool
    told: int = 0
    began: int = 0
    wording: int = 0
    heard: list[datetime] = field(default_factory=list)
    ends: dict[datetime, datetime] = field(default_factory=dict)
    tale: Tale | None = None

    @property
    def last_end(self) -> datetime | None:
        return max(self.ends, default=None)


class Model:
    """The rules, in the order of recording and in words of their own."""

    def __init__(self) -> None:
        self.episodes: dict[tuple[int, int], Episode] = {}
        self.tales: list[Tale] = []

    def tell(self, telling: Telling, at: datetime, end: datetime) -> str:
        """Take one telling; says as what the receipt counts it."""
        key = (telling.series, telling.episode)
        known = self.episodes.get(key)
        episode = known or self.episodes.setdefault(key, Episode(fires=False))
        episode.told += 1
        before, episode.heard = list(episode.heard), [*episode.heard, at]
        if telling.firing:
            return self._fire(telling, episode, at, fresh=known is None)
        return self._end(telling, episode, at, end, before)

    def _fire(self, telling: Telling, episode: Episode, at: datetime, *, fresh: bool) -> str:
        if episode.fires:
            changed, episode.wording = episode.wording != telling.wording, telling.wording
            return "updated" if changed else "repeated"
        if not fresh and episode.last_end is not None and at <= episode.last_end + BELIEVED_AFTER:
            return "repeated"
        episode.fires, episode.wording, episode.began = True, telling.wording, episode.began + 1
        if episode.tale is None or episode.tale.closed:
            episode.tale = self._join(SERIES[telling.series])
        tale = episode.tale
        tale.flaps += tale.quiet_at is not None
        tale.firing, tale.quiet_at = tale.firing + 1, None
        return "new" if fresh else "updated"

    def _end(self, telling: Telling, episode: Episode, at: datetime, end: datetime, before: Sequence[datetime]) -> str:
        older = episode.last_end is not None and at <= episode.last_end
        overtaken = episode.fires and (older or max(before) > at + BELIEVED_AFTER)
        if at not in episode.ends or not overtaken:
            episode.ends[at] = end
        if overtaken or (before and not episode.fires):
            return "repeated"
        if episode.fires and episode.tale is not None:
            episode.tale.firing -= 1
            if not episode.tale.firing:
                episode.tale.quiet_at = at
        episode.fires, episode.wording = False, telling.wording
        return "resolved"

    def _join(self, series: tuple[str, str]) -> Tale:
        name, workflow = series
        subject = workflow or name
        same = [tale for tale in self.tales if tale.subject == subject]
        if same and not same[-1].closed:
            return same[-1]
        begun = Tale(subject=subject, after=same[-1] if same else None)
        self.tales.append(begun)
        return begun

    def close(self, now: datetime) -> None:
        for tale in self.tales:
            if tale.quiet_at is not None and tale.quiet_at <= now - LINGER:
                tale.closed = True


class Replicas:
    """Two services on one database."""

    def __init__(self, databases: Sequence[Database], intakes: Sequence[Intake]) -> None:
        self.database = databases[0]
        self.intakes = intakes

    async def record(self, replica: int, told: Delivery) -> Receipt:
        return await self.intakes[replica % len(self.intakes)].record(told)

    async def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self.database.transaction() as transaction:
            return [tuple(row) for row in await transaction.execute(text(query), parameters)]

    async def close_what_is_over(self, now: datetime) -> None:
        async with self.database.transaction() as transaction:
            await transaction.execute(text("update incidents set look_at = null"))
            await looks.close_quiet(transaction, now - LINGER, now, most=1_000)


@pytest.fixture
async def replicas(database_url: str) -> Any:
    async with AsyncExitStack() as stack:
        databases, intakes = [], []
        for _ in range(2):
            database = Database(database_url, connections=4)
            await database.open()
            stack.push_async_callback(database.close)
            queue = Queue(database)
            await queue.open()
            databases.append(database)
            intakes.append(Intake(database, queue, LabelNames()))
        yield Replicas(databases, intakes)


def body(world: str, telling: Telling, end: datetime) -> bytes:
    """Write a telling as Alertmanager would post it."""
    name, workflow = SERIES[telling.series]
    labels = {"alertname": f"{name}-{world}", "severity": "warning", "namespace": world, "world": world}
    return delivery(
        Firing(
            labels=labels | ({"workflow_name": workflow} if workflow else {}),
            annotations={"summary": f"wording {telling.wording}"},
            starts_at=BEGIN - timedelta(hours=1 + telling.episode),
            ends_at=None if telling.firing else end,
        )
    )


def key_of(alertname: str, workflow: str, starts_at: datetime) -> tuple[int, int]:
    """Say which series and episode a stored occurrence is."""
    series = SERIES.index((alertname.partition("-")[0], workflow))
    return series, (BEGIN - starts_at) // timedelta(hours=1) - 1


@pytest.mark.timeout(PATIENCE)
@PROFILE
@given(course=COURSES)
async def test_what_is_stored_is_what_the_rules_say(replicas: Replicas, course: Sequence[Telling | Pause]) -> None:
    world, model, now = f"w{next(WORLDS)}", Model(), BEGIN
    said: Counter[str] = Counter()
    receipts: Counter[str] = Counter()

    for step, event in enumerate(course):
        now += timedelta(seconds=1)
        if isinstance(event, Pause):
            now += timedelta(minutes=event.minutes)
            await replicas.close_what_is_over(now)
            model.close(now)
            continue
        at, end = now - timedelta(minutes=event.delay), BEGIN + timedelta(seconds=step)
        for copy in range(event.copies):
            receipt = await replicas.record(event.replica + copy, parse(body(world, event, end), at))
            receipts += Counter({name: getattr(receipt, name) for name in ("new", "updated", "repeated", "resolved")})
            said[model.tell(event, at, end)] += 1

    assert receipts == said
    assert await stored_episodes(replicas, world) == {
        key: (
            "firing" if episode.fires else "resolved",
            episode.told,
            episode.began,
            min(episode.heard),
            max(episode.heard),
            episode.last_end,
            None if episode.fires or episode.last_end is None else episode.ends[episode.last_end],
        )
        for key, episode in model.episodes.items()
    }
    assert await stored_tales(replicas, world) == [
        (
            tale.subject,
            "closed" if tale.closed else "open",
            tale.firing,
            tale.flaps,
            tale.quiet_at,
            None if tale.after is None else model.tales.index(tale.after),
        )
        for tale in model.tales
    ]


async def stored_episodes(replicas: Replicas, world: str) -> dict[tuple[int, int], tuple[Any, ...]]:
    found = await replicas.rows(
        "select alertname, workflow, starts_at, status, deliveries, firings, first_seen_at, last_seen_at, "
        "resolved_seen_at, ends_at from alerts where namespace = :world",
        world=world,
    )
    return {key_of(*row[:3]): row[3:] for row in found}


async def stored_tales(replicas: Replicas, world: str) -> list[tuple[Any, ...]]:
    found = await replicas.rows(
        "select id, workflow, title, state, firing, flaps, quiet_since, previous_id from incidents "
        "where namespace = :world order by id",
        world=world,
    )
    places = {row[0]: place for place, row in enumerate(found)}
    return [
        (workflow or title.partition("-")[0], state, firing, flaps, quiet_since, places.get(previous))
        for _, workflow, title, state, firing, flaps, quiet_since, previous in found
    ]


@pytest.mark.timeout(PATIENCE)
@PROFILE
@given(
    told=st.lists(TELLINGS, min_size=10, max_size=20),
    gaps=st.lists(st.integers(1, 700), min_size=20, max_size=20),
    seed=st.integers(0, 2**32),
)
async def test_the_order_of_recording_decides_nothing_that_was_true(
    replicas: Replicas, told: Sequence[Telling], gaps: Sequence[int], seed: int
) -> None:
    """Each telling keeps the time of its receipt; only when it is recorded, and by whom, differs."""
    world, chance = f"w{next(WORLDS)}", random.Random(seed)  # noqa: S311 - a repeatable order
    times = [BEGIN + timedelta(seconds=seconds) for seconds in itertools.accumulate(gaps)]
    heard = list(zip(told, times, strict=False))
    shuffled = chance.sample(heard, len(heard))

    for begin in range(0, len(shuffled), 4):
        await asyncio.gather(
            *(replicas.record(one.replica, parse(body(world, one, at), at)) for one, at in shuffled[begin : begin + 4])
        )

    expected = {}
    for key, tellings in by_key(heard):
        firings = [at for one, at in tellings if one.firing]
        ends = [at for one, at in tellings if not one.firing]
        fires = not ends or any(at > max(ends) + BELIEVED_AFTER for at in firings)
        expected[key] = (
            "firing" if fires else "resolved",
            len(tellings),
            min(at for _, at in tellings),
            max(at for _, at in tellings),
            max(ends, default=None),
            None if fires else max(ends),
        )
    stored = await stored_episodes(replicas, world)
    assert {key: (row[0], row[1], *row[3:]) for key, row in stored.items()} == expected
    counted = await replicas.rows(
        "select count(*) from incidents i where namespace = :world and firing <> "
        "(select count(*) from alerts a where a.incident_id = i.id and a.status = 'firing')",
        world=world,
    )
    assert counted == [(0,)]


def by_key(
    heard: Sequence[tuple[Telling, datetime]],
) -> Iterator[tuple[tuple[int, int], list[tuple[Telling, datetime]]]]:
    grouped: defaultdict[tuple[int, int], list[tuple[Telling, datetime]]] = defaultdict(list)
    for telling, at in heard:
        grouped[telling.series, telling.episode].append((telling, at))
    yield from grouped.items()


@pytest.mark.parametrize("seed", range(20 if LONG else 3))
@pytest.mark.parametrize("batches", ["one of each replica", "several"])
async def test_captured_deliveries_come_to_the_same_in_any_order(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch, batches: str, seed: int
) -> None:
    """All are received within ten minutes, so whatever was resolved once is resolved in the end."""
    if batches == "several":
        # As in a crowd: halves of it, which begin the same incidents at the same moment.
        monkeypatch.setattr(Intake, "_came_together", True)
    chance = random.Random(seed)  # noqa: S311 - a repeatable order
    bodies = [path.read_bytes() for path in sorted(CAPTURES.glob("*.json")) if "big1000" not in path.name]
    told = [parse(one, BEGIN + timedelta(seconds=number)) for number, one in enumerate(bodies)]
    twice = [*told, *(parse(one.body, one.received_at) for one in chance.sample(told, 20))]

    await asyncio.gather(*(replicas.record(chance.randint(0, 1), one) for one in chance.sample(twice, len(twice))))

    expected: dict[tuple[str, datetime], list[Any]] = {}
    for one in twice:
        for alert in one.alerts:
            known = expected.setdefault((alert.fingerprint, alert.starts_at), ["firing", 0])
            known[1] += 1
            if alert.ends_at is not None:
                known[0] = "resolved"
    stored = await replicas.rows("select fingerprint, starts_at, status, deliveries from alerts")
    assert {(row[0], row[1]): list(row[2:]) for row in stored} == expected
    assert len(stored) == len(expected)
