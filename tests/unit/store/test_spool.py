"""The spool of a process: one fsync for many, one holder for a folder, and a disk that fails or hangs is told."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from receiver.model.errors import SettingsError, SpoolUnavailable
from receiver.store.spool import Record, Spool, spool as spool_module

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ROOM = 10_000_000


def record(number: int, body: bytes = b"body") -> Record:
    return Record(key=UUID(int=number), received_at=NOW + timedelta(seconds=number), body=body)


async def open_spool(folder: Path, *, most: int = ROOM) -> Spool:
    return await Spool.open(folder, max_bytes=most)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = await open_spool(tmp_path)
    yield opened
    await opened.close()


async def drained(spool: Spool) -> list[int]:
    given: list[int] = []
    while (kept := await spool.peek(10)).records:
        given += [one.key.int for one in kept.records]
        await spool.drop(kept, len(kept.records))
    return given


async def test_what_was_appended_is_drained_in_order_and_counted(spool: Spool) -> None:
    assert not spool.filled.is_set()

    for number in (1, 2, 3):
        await spool.append(record(number))

    assert spool.filled.is_set()
    assert (spool.figures.waiting, spool.figures.oldest) == (3, NOW + timedelta(seconds=1))
    assert spool.figures.size > 0
    assert await drained(spool) == [1, 2, 3]
    assert (spool.figures.waiting, spool.figures.size, spool.figures.oldest) == (0, 0, None)
    assert (spool.figures.appended, spool.figures.drained) == (3, 3)
    assert not spool.filled.is_set()


async def test_some_of_what_was_read_may_be_dropped_and_the_rest_later(spool: Spool) -> None:
    for number in (1, 2, 3):
        await spool.append(record(number))

    rest = await spool.drop(await spool.peek(10), 1)

    assert [one.key.int for one in rest.records] == [2, 3]
    assert await drained(spool) == [2, 3]


async def test_deliveries_that_come_together_share_their_fsyncs(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    await spool.append(record(1))
    synced: list[int] = []
    sync = os.fsync

    def counted(file: int) -> None:
        synced.append(file)
        sync(file)

    monkeypatch.setattr(os, "fsync", counted)
    await asyncio.gather(*(spool.append(record(number)) for number in range(2, 202)))

    assert len(synced) <= 3
    assert spool.figures.waiting == 201


async def test_a_full_spool_refuses_says_so_and_takes_again_when_it_was_drained(tmp_path: Path) -> None:
    spool = await open_spool(tmp_path, most=100_000)
    await spool.append(record(1, b"x" * 90_000))

    with pytest.raises(SpoolUnavailable, match="full"):
        await spool.append(record(2, b"x" * 90_000))
    assert "full" in await spool.look()
    assert await drained(spool) == [1]
    assert await spool.look() == ""
    await spool.append(record(3, b"x" * 90_000))

    assert await drained(spool) == [3]
    await spool.close()


async def test_a_disk_that_fails_is_told_and_is_tried_again(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SpoolUnavailable, match="Input/output error"):
        await spool.append(record(1))
    assert "Input/output error" in await spool.look()
    monkeypatch.undo()

    assert await spool.look() == ""
    await spool.append(record(2))
    assert await drained(spool) == [2]


async def test_a_disk_that_hangs_holds_nobody_up_for_ever(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    awake = threading.Event()
    monkeypatch.setattr(spool_module, "_PATIENCE", timedelta(seconds=0.05))
    sync = os.fsync

    def hang(file: int) -> None:
        awake.wait(30)
        sync(file)

    monkeypatch.setattr(os, "fsync", hang)
    with pytest.raises(SpoolUnavailable, match="did not answer"):
        await spool.append(record(1))
    assert "did not answer" in await spool.look()
    awake.set()
    monkeypatch.undo()

    await spool.append(record(2))
    assert await drained(spool) == [1, 2]


async def test_more_than_may_wait_for_the_disk_is_refused_at_once(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_CROWD", 10)

    taken = await asyncio.gather(*(spool.append(record(number)) for number in range(1, 6)), return_exceptions=True)

    assert taken[:2] == [None, None]
    assert all(isinstance(one, SpoolUnavailable) for one in taken[2:])
    assert await drained(spool) == [1, 2]


async def test_folders_and_files_are_for_their_owner_alone(spool: Spool, tmp_path: Path) -> None:
    await spool.append(record(1))
    kept = await spool.peek(1)
    await spool.append(record(2))
    await spool.drop(kept, 1)

    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "spool").rglob("*")}
    assert modes == {"0001": "0o700", "lock": "0o600", "cursor": "0o600", "0000000000000001.spool": "0o600"}
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


async def test_two_processes_on_one_data_dir_have_a_folder_each(spool: Spool, tmp_path: Path) -> None:
    second = await open_spool(tmp_path)
    await spool.append(record(1))
    await second.append(record(2))

    await second.adopt()

    assert await drained(second) == [2]
    assert await drained(spool) == [1]
    await second.close()


async def test_what_a_process_left_is_taken_over_by_one_that_lives(spool: Spool, tmp_path: Path) -> None:
    second = await open_spool(tmp_path)
    await second.append(record(1))
    await spool.append(record(2))
    await second.close()

    await spool.adopt()

    assert spool.figures.waiting == 2
    assert await drained(spool) == [1, 2]
    third = await open_spool(tmp_path)
    assert third.figures.waiting == 0
    await third.close()


async def test_the_next_process_finds_what_the_last_one_left(tmp_path: Path) -> None:
    first = await open_spool(tmp_path)
    await first.append(record(1))
    await first.close()

    second = await open_spool(tmp_path)

    assert second.filled.is_set()
    assert await drained(second) == [1]
    await second.close()


async def test_a_data_dir_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where a folder should be")

    with pytest.raises(SettingsError, match=r"the spool cannot be kept in .*spool.*choose a data_dir"):
        await open_spool(tmp_path)
