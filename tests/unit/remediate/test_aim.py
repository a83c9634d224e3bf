from dataclasses import replace
from typing import Any

import pytest

from receiver.model.errors import DocumentError
from receiver.model.remediation import Decision, Mode, Outcome, Run
from receiver.model.workload import Deployment
from receiver.remediate.aim import filled, may_give
from receiver.remediate.decision import decide
from receiver.remediate.facts import watched
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Passed, Step, Wait
from tests.unit.remediate.scenes import NOW, alert, facts, guard_facts, playbook, run

TEXT = """
name: restart-agent
mode: live
summary: Restart an agent
on: {matchers: ['alertname="AgentHealthCheckFailing"']}
target: {deployment: '{agent_type}-agent'}
confirm: alert.status == "firing"
guards: {budget: {max: 2, per: 1h}}
steps:
  - deployment.restart: {within: 10m}
  - verify: {that: alert.status == "resolved", within: 15m}
hold_notifications: 30m
"""
LABELS = {"alertname": "AgentHealthCheckFailing", "namespace": "argo", "agent_type": "rex"}
AGENT = Deployment(namespace="argo", name="rex-agent", uid="uid-agent", wanted=1, generation=2, observed_generation=1)


def decided(found: Deployment | None, labels: dict[str, str] = LABELS, **changes: Any) -> Decision:
    known = guard_facts(deployment=found, lineage=found.uid if found else None, spent=0, **changes)
    decision = decide(playbook(TEXT), alert(labels=labels), incident=None, workflow=None, pods=None, facts=known)
    assert isinstance(decision, Decision)
    return decision


def begun(**changes: Any) -> Run:
    decision = decided(AGENT)
    return run(playbook(TEXT), Mode.LIVE, target=decision.target, **changes)


def test_a_run_on_a_deployment_names_it_and_counts_by_its_uid() -> None:
    found = decided(AGENT)

    assert found.outcome is None
    assert found.target is not None
    assert (found.target.kind, found.target.name, found.target.lineage) == ("deployment", "rex-agent", "uid-agent")
    assert found.would[0].startswith("restart deployment rex-agent in argo")
    assert found.loss is None


@pytest.mark.parametrize(
    ("found", "labels", "changes", "why"),
    [
        (None, LABELS, {}, "there is no such deployment in the cluster"),
        (None, {**LABELS, "agent_type": "../rex"}, {}, "the labels of the alert give no name"),
        (None, LABELS, {"workflow_error": "it timed out"}, "the deployment could not be read: it timed out"),
    ],
)
def test_without_its_deployment_a_playbook_is_refused(
    found: Deployment | None, labels: dict[str, str], changes: dict[str, Any], why: str
) -> None:
    decision = decided(found, labels, **changes)

    assert decision.outcome is Outcome.BLOCKED
    assert why in decision.reason


@pytest.mark.parametrize(
    ("opt_in", "label", "agrees"), [(False, "false", False), (True, "true", True), (True, "", False)]
)
def test_the_label_of_the_deployment_is_asked(*, opt_in: bool, label: str, agrees: bool) -> None:
    labels = {"receiver/remediate": label} if label else {}

    decision = decided(replace(AGENT, labels=labels), opt_in=opt_in)

    assert (decision.outcome is None) is agrees


def test_a_run_on_a_deployment_watches_no_workflow_and_waits_for_the_end_of_the_alert() -> None:
    first = begun()
    acting = advance(first, facts(workflow=None, pods=None, confirm=first.confirm, seen=AGENT))
    verifying = replace(first, cursor=1, entered_at=NOW)
    firing = advance(verifying, facts(workflow=None, pods=None))
    over = advance(verifying, facts(workflow=None, pods=None, alert=resolved()))

    assert watched(first) is None
    assert isinstance(acting, Step)
    assert isinstance(firing, Wait)
    assert isinstance(over, Passed)


def test_a_restart_that_nobody_needs_any_more_is_not_begun() -> None:
    first = begun()

    found = advance(first, facts(workflow=None, pods=None, confirm=first.confirm, seen=AGENT, alert=resolved()))

    assert isinstance(found, Finished)
    assert found.outcome is Outcome.SKIPPED


def resolved() -> Any:
    return replace(alert(labels=LABELS), status=alert().status.RESOLVED)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("alert.status ==", "workflow.failed && alert.status ==", "workflow.failed cannot be known"),
        ('that: alert.status == "resolved"', "that: pods.count > 0", "pods.count cannot be known"),
        ("budget: {max: 2, per: 1h}", "blast_radius: 20%", "blast_radius counts workflows"),
        ("deployment.restart: {within: 10m}", "workflow.terminate: {}", "workflow.terminate acts on a workflow"),
        ("{within: 10m}", "{name: other}", "name is left out"),
        ("target: {deployment: '{agent_type}-agent'}\n", "", "it needs name, or the key target"),
        ("'{agent_type}-agent'", "'Agent {agent_type}'", "gives no name that Kubernetes allows"),
    ],
)
def test_what_needs_a_workflow_is_refused_when_it_is_read(old: str, new: str, complaint: str) -> None:
    assert old in TEXT

    with pytest.raises(DocumentError, match=complaint):
        playbook(TEXT.replace(old, new, 1))


def test_by_hand_a_playbook_reaches_what_its_pattern_can_name_and_nothing_else() -> None:
    assert may_give("{a}-agent", "rex-agent")
    assert may_give("agent.{a}.{b}", "agent.x.y")
    assert may_give("agent", "agent")
    for name in ("-agent", "rex-agents", "rex/x-agent", "REX-agent", ""):
        assert not may_give("{a}-agent", name)
    assert not may_give("agent.x", "agent-x")


def test_a_name_is_filled_from_labels_and_has_to_be_one() -> None:
    assert filled("{a}-agent", {"a": "rex"}) == "rex-agent"
    assert filled("{a}-agent", {}) is None
    assert filled("{a}-agent", {"a": "rex/../x"}) is None
    assert filled("{a}", {"a": "x" * 254}) is None
