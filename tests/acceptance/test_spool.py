"""Postgres, the service and its disk fail under load: each delivery that was answered 200 is found exactly once."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from receiver.store.embedded import EmbeddedPostgres, scratch
from receiver.store.migrate import migrate_blocking

from .conftest import Answer, Service, Stage, build_stage, lines, until

FILLING = "x" * 4_000
"""What makes a delivery large, where a disk is to be filled."""


@dataclass(kw_only=True)
class Load:
    """Posts deliveries of one alert each, every alert a series of its own, and remembers what was answered."""

    stage: Stage
    service: Service
    filling: str = ""
    sent: int = 0
    wanted: bool = True
    answered: dict[str, Answer] = field(default_factory=dict)

    async def send(self) -> None:
        """Post one after the other while it is wanted; a service that is gone is waited for."""
        while self.wanted:
            self.sent += 1
            name = f"series-{self.sent}"
            alert = self.stage.alert("busy", alertname="Slow", severity="info", series=name, filling=self.filling)
            try:
                self.answered[name] = await self.service.deliver(alert)
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.01)

    @property
    def kept(self) -> set[str]:
        return {name for name, answer in self.answered.items() if answer.status == 200}

    @property
    def spooled(self) -> set[str]:
        return {name for name in self.kept if self.answered[name].json.get("spooled")}

    @property
    def refused(self) -> list[Answer]:
        return [answer for answer in self.answered.values() if answer.status != 200]

    async def more(self, count: int, kind: Callable[[], set[str]], what: str) -> None:
        before = len(kind())
        await until(lambda: len(kind()) >= before + count, f"{count} more deliveries are {what}")

    async def more_spooled(self, count: int) -> None:
        await self.more(count, lambda: self.spooled, "spooled")

    async def more_recorded(self, count: int) -> None:
        await self.more(count, lambda: self.kept - self.spooled, "recorded at once")

    async def found_once(self, rows: Callable[[str], Awaitable[list[tuple[object, ...]]]]) -> None:
        """See that the spool is empty, and that whatever was answered is there once, and nothing that was not sent."""
        await until(lambda: drained(self.service), "the spool is empty")
        found = await rows("select labels->>'series', deliveries from alerts where alertname = 'Slow'")
        doubled = [name for name, deliveries in found if deliveries != 1]
        names = {str(name) for name, _ in found}
        [(deliveries, keys)] = await rows("select count(*), count(distinct key) from deliveries")
        print(  # noqa: T201 - the figures are what this is run for
            f"sent {self.sent}, answered 200: {len(self.kept)}, of these spooled {len(self.spooled)}, "
            f"refused {len(self.refused)}, found {len(names)}"
        )
        assert self.kept <= names
        assert len(names) == len(found) <= self.sent
        assert doubled == []
        assert deliveries == keys == len(found)


@asynccontextmanager
async def load(stage: Stage, service: Service, *, senders: int = 8, filling: str = "") -> AsyncIterator[Load]:
    """Post deliveries while the block lasts; those under way at its end are waited for."""
    posting = Load(stage=stage, service=service, filling=filling)
    tasks = [asyncio.create_task(posting.send()) for _ in range(senders)]
    try:
        yield posting
    finally:
        posting.wanted = False
        await asyncio.gather(*tasks)


async def figure(service: Service, name: str) -> float:
    text = (await service.ask("/metrics", role=None)).text
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


async def drained(service: Service) -> bool:
    return await figure(service, "receiver_spool_deliveries") == 0


@pytest.fixture
def postgres_of_its_own() -> Iterator[EmbeddedPostgres]:
    """A Postgres with a schema that forgets nothing: one to be stopped, killed and frozen."""
    with scratch(durable=True) as server:
        migrate_blocking(server.url)
        yield server


@pytest.fixture
async def own_stage(folder: Path, pycache: Path, postgres_of_its_own: EmbeddedPostgres) -> AsyncIterator[Stage]:
    async with build_stage(folder, postgres_of_its_own.url, pycache) as made:
        yield made


@contextmanager
def stopped(server: EmbeddedPostgres) -> Iterator[None]:
    """End the server in good order, as for an upgrade."""
    with ended_by(server, signal.SIGINT):
        yield


@contextmanager
def killed(server: EmbeddedPostgres) -> Iterator[None]:
    """End the server as a power cut would."""
    with ended_by(server, signal.SIGKILL):
        yield


@contextmanager
def ended_by(server: EmbeddedPostgres, how: signal.Signals) -> Iterator[None]:
    os.kill(server.pid, how)
    server.stop_blocking()
    yield
    again = EmbeddedPostgres.start_blocking(server.premises.data_dir)
    server.pid, server.use = again.pid, again.use


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Let the server, with all its processes, answer nothing at all."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    processes = [server.pid, *map(int, children)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in processes:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("away", [stopped, killed, frozen])
async def test_postgres_goes_away_for_seconds_under_load_and_every_delivery_is_answered_200(
    own_stage: Stage,
    postgres_of_its_own: EmbeddedPostgres,
    away: Callable[[EmbeddedPostgres], AbstractContextManager[None]],
) -> None:
    service = await own_stage.serve()
    async with load(own_stage, service) as posting:
        await posting.more_recorded(50)
        with away(postgres_of_its_own):
            await posting.more_spooled(300)
            ready = await service.ask("/readyz", role=None)
            waiting = await figure(service, "receiver_spool_deliveries")
            oldest = await figure(service, "receiver_spool_oldest_seconds")
            up = await figure(service, "receiver_database_up")
        await posting.more_recorded(50)
    await posting.found_once(own_stage.rows)

    assert posting.refused == []
    assert ready.status == 200
    assert ready.json["checks"]["database"]["state"] == "degraded"
    assert ready.json["checks"]["spool"]["state"] == "ok"
    assert "deliveries wait for Postgres, the oldest for" in ready.json["checks"]["spool"]["text"]
    assert waiting >= 300
    assert oldest > 0
    assert up == 0
    assert await figure(service, "receiver_spool_appended_total") == len(posting.spooled)
    assert await figure(service, "receiver_spool_drained_total") == len(posting.spooled)
    assert lines([service], "spooling_began")
    assert lines([service], "spooling_ended")
    assert await service.stop() == 0


@pytest.mark.timeout(300)
async def test_the_service_is_killed_while_it_spools_and_again_while_it_drains(
    own_stage: Stage, postgres_of_its_own: EmbeddedPostgres
) -> None:
    first = await own_stage.serve()
    async with load(own_stage, first) as posting:
        await posting.more_recorded(50)
        with stopped(postgres_of_its_own):
            await posting.more_spooled(300)
            await first.kill()
            second = await own_stage.serve()
            assert await figure(second, "receiver_spool_deliveries") >= 300
            posting.service = second
            await posting.more_spooled(1_000)
        await until(lambda: figure(second, "receiver_spool_drained_total"), "it drains")
        await second.kill()
        third = await own_stage.serve()
        posting.service = third
        await posting.more_recorded(50)
    await posting.found_once(own_stage.rows)

    assert posting.refused == []
    assert await third.stop() == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of half a megabyte; skipped where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def assert_only_a_full_spool_refuses(stage: Stage, service: Service, server: EmbeddedPostgres) -> None:
    async with load(stage, service, filling=FILLING) as posting:
        await posting.more_recorded(20)
        with stopped(server):
            await posting.more_spooled(20)
            await until(lambda: len(posting.refused) >= 50, "deliveries are refused")
            ready = await service.ask("/readyz", role=None)
        await posting.more_recorded(50)
    await posting.found_once(stage.rows)

    assert {answer.status for answer in posting.refused} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in posting.refused)
    assert ready.status == 503, ready.text
    assert ready.json["checks"]["spool"]["state"] == "degraded"
    assert await service.stop() == 0


@pytest.mark.timeout(300)
async def test_the_disk_of_the_spool_is_full_and_only_then_a_delivery_is_refused(
    own_stage: Stage, postgres_of_its_own: EmbeddedPostgres
) -> None:
    with small_disk(own_stage.folder / "disk") as disk:
        service = await own_stage.serve(data_dir=str(disk))
        await assert_only_a_full_spool_refuses(own_stage, service, postgres_of_its_own)


@pytest.mark.timeout(300)
async def test_the_spool_has_no_room_left_of_what_it_may_take_and_only_then_a_delivery_is_refused(
    own_stage: Stage, postgres_of_its_own: EmbeddedPostgres
) -> None:
    service = await own_stage.serve(spool={"max_bytes": 500_000})
    await assert_only_a_full_spool_refuses(own_stage, service, postgres_of_its_own)


@pytest.mark.timeout(300)
async def test_a_service_that_starts_while_postgres_is_away_receives_all_the_same(
    own_stage: Stage, postgres_of_its_own: EmbeddedPostgres
) -> None:
    with stopped(postgres_of_its_own):
        service = await own_stage.serve()
        async with load(own_stage, service) as posting:
            await posting.more_spooled(50)
            refused = await service.post(b"{")
    await posting.found_once(own_stage.rows)

    assert posting.refused == []
    assert refused.status == 400
    assert refused.json["spooled"] is True
    letters = await own_stage.rows("select key::text, body from dead_letters")
    assert letters == [(refused.json["deadletter_id"], b"{")]


@pytest.mark.timeout(300)
async def test_an_embedded_postgres_that_is_killed_is_started_again_by_the_service(stage: Stage) -> None:
    service = await stage.serve(database=None)
    data_dir = Path(stage.settings()["data_dir"])
    async with load(stage, service) as posting:
        await posting.more_recorded(50)
        guest = await EmbeddedPostgres.start(data_dir)
        stage.database_url = guest.url
        os.kill(guest.pid, signal.SIGKILL)
        await until(lambda: lines([service], "postgres_restarted"), "it is started again")
        await posting.more_recorded(50)
    await posting.found_once(stage.rows)
    await guest.stop()

    assert posting.refused == []
    assert await service.stop() == 0
