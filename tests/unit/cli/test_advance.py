"""Bars of long commands: on a terminal only, and never in what the command prints."""

import sys

import pytest

from receiver.cli.advance import bar, counter
from receiver.cli.forms import Form, give_line


def work() -> None:
    with bar("verifying", 2) as advance:
        for number in (1, 2):
            give_line({"n": number}, Form.JSON, lambda: None)
            advance(1)
    with counter("playing alerts") as told:
        told(1, 5)


def test_without_a_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    work()

    assert capsys.readouterr() == ('{"n": 1}\n{"n": 2}\n', "")


def test_a_pipe_gets_what_is_printed_whole_while_the_terminal_beside_it_shows_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    work()

    out, err = capsys.readouterr()
    assert out == '{"n": 1}\n{"n": 2}\n'
    assert "verifying" in err
    assert "2/2" in err
    assert "1/5" in err


def test_on_one_terminal_what_is_printed_stays_above_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    work()

    out, err = capsys.readouterr()
    assert out == ""
    assert '{"n": 1}' in err
