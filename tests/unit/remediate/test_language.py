from pathlib import Path

import msgspec
import pytest

from receiver.model.document import Document
from receiver.model.errors import DocumentError, PlaybookError
from receiver.model.remediation import Mode
from receiver.remediate.actions import known
from receiver.remediate.language import (
    Approval,
    Playbook,
    check_names,
    load,
    parse_step,
    warnings,
    written_as,
)
from receiver.remediate.loader import load_all
from receiver.remediate.schema import json_schema
from receiver.settings import PlaybookMode
from tests.unit.remediate.scenes import TEXT


def changed(old: str, new: str) -> Playbook:
    assert old in TEXT
    return load(Document(TEXT.replace(old, new), file="p.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("workflow.terminate: {}", "workflow.terminat: {}", "p.yaml:16: .*did you mean 'workflow.terminate'"),
        ("workflow.terminate: {}", "workflow.terminate: {grace: 1}", "p.yaml:16: unknown key 'grace'"),
        ("workflow.terminate: {}", "workflow.terminate:", "p.yaml:16: .*got `null`"),
        ("cooldown: 1h", "cooldwn: 1h", "p.yaml:12: unknown key 'cooldwn'; did you mean 'cooldown'"),
        ("name: restart", "nmae: restart", "p.yaml:3: unknown key 'nmae'; did you mean 'name'"),
        ("name: restart", "name: Restart", "p.yaml:3: name: .*is not a playbook's name"),
        ("timeout: 5m", "timeuot: 5m", "p.yaml:17: unknown key 'timeuot'; did you mean 'timeout'"),
        ("timeout: 5m", "timeout: 5", "p.yaml:17: .*expected text, found 5"),
        ("timeout: 5m", "timeout: 0s", "p.yaml:17: .*could only time out"),
        ("hold: 6m", "hold: 10m", "p.yaml:20: .*could only fail"),
        ("max: 2", "max: 0", "p.yaml:13: .*>= 1"),
        ("for: 1m", "for: soon", "p.yaml:8: on.for: 'soon' is not a duration"),
        ("mode: dry_run", "mode: lively", "p.yaml:4: mode: .*lively"),
        ("workflow.idle >", "workflow.idel >", "p.yaml:9: confirm: column 76: .*did you mean 'workflow.idle'"),
        ("until: workflow.finished", "until: workflow.phase", "p.yaml:17: .*must be true or false"),
        ("""['alertname="WorkflowStuckDetection"']""", "[]", "p.yaml:7: on.matchers: .*>= 1"),
        ("  - workflow.resubmit: {}", "  - {}", "p.yaml:18: .*exactly one verb, found none"),
        ("  - workflow.resubmit: {}", "  - workflow.terminate: {}", "p.yaml:18: .*stands twice"),
        (
            "  - workflow.terminate: {}",
            "  - approve: {timeout: 1h}",
            "p.yaml:18: .*without workflow.terminate or .* before",
        ),
        ("  - workflow.resubmit: {}", "  - workflow.restart: {}", "p.yaml:18: workflow.terminate stands twice"),
        ("approval: none", "approval: {required_if: x}", "p.yaml:14: .*there is no 'x'"),
        ("approval: none", "approvals: 0", "p.yaml:14: .*>= 1"),
        ("  - wait:", "  - approve: {timeout: 1h}\n  - wait:", "p.yaml:17: approve between .* could leave"),
        ("terminate: {}\n", "terminate: {}\n    approve: {timeout: 1h}\n", "p.yaml:16: .*found workflow.terminate and"),
    ],
)
def test_what_is_wrong_is_refused_at_its_line(old: str, new: str, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        changed(old, new)


def test_a_version_names_the_content_and_not_the_mode_or_the_layout() -> None:
    version = load(Document(TEXT, file="p.yaml")).version

    assert changed("mode: dry_run", "mode: live").version == version
    assert changed("guards:\n  cooldown: 1h\n", "# said\nguards:\n  cooldown: 60m\n").version == version
    assert changed("cooldown: 1h", "cooldown: 2h").version != version
    assert changed('duration("30m")', 'duration("31m")').version != version


def test_a_playbook_written_again_from_what_was_read_is_the_same() -> None:
    playbook = changed("approval: none", "approval: required")
    again = msgspec.to_builtins(playbook, enc_hook=written_as)
    again["steps"] = [msgspec.to_builtins(step.written, enc_hook=written_as) for step in playbook.steps]
    for key in ("version", "text", "file"):
        del again[key]
    reread = load(Document(msgspec.json.encode(again).decode(), file="again"))

    assert reread.version == playbook.version
    assert reread.approval is Approval.REQUIRED


def test_a_hold_that_is_too_short_is_warned_of() -> None:
    assert "shorter than `for`" in warnings(changed("hold_notifications: 20m", "hold_notifications: 15m"))[0]
    assert warnings(changed("hold_notifications: 20m", "hold_notifications: 16m")) == []


def test_ending_without_restart_and_without_check_are_warned_of() -> None:
    text = TEXT[: TEXT.index("steps:")] + "steps: [{workflow.terminate: {}}]\nhold_notifications: 1h\n"

    said = " ".join(warnings(load(Document(text, file="p.yaml"))))

    assert "ends the workflow for good" in said
    assert "whether or not it helped" in said


@pytest.mark.parametrize("read", ['alert.status == "resolved"', "workflow.finished || incident.quiet"])
def test_a_check_of_the_resolve_after_the_end_of_the_workflow_is_warned_of(read: str) -> None:
    check = f"{{verify: {{that: '{read}', hold: 1m, within: 10m}}}}"
    head = TEXT[: TEXT.index("steps:")] + "hold_notifications: 1h\nsteps:"
    restarted, resumed = (
        load(Document(f"{head} [{{{verb}: {{}}}}, {check}]\n", file="p.yaml"))
        for verb in ("workflow.restart", "workflow.resume")
    )

    [said] = warnings(restarted)

    assert "after workflow.stop, which ends what the alert is about" in said
    assert warnings(resumed) == []


def test_the_schema_knows_every_verb() -> None:
    step = json_schema()["$defs"]["Step"]

    assert set(step["properties"]) == set(known())
    assert step["maxProperties"] == 1


def test_a_stored_step_of_another_version_is_refused_by_name() -> None:
    with pytest.raises(DocumentError, match=r"workflow\.terminated.*did you mean 'workflow\.terminate'"):
        parse_step({"action": "workflow.terminated", "params": {}})


@pytest.mark.parametrize("mode", list(Mode))
def test_going_live_is_one_word(mode: Mode) -> None:
    changed_one, *others = load_all({"restart-stuck-workflow": PlaybookMode(mode=mode)})

    assert changed_one.mode is mode
    assert {playbook.mode for playbook in others} == {Mode.DRY_RUN}


@pytest.mark.parametrize("playbook", load_all(None), ids=lambda playbook: str(playbook.name))
def test_every_shipped_playbook_is_in_dry_run_and_gives_no_cause_for_warnings(playbook: Playbook) -> None:
    assert playbook.mode is Mode.DRY_RUN
    assert warnings(playbook) == []
    assert f"### {playbook.name}\n" in (Path(__file__).parents[3] / "docs/playbooks.md").read_text(encoding="utf-8")


def test_a_shipped_playbook_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PlaybookError, match="did you mean 'restart-stuck-workflow'"):
        load_all({"restart-stuk-workflow": PlaybookMode(mode=Mode.LIVE)})


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(TEXT)
    (tmp_path / "a.yml").write_text(TEXT.replace("name: restart", "name: also-restart"))
    (tmp_path / "notes.txt").write_text("not a playbook")

    assert [playbook.name for playbook in load_all(str(tmp_path))] == [
        "also-restart-stuck-workflow",
        "restart-stuck-workflow",
    ]


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="no-such-folder cannot be read"):
        load_all(str(tmp_path / "no-such-folder"))
    with pytest.raises(PlaybookError, match=r"has no \*\.yaml"):
        load_all(str(tmp_path))


def test_one_name_cannot_stand_twice() -> None:
    playbook = load(Document(TEXT, file="a.yaml"))
    other = load(Document(TEXT, file="b.yaml"))

    with pytest.raises(PlaybookError, match=r"restart-stuck-workflow.*a\.yaml.*b\.yaml"):
        check_names([playbook, other])


def test_playbooks_in_place_are_read_from_the_settings() -> None:
    value = Document(TEXT, file="p.yaml").value
    assert isinstance(value, dict)

    (playbook,) = load_all((value,))

    assert playbook.version == load(Document(TEXT, file="p.yaml")).version
    with pytest.raises(DocumentError, match=r"settings, playbooks\[0\]:\d+: unknown key 'nam'"):
        load_all(({"nam": "x"},))
