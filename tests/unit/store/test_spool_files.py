"""The spool's files: what was promised is found again, in order, and nothing else, wherever a death tore them."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from receiver.store.spool.frame import OVERHEAD, Record, encode, frame
from receiver.store.spool.segment import HEADER, TITLE, Segment
from receiver.store.spool.shelf import Shelf

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ROOM = 10_000_000


def record(number: int, body: bytes = b"") -> Record:
    return Record(
        key=UUID(int=number), received_at=NOW + timedelta(seconds=number, microseconds=number), body=body or b"body"
    )


def shelf(folder: Path, *, most: int = ROOM) -> Shelf:
    """The files of a folder, as the next process finds them."""
    found = Shelf(folder, most)
    found.load()
    return found


def numbers(found: Shelf) -> list[int]:
    """The records that it gives out, until it is empty; they are dropped."""
    given: list[int] = []
    while frames := found.peek(2):
        given += [one.record.key.int for one in frames]
        found.drop(frames)
    return given


def file_of(folder: Path) -> Path:
    [path] = folder.glob("*.spool")
    return path


def test_records_come_back_as_they_were_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    letter = Record(key=UUID(int=3), received_at=NOW, body=b"\xff\x00{", reason="not JSON", place="alerts[0]")
    added = [record(1, b"x" * 100_000), record(2), letter]

    assert shelf(tmp_path).add(added) == [True, True, True]

    assert [one.record for one in shelf(tmp_path).peek(10)] == added


def test_a_tail_that_was_torn_at_any_byte_is_cut_and_what_was_promised_before_is_found(tmp_path: Path) -> None:
    shelf(tmp_path).add([record(1), record(2)])
    path = file_of(tmp_path)
    promised = path.stat().st_size
    shelf_before = path.read_bytes()
    path.write_bytes(shelf_before + frame(encode(record(3, b"the third")), shelf_before[len(TITLE) : HEADER]))
    whole = path.read_bytes()

    for size in range(promised, len(whole)):
        path.write_bytes(whole[:size])
        found = shelf(tmp_path)
        assert [one.record.key.int for one in found.peek(10)] == [1, 2], size
        assert path.stat().st_size == promised
        assert (found.waiting, found.size) == (2, promised)

    path.write_bytes(whole)
    assert numbers(shelf(tmp_path)) == [1, 2, 3]


def test_the_first_record_may_be_torn_at_any_byte_and_the_file_too(tmp_path: Path) -> None:
    shelf(tmp_path).add([record(1)])
    path = file_of(tmp_path)
    whole = path.read_bytes()

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found = shelf(tmp_path)
        assert found.peek(10) == []
        assert not path.exists()
        assert not list(tmp_path.glob("*.damaged")), size


def test_what_follows_a_torn_tail_that_was_cut_is_found(tmp_path: Path) -> None:
    shelf(tmp_path).add([record(1), record(2, b"y" * 500)])
    path = file_of(tmp_path)
    os.truncate(path, path.stat().st_size - 7)

    shelf(tmp_path).add([record(3)])

    assert numbers(shelf(tmp_path)) == [1, 3]


def test_a_byte_that_the_disk_changed_costs_one_record_and_the_file_is_put_aside(tmp_path: Path) -> None:
    shelf(tmp_path).add([record(1), record(2), record(3)])
    path = file_of(tmp_path)
    whole = path.read_bytes()
    length = (len(whole) - HEADER) // 3

    for at in range(HEADER + length, HEADER + 2 * length):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        found = shelf(tmp_path)
        assert numbers(found) == [1, 3], at
        [aside] = tmp_path.glob("*.damaged")
        aside.unlink()


def test_a_file_with_a_foreign_beginning_is_put_aside_and_not_removed(tmp_path: Path) -> None:
    path = tmp_path / f"{1:016d}.spool"
    path.write_bytes(b"something of somebody else's" * 10)

    found = shelf(tmp_path)

    assert found.peek(1) == []
    assert path.with_suffix(".damaged").exists()


def test_a_body_that_contains_a_frame_is_never_taken_for_one(tmp_path: Path) -> None:
    """Whoever posts a body has never seen the mark of the file that it will lie in."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shelf(elsewhere).add([record(666)])
    forged = file_of(elsewhere).read_bytes()
    folder = tmp_path / "here"
    folder.mkdir()
    shelf(folder).add([record(1), record(2, forged + b"...")])
    path = file_of(folder)
    os.truncate(path, path.stat().st_size - 1)

    assert numbers(shelf(folder)) == [1]


def test_a_frame_is_as_much_longer_than_its_record_as_it_says() -> None:
    encoded = encode(record(1))

    assert len(frame(encoded, b"m" * 16)) == len(encoded) + OVERHEAD


