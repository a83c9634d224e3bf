from pathlib import Path

import pytest

from receiver.cli.practice import _make
from receiver.model.errors import SettingsError


def test_a_stage_takes_no_folder_that_is_there_already(tmp_path: Path) -> None:
    made = _make(tmp_path / "practice")

    with pytest.raises(SettingsError, match="name another one"):
        _make(made)
    assert [path.name for path in made.iterdir()] == ["playbooks"]
