from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from receiver.model.alert import AlertStatus
from receiver.model.remediation import Decision, Mode, Outcome
from receiver.model.workflow import Node, Phase
from receiver.remediate.decision import NotYet, answers, decide
from receiver.remediate.language import Playbook, parse_step
from tests.unit.remediate.scenes import NOW, PLAYBOOK, alert, guard_facts, playbook, workflow


def decided(of: Playbook = PLAYBOOK, mode: Mode = Mode.LIVE, **changes: Any) -> Decision | NotYet:
    scene: dict[str, Any] = {"incident": None, "workflow": workflow(), "pods": (), "facts": guard_facts()} | changes
    occurrence = scene.pop("alert", alert())
    return decide(msgspec.structs.replace(of, mode=mode), occurrence, **scene)


def decision(**changes: Any) -> Decision:
    found = decided(**changes)
    assert isinstance(found, Decision)
    return found


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"alertname": "WorkflowStuckDetection"}, True),
        ({"alertname": "WorkflowFailed"}, False),
        ({}, False),
    ],
)
def test_a_playbook_answers_only_to_what_its_matchers_say(labels: dict[str, str], *, expected: bool) -> None:
    assert answers(PLAYBOOK, labels) is expected


def test_a_live_playbook_goes_ahead_and_says_what_it_does() -> None:
    found = decision()

    assert found.outcome is None
    assert found.version == PLAYBOOK.version
    assert found.target is not None
    assert (found.target.uid, found.target.lineage) == ("uid-etl", "uid-etl")
    assert found.would[0] == "terminate workflow argo/etl"
    assert found.checks[-1].guard == "confirm"
    assert "workflow.idle is 7h" in found.checks[-1].measured


def test_a_dry_run_decides_everything_and_says_what_it_would_do() -> None:
    found = decision(mode=Mode.DRY_RUN)

    assert found.outcome is Outcome.SIMULATED
    assert "it would terminate workflow argo/etl; then wait until" in found.reason
    assert len(found.checks) == 16


def test_a_proposal_asks_a_person_first() -> None:
    found = decision(mode=Mode.PROPOSE)

    assert found.outcome is None
    assert "approval" in found.would[0]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_refused_guard_blocks_in_every_mode(mode: Mode) -> None:
    found = decision(mode=mode, facts=guard_facts(superseded_by="run 7"))

    assert found.outcome is Outcome.BLOCKED
    assert found.reason.startswith("Guard superseded refused")
    assert found.checks[-1].guard == "blast_radius"


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_not_confirmed_is_skipped_with_what_was_read(mode: Mode) -> None:
    found = decision(mode=mode, workflow=workflow(suspended=True))

    assert found.outcome is Outcome.SKIPPED
    assert "workflow.suspended is true" in found.reason
    assert not found.checks[-1].passed


@pytest.mark.parametrize(
    "changes", [{"pods": None}, {"workflow": workflow(nodes=None, nodes_unreadable="they are packed")}]
)
def test_what_cannot_be_confirmed_is_blocked(changes: dict[str, Any]) -> None:
    found = decision(**changes)

    assert found.outcome is Outcome.BLOCKED
    assert found.reason.startswith("Guard confirm refused")
    assert "workflow.idle is not known" in found.reason


def test_without_a_workflow_nothing_is_done() -> None:
    found = decision(workflow=None, pods=None, facts=guard_facts(workflow_error="no answer came"))

    assert found.outcome is Outcome.BLOCKED
    assert found.target is None
    assert "no answer came" in found.reason


def test_a_resolved_alert_is_never_acted_on() -> None:
    found = decision(alert=alert(status=AlertStatus.RESOLVED, starts_at=NOW))

    assert found.outcome is Outcome.SKIPPED
    assert found.checks == ()


def test_a_young_alert_is_decided_on_later() -> None:
    started = NOW - timedelta(seconds=59)

    found = decided(alert=alert(starts_at=started, first_seen_at=NOW))

    assert found == NotYet(due_at=NOW + timedelta(seconds=1))


@pytest.mark.parametrize("starts_at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_an_absurd_start_is_outlived(starts_at: datetime) -> None:
    assert isinstance(decided(alert=replace(alert(), starts_at=starts_at)), Decision)


def test_a_finished_workflow_is_not_confirmed() -> None:
    assert decision(workflow=workflow(phase=Phase.FAILED)).outcome is Outcome.SKIPPED


@pytest.mark.parametrize("mode", list(Mode))
def test_compiled_steps_read_back_as_they_were(mode: Mode) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(decision(mode=mode).steps))

    steps = [parse_step(step) for step in stored]

    first = 1 if mode is Mode.PROPOSE else 0
    assert [verb for verb, _ in steps[:first]] == ["approve"] * first
    assert [params for _, params in steps[first:]] == [step.params for step in PLAYBOOK.steps]


def test_a_required_approval_comes_first_and_once() -> None:
    required = playbook(PLAYBOOK.text.replace("approval: none", "approval: required"))

    for mode in (Mode.LIVE, Mode.PROPOSE):
        verbs = [step["action"] for step in decision(of=required, mode=mode).steps]
        assert verbs[:2] == ["approve", "workflow.terminate"]


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        ('workflow.progress == "1/2"', True),
        ('workflow.progress == "2/2"', False),
        ('workflow.labels["team"] == "rex"', True),
    ],
)
def test_an_approval_may_depend_on_a_condition_and_one_that_cannot_be_evaluated_asks(
    condition: str, *, asks: bool
) -> None:
    text = PLAYBOOK.text.replace("approval: none", f"approval: {{required_if: '{condition}'}}\napprovals: 2")

    found = decision(of=playbook(text))

    assert (found.steps[0]["action"] == "approve") is asks
    assert ("the approval of 2 people" in found.would[0]) is asks
    assert ("A person is asked first" in found.reason) is asks


RESTART = (
    PLAYBOOK.text[: PLAYBOOK.text.index("steps:")]
    + "steps: [{workflow.restart: {grace: 1m}}]\nhold_notifications: 20m\n"
)


def test_a_restart_takes_the_mildest_way_that_can_work() -> None:
    pending = Node(id="n", name="etl.a", display_name="a", type="Pod", phase=Phase.PENDING)
    running = replace(pending, phase=Phase.RUNNING)

    mild = decision(of=playbook(RESTART), workflow=workflow(nodes=(pending,)))
    hard = decision(of=playbook(RESTART), workflow=workflow(nodes=(running,)))

    assert [step["action"] for step in mild.steps] == ["pod.delete"]
    assert [step["action"] for step in hard.steps] == [
        "workflow.stop",
        "wait",
        "workflow.terminate",
        "wait",
        "workflow.resubmit",
    ]
