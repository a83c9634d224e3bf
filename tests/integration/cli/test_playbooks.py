"""Playbooks by hand and against the past, from the command line."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from receiver.cli import front

RESTART = "restart-stuck-workflow"


@pytest.fixture
def receiver(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line on the test's own database, without a cluster; gives the exit code."""
    config = tmp_path / "receiver.yaml"
    config.write_text(json.dumps({"data_dir": str(tmp_path), "database": {"url": database_url}}), encoding="utf-8")
    monkeypatch.setenv("RECEIVER_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(front, "set_up_logs", lambda: None)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["receiver", *words])
        try:
            front.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def test_a_run_is_decided_here_where_nobody_else_would_and_refused_with_the_reason(
    receiver: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    code = receiver("playbooks", "run", RESTART, "--workflow", "argo/etl", "--live")
    said = capfd.readouterr().out

    assert code == 1
    assert f"request 1 is written down: {RESTART} on argo/etl" in said
    assert "blocked. Guard not_configured refused: " in said
    assert "a Kubernetes cluster is not configured" in said
    assert "remediation 1 ended: blocked" in said


def test_a_run_on_something_else_than_the_playbook_acts_on_is_answered_with_that(
    receiver: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    code = receiver("playbooks", "run", RESTART, "--deployment", "argo/etl-agent")

    assert (code, "acts on a workflow, and a deployment was named" in capfd.readouterr().out) == (1, True)


def test_a_run_can_be_left_queued(receiver: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    code = receiver("playbooks", "run", RESTART, "--workflow", "argo/etl", "--no-wait")

    assert (code, capfd.readouterr().out) == (0, f"request 1 is written down: {RESTART} on argo/etl\n")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("playbooks", "run", RESTART, "--workflow", "etl"), 2, "NAMESPACE/NAME"),
        (("playbooks", "run", RESTART), 2, "a workflow or a deployment"),
        (("playbooks", "run", RESTART, "--workflow", "a/b", "--deployment", "a/b"), 2, "not both"),
        (("playbooks", "run", RESTART, "--workflow", "argo/etl", "--live", "--dry-run"), 2, "either live or a dry run"),
        (("playbooks", "run", "nobody", "--workflow", "argo/etl"), 1, "there is no playbook 'nobody'"),
        (("playbooks", "backtest", "nobody"), 1, "there is no playbook 'nobody'"),
        (("playbooks", "backtest", RESTART, "--since", "1h", "--until", "2h"), 2, "not before"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    receiver: Callable[..., int], capfd: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, reason: str
) -> None:
    assert receiver(*words) == code
    assert reason in capfd.readouterr().err


def test_a_backtest_tells_what_would_have_been_and_what_nobody_knows(
    receiver: Callable[..., int], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(
        "name: draft\nsummary: s\non: {matchers: ['alertname=\"X\"']}\nconfirm: '!workflow.suspended'\n"
        "steps: [{workflow.terminate: {}}]\n",
        encoding="utf-8",
    )

    table = (receiver("playbooks", "backtest", str(draft)), capfd.readouterr().out)
    shown = (receiver("playbooks", "backtest", RESTART, "--since", "2d", "-o", "json"), capfd.readouterr().out)
    found: dict[str, Any] = json.loads(shown[1])

    assert (table[0], shown[0]) == (0, 0)
    assert "as if it were live" in table[1]
    assert "note: " in table[1]
    assert (found["playbook"], found["alerts"]) == (RESTART, 0)
    assert datetime.now(UTC) - datetime.fromisoformat(found["since"]) >= timedelta(days=2)
