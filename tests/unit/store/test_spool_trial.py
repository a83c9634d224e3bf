"""Trying the disk of a spool leaves nothing behind, and says what is wrong with it."""

from datetime import timedelta
from pathlib import Path

import pytest

from receiver.model.errors import SpoolUnavailable
from receiver.store.spool import try_out


def test_a_folder_that_is_not_there_is_not_made_by_trying(tmp_path: Path) -> None:
    trial = try_out(tmp_path / "data" / "deep")

    assert trial.folder == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert trial.free > 0
    assert trial.took > timedelta()


def test_what_waits_in_the_spool_counts_as_room_that_it_has(tmp_path: Path) -> None:
    held = tmp_path / "spool" / "0001"
    held.mkdir(parents=True)
    (held / "1.records").write_bytes(b"x" * 1000)

    trial = try_out(tmp_path)

    assert (trial.folder, trial.used) == (tmp_path / "spool", 1000)
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["0001"]


def test_a_disk_that_cannot_be_written_is_said_with_its_folder_and_reason() -> None:
    with pytest.raises(SpoolUnavailable, match=r"/proc cannot be written: .+ data_dir"):
        try_out(Path("/proc/receiver"))
