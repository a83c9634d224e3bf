"""Postgres goes away in every way that it has: each delivery is kept, and is recorded once when it is back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from receiver.model.alert import Delivery, Receipt, Spooled
from receiver.model.errors import DeliveryError, StoreUnavailable
from receiver.model.incident import LabelNames
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.store.database import Database
from receiver.store.drain import Drain
from receiver.store.embedded import EmbeddedPostgres, scratch
from receiver.store.intake import Intake
from receiver.store.jobs import Queue
from receiver.store.migrate import migrate_blocking
from receiver.store.reception import Outage, Reception
from receiver.store.spool import Record, Spool
from receiver.webhook.message import parse

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def postgres_of_its_own() -> Iterator[EmbeddedPostgres]:
    """A Postgres with a schema, to be stopped, paused and cut."""
    with scratch(durable=True) as server:
        migrate_blocking(server.url)
        yield server


def told(series: str) -> Delivery:
    """One delivery of one alert that is a series of its own."""
    firing = Firing(labels={"alertname": "Slow", "series": series}, annotations={}, starts_at=NOW)
    return parse(delivery(firing), datetime.now(UTC))


@dataclass(kw_only=True)
class House:
    """The way in, with its drain running, and everything that was answered."""

    url: str
    database: Database
    intake: Intake
    spool: Spool
    outage: Outage
    reception: Reception
    drain: Drain
    recorded: list[Receipt] = field(default_factory=list)
    answered: dict[str, Receipt | Spooled] = field(default_factory=dict)
    wanted: bool = True

    async def deliver(self, series: str) -> Receipt | Spooled:
        self.answered[series] = await self.reception.record(told(series))
        return self.answered[series]

    def spooled(self) -> list[str]:
        return [series for series, answer in self.answered.items() if isinstance(answer, Spooled)]

    async def send(self) -> None:
        """Deliver one after the other while it is wanted."""
        while self.wanted:
            await self.deliver(str(uuid4()))
            await asyncio.sleep(0.01)

    async def until(self, true: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.02)
        assert true(), what

    async def emptied(self) -> None:
        await self.until(lambda: not self.spool.figures.waiting and not self.outage.lasts, "all is drained")

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            return await (await connection.execute(query)).fetchall()

    async def found_once(self) -> None:
        """See that each delivery that was answered is recorded once, and nothing else is."""
        found = await self.rows("select labels->>'series', deliveries from alerts")
        assert dict.fromkeys(self.answered, 1) == dict(found)
        assert await self.rows("select count(*), count(distinct key) from deliveries") == [
            (len(self.answered), len(self.answered))
        ]
        spooled = len(self.spooled())
        print(f"answered {len(self.answered)}, of these spooled {spooled}, found {len(found)}")  # noqa: T201


@asynccontextmanager
async def house(url: str, folder: Path, *, draining: bool = True) -> AsyncIterator[House]:
    database = Database(url, connections=4)
    await database.open()
    queue = Queue(database)
    await queue.open()
    intake = Intake(database, queue, LabelNames())
    spool = await Spool.open(folder, max_bytes=10_000_000)
    outage = Outage(database, spool)
    recorded: list[Receipt] = []
    drain = Drain(
        spool,
        intake,
        database,
        outage,
        parse=lambda body, at, key: parse(body, at, key=key),
        count=recorded.append,
    )
    opened = House(
        url=url,
        database=database,
        intake=intake,
        spool=spool,
        outage=outage,
        reception=Reception(intake, database, spool, outage),
        drain=drain,
        recorded=recorded,
    )

    async def keep_draining() -> None:
        while True:
            await drain.step()

    task = asyncio.create_task(keep_draining() if draining else asyncio.sleep(0))
    try:
        yield opened
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await intake.close()
        await spool.close()
        await database.close()


@contextmanager
def stopped(server: EmbeddedPostgres) -> Iterator[None]:
    """End the server, and start it again."""
    folder = server.premises.data_dir
    os.kill(server.pid, signal.SIGINT)
    server.stop_blocking()
    yield
    again = EmbeddedPostgres.start_blocking(folder)
    server.pid, server.use = again.pid, again.use


@contextmanager
def hanging(server: EmbeddedPostgres) -> Iterator[None]:
    """Freeze the server with all its processes, as a host does that is short of memory."""
    frozen = [server.pid, *children(server.pid)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)


def children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(pid) for pid in found.split()]


@contextmanager
def read_only(server: EmbeddedPostgres) -> Iterator[None]:
    """Let the server refuse to write, as a standby does after a failover."""
    configure(server, "on")
    yield
    configure(server, "off")


def configure(server: EmbeddedPostgres, value: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"alter system set default_transaction_read_only = {value}")
        connection.execute("select pg_reload_conf()")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("away", [stopped, hanging, read_only])
async def test_what_is_delivered_while_postgres_is_away_is_recorded_once_when_it_is_back(
    postgres_of_its_own: EmbeddedPostgres,
    tmp_path: Path,
    away: Callable[[EmbeddedPostgres], AbstractContextManager[None]],
) -> None:
    async with house(postgres_of_its_own.url, tmp_path) as at:
        senders = [asyncio.create_task(at.send()) for _ in range(4)]
        await at.until(lambda: len(at.answered) >= 20, "deliveries are recorded")
        assert at.spooled() == []
        with away(postgres_of_its_own):
            await at.until(lambda: len(at.spooled()) >= 100, "deliveries are spooled")
            assert at.outage.lasts
            assert at.spool.figures.waiting >= 100
        await at.until(lambda: not at.outage.lasts, "Postgres is used again")
        before = len(at.answered) - len(at.spooled())
        await at.until(lambda: len(at.answered) - len(at.spooled()) > before + 20, "deliveries are recorded again")
        at.wanted = False
        await asyncio.gather(*senders)
        await at.emptied()

        await at.found_once()


@pytest.mark.timeout(180)
async def test_deliveries_go_on_while_all_connections_are_cut_again_and_again(
    postgres_of_its_own: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with house(postgres_of_its_own.url, tmp_path) as at:
        for turn in range(5):
            batch = [asyncio.create_task(at.deliver(f"{turn}-{number}")) for number in range(60)]
            await asyncio.sleep(0)
            await at.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'receiver'")
            await asyncio.gather(*batch)
            await at.emptied()

        assert len(at.answered) == 300
        await at.found_once()


async def test_before_the_first_migration_deliveries_wait_in_the_spool(tmp_path: Path) -> None:
    with scratch() as server:
        async with house(server.url, tmp_path) as at:
            assert isinstance(await at.deliver("early"), Spooled)

            await asyncio.to_thread(migrate_blocking, server.url)
            await at.emptied()

            await at.found_once()
            assert isinstance(await at.deliver("later"), Receipt)
            assert len(at.recorded) == 1


async def test_a_commit_whose_answer_was_lost_is_spooled_and_recorded_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(database_url, tmp_path) as at:
        transact = at.intake._transact

        async def lose_the_answer(deliveries: list[Delivery]) -> list[Receipt]:
            await transact(deliveries)
            monkeypatch.undo()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(at.intake, "_transact", lose_the_answer)
        answer = await at.deliver("once")
        assert await at.rows("select count(*) from deliveries") == [(1,)]
        await at.emptied()

        assert isinstance(answer, Spooled)
        assert await at.rows("select key from deliveries") == [(answer.key,)]
        assert await at.rows("select count(*) from timeline where kind = 'alert.fired'") == [(1,)]
        await at.found_once()


async def test_a_drain_that_died_before_it_could_note_what_it_did_changes_nothing_when_it_is_repeated(
    database_url: str, tmp_path: Path
) -> None:
    one = told("once")
    record = Record(key=one.key, received_at=one.received_at, body=one.body)
    async with house(database_url, tmp_path, draining=False) as at:
        await at.spool.append(record)
        await at.drain.drain()
        await at.spool.append(record)
        await at.drain.drain()

        assert await at.rows("select labels->>'series', deliveries from alerts") == [("once", 1)]
        assert at.spool.figures.drained == 2


async def test_a_body_that_is_no_delivery_is_kept_in_the_spool_too_and_becomes_one_dead_letter(
    database_url: str, tmp_path: Path
) -> None:
    async with house(database_url, tmp_path, draining=False) as at:
        await at.outage.begin("Postgres is said to be away")
        kept = await at.reception.keep(b"{", DeliveryError("not JSON", place="alerts"), NOW)
        assert isinstance(kept, Spooled)
        await at.spool.append(Record(key=kept.key, received_at=NOW, body=b"{", reason="not JSON", place="alerts"))

        await at.drain.drain()

        letters = await at.rows("select key, received_at, reason, place, body from dead_letters")
        assert letters == [(kept.key, NOW, "not JSON", "alerts", b"{")]
        assert not at.outage.lasts
        assert isinstance(await at.reception.keep(b"[", DeliveryError("not JSON"), NOW), int)


async def test_what_this_version_no_longer_understands_or_postgres_refuses_becomes_a_dead_letter(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = told("good"), told("bad")
    async with house(database_url, tmp_path, draining=False) as at:
        transact = at.intake._transact

        async def refuse_bad(deliveries: list[Delivery]) -> list[Receipt]:
            if any(one.key == bad.key for one in deliveries):
                raise psycopg.DataError("there is something about this one")
            return await transact(deliveries)

        monkeypatch.setattr(at.intake, "_transact", refuse_bad)
        for one in (good, bad):
            await at.spool.append(Record(key=one.key, received_at=one.received_at, body=one.body))
        await at.spool.append(Record(key=UUID(int=7), received_at=NOW, body=b"of another version"))

        await at.drain.drain()

        assert await at.rows("select key from deliveries") == [(good.key,)]
        letters = await at.rows("select key, reason from dead_letters order by id")
        assert [key for key, _ in letters] == [bad.key, UUID(int=7)]
        assert "something about this one" in str(letters[0][1])
        assert "not JSON" in str(letters[1][1])
        assert at.spool.figures.waiting == 0


async def test_where_neither_takes_it_the_delivery_is_refused_and_both_reasons_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.store.intake._LIMIT", timedelta(seconds=0.2))
    async with house(f"host={tmp_path} dbname=nobody", tmp_path) as at:

        def refuse(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreUnavailable, match=r"Postgres .*; and the disk of the spool failed: No space left"):
            await at.deliver("refused")


async def test_while_an_outage_lasts_nobody_waits_for_postgres(tmp_path: Path) -> None:
    async with house(f"host={tmp_path} dbname=nobody", tmp_path, draining=False) as at:
        await at.outage.begin("it was away a moment ago")
        tried: list[str] = []
        at.intake.record = tried.append  # type: ignore[method-assign, assignment]

        answers = [await at.deliver(str(number)) for number in range(50)]

        assert all(isinstance(answer, Spooled) for answer in answers)
        assert tried == []
        with pytest.raises(StoreUnavailable):
            await at.drain.drain()
        assert at.spool.figures.waiting == 50
