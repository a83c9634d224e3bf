"""Tables fit the terminal: texts are folded, times and numbers never, and where nothing fits there are blocks."""

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from receiver.cli.tables import table

AT = datetime(2026, 11, 24, 3, 22, 31, tzinfo=UTC)
COLUMNS = ("id>", "target", "because", "began", "ended")
ROWS = [(1234567, "taskmaster/rex-implements-login", "no sign of progress for half an hour " * 3, AT, None)]


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None) -> list[str]:
    monkeypatch.delenv("COLUMNS", raising=False)
    if width is not None:
        monkeypatch.setenv("COLUMNS", str(width))
    table(COLUMNS, ROWS)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_time_is_broken(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capsys, width)

    assert max(map(cell_len, lines)) <= width
    assert any("2026-11-24 03:22:31" in line for line in lines)
    assert any("1234567" in line for line in lines)


def test_where_columns_do_not_fit_each_value_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(monkeypatch, capsys, 50)[0].split() == ["id", "1234567"]
    assert printed(monkeypatch, capsys, 100)[0].split() == ["id", "target", "because", "began", "ended"]


def test_a_pipe_gets_one_row_a_line_however_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capsys, None)

    assert len(lines) == 3
    assert ROWS[0][2].strip() in lines[2]
    assert [line for line in lines if line != line.rstrip()] == []