def test_draining_goes_on_where_it_was_when_the_process_died(tmp_path: Path) -> None:
    before = shelf(tmp_path)
    before.add([record(number) for number in range(1, 6)])
    before.drop(before.peek(2))

    found = shelf(tmp_path)

    assert (found.waiting, found.oldest) == (3, record(3).received_at)
    assert numbers(found) == [3, 4, 5]
    assert not list(tmp_path.glob("*.spool"))


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 28, b"\xff" * 28])
def test_without_a_note_how_far_draining_was_everything_is_drained_again(tmp_path: Path, content: bytes) -> None:
    before = shelf(tmp_path)
    before.add([record(1), record(2)])
    before.drop(before.peek(1))
    (tmp_path / "cursor").write_bytes(content)

    assert numbers(shelf(tmp_path)) == [1, 2]


def test_a_note_about_one_file_is_not_taken_for_another_that_has_its_number(tmp_path: Path) -> None:
    before = shelf(tmp_path)
    before.add([record(1), record(2)])
    before.drop(before.peek(1))
    before.drop(before.peek(1))
    name = f"{1:016d}.spool"

    shelf(tmp_path).add([record(3), record(4), record(5)])

    assert (tmp_path / name).exists()
    assert numbers(shelf(tmp_path)) == [3, 4, 5]


def test_more_than_it_may_hold_is_refused_and_smaller_ones_still_fit(tmp_path: Path) -> None:
    found = shelf(tmp_path, most=1_000)

    assert found.add([record(1, b"x" * 500), record(2, b"x" * 500), record(3, b"x" * 100)]) == [True, False, True]
    assert found.add([record(4, b"x" * 500)]) == [False]

    assert found.size <= 1_000
    assert [one.record.key.int for one in found.peek(10)] == [1, 3]


def test_what_was_drained_gives_its_room_back(tmp_path: Path) -> None:
    found = shelf(tmp_path, most=1_000)
    found.add([record(1, b"x" * 800)])
    assert found.add([record(2, b"x" * 800)]) == [False]

    found.drop(found.peek(1))

    assert (found.size, found.waiting, found.oldest) == (0, 0, None)
    assert found.add([record(3, b"x" * 800)]) == [True]


def test_a_large_spool_is_many_files_that_are_removed_one_by_one(tmp_path: Path) -> None:
    found = shelf(tmp_path, most=100_000_000)
    for number in range(1, 6):
        found.add([record(number, b"x" * 3_000_000)])
    files = sorted(path.name for path in tmp_path.glob("*.spool"))

    found.drop(found.peek(2))

    assert len(files) == 3
    assert sorted(path.name for path in tmp_path.glob("*.spool")) == files[1:]
    assert numbers(shelf(tmp_path)) == [3, 4, 5]


def failing(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the disk refuse one kind of call, until the function that is returned is called."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, name, refuse)
    return monkeypatch.undo


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
def test_what_the_disk_did_not_take_is_refused_and_not_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    found = shelf(tmp_path)
    found.add([record(1)])

    heal = failing(call, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        found.add([record(2)])
    heal()
    found.add([record(3)])

    assert numbers(shelf(tmp_path)) == [1, 3]


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
def test_a_file_that_cannot_be_begun_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    found = shelf(tmp_path)

    heal = failing(call, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        found.add([record(1)])
    heal()

    assert not list(tmp_path.iterdir())
    assert found.add([record(2)]) == [True]


def test_a_write_that_stops_half_way_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shelf(tmp_path)
    found.add([record(1)])
    size = file_of(tmp_path).stat().st_size
    write = os.pwrite
    parts: list[int] = []

    def half(file: int, written: Sequence[int], at: int) -> int:
        if parts:
            raise OSError(28, "No space left on device")
        parts.append(at)
        return write(file, bytes(written)[:50], at)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(OSError, match="No space left"):
        found.add([record(2)])
    monkeypatch.undo()

    assert parts == [size]
    assert file_of(tmp_path).stat().st_size == size


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, written, at: write(file, written[:9], at))

    shelf(tmp_path).add([record(1), record(2)])

    assert numbers(shelf(tmp_path)) == [1, 2]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 7)

    assert segment.path.name == "0000000000000007.spool"
    assert segment.path.stat().st_mode & 0o777 == 0o600


def test_a_cursor_that_cannot_be_written_does_not_stop_draining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = shelf(tmp_path)
    found.add([record(1), record(2), record(3)])

    heal = failing("pwrite", monkeypatch)
    found.drop(found.peek(1))
    heal()

    assert [one.record.key.int for one in found.peek(5)] == [2, 3]
