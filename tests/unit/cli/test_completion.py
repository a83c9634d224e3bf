"""What a shell is offered, asked by the protocol by which bash and zsh ask."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from receiver.cli import front

Offer = Callable[[str], list[str]]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Offer:
    """Asks what may follow a line, whose last word is the one that is typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)
    monkeypatch.setattr(sys, "argv", ["receiver"])

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("_RECEIVER_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        with pytest.raises(SystemExit):
            front.main()
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.split()

    return offer


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("receiver al", ["alerts"]),
        ("receiver incidents l", ["list"]),
        ("receiver incidents list --state ", ["open", "closed", "merged"]),
        ("receiver incidents list -o ", ["table", "json", "yaml", "name"]),
        ("receiver incidents show 7 -o ", ["table", "json", "yaml"]),
        ("receiver archive verify --se", []),
        ("receiver playbooks show retry", ["retry-failed-workflow"]),
        ("receiver playbooks rbac delete-stuck-pod archive", ["archive-finished-workflow"]),
        ("receiver remediations list --playbook restart-s", ["restart-stuck-workflow"]),
    ],
)
def test_a_shell_is_offered_what_may_follow(offered: Offer, line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_playbooks_are_offered_as_the_settings_of_this_machine_name_them(offered: Offer, tmp_path: Path) -> None:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "a.yaml").write_text("name: mine\n", encoding="utf-8")
    (folder / "b.yaml").write_text("summary: it has no name\n", encoding="utf-8")
    (tmp_path / "receiver.yaml").write_text(json.dumps({"playbooks": str(folder)}), encoding="utf-8")
    other = tmp_path / "other.yaml"
    other.write_text('playbooks: [{name: in-place, summary: "", on: {}}]', encoding="utf-8")

    assert offered("receiver playbooks show ") == ["mine"]
    assert offered(f"receiver playbooks show --config {other} ") == ["in-place"]


@pytest.mark.parametrize("text", ["no: such: setting", "playbooks: /nowhere", "colour: red"])
def test_where_the_settings_are_wrong_nothing_is_offered_and_nothing_is_said(
    offered: Offer, tmp_path: Path, text: str
) -> None:
    (tmp_path / "receiver.yaml").write_text(text, encoding="utf-8")

    assert offered("receiver playbooks show ") == []


def test_the_script_for_a_shell_asks_this_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["receiver", "--show-completion", "bash"])
    with pytest.raises(SystemExit):
        front.main()

    assert "_RECEIVER_COMPLETE=complete_bash" in capsys.readouterr().out
