"""The alerting that is shipped, judged by Prometheus' and Alertmanager's own tools."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from receiver.model.document import Document
from tests.conftest import tool

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "alertmanager"
RULES = sorted((SHIPPED / "rules").glob("*.yml"))
CASES = sorted((SHIPPED / "tests").glob("*.yml"))
ALWAYS = {"Watchdog"}
"""What never keeps quiet."""

ELSEWHERE = {
    "up": "Prometheus",
    "push_time_seconds": "Pushgateway",
    "container_cpu_usage_seconds_total": "cAdvisor",
    "container_memory_working_set_bytes": "cAdvisor",
    "container_spec_cpu_period": "cAdvisor",
    "container_spec_cpu_quota": "cAdvisor",
    "container_spec_cpu_shares": "cAdvisor",
    "kubelet_volume_stats_capacity_bytes": "kubelet",
    "kubelet_volume_stats_used_bytes": "kubelet",
    "test_metric": "whoever pushes a test alert",
}
"""Metrics that others give, and who."""

NO_METRIC = re.compile(
    r"""\{[^}]*\}|\[[^]]*\]|"[^"]*"|\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)"""
    r"""|\b\w+\s*(?=\()|\b(?:and|or|unless|bool|sum|avg|max|min|count|group)\b"""
)
"""What is no metric's name in an expression: matchers, ranges, texts, lists of labels, functions, and words."""


def read(path: Path) -> Any:
    return Document(path.read_text(), file=path.name).value


def rules(kind: str) -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in read(path)["groups"]:
            yield from (rule for rule in group["rules"] if kind in rule)


def ask(*command: str) -> str:
    done = subprocess.run([tool(command[0]), *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_prometheus_takes_the_rules() -> None:
    assert "FAILED" not in ask("promtool", "check", "rules", *map(str, RULES))


def test_each_rule_fires_and_keeps_quiet_as_its_cases_say() -> None:
    assert "FAILED" not in ask("promtool", "test", "rules", *map(str, CASES))


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [one for path in CASES for case in read(path)["tests"] for one in case.get("alert_rule_test", ())]
    firing = Counter(one["alertname"] for one in cases if one["exp_alerts"])
    quiet = Counter(one["alertname"] for one in cases if not one["exp_alerts"])

    alerts = Counter(rule["alert"] for rule in rules("alert"))

    assert alerts <= firing
    assert set(alerts) - set(quiet) == ALWAYS


def test_each_recorded_series_has_a_case() -> None:
    asked = " ".join(
        one["expr"] for path in CASES for case in read(path)["tests"] for one in case.get("promql_expr_test", ())
    )
    inner = {"workflow:pod_cpu_cores"}  # a step on the way to workflow_cpu_usage_percent, whose case it shares

    recorded = {rule["record"] for rule in rules("record")}

    assert {name for name in recorded if name not in asked} == inner


def test_each_alert_says_how_bad_it_is_what_it_is_about_and_what_to_do() -> None:
    for rule in rules("alert"):
        page = rule["annotations"]["runbook_url"].removeprefix("https://receiver.example.com/")

        assert {"severity", "component"} <= set(rule["labels"]) or rule["alert"] == "TestAlert"
        assert {"summary", "description"} <= set(rule["annotations"])
        assert page == f"docs/runbooks/{rule['alert']}.md"
        assert (ROOT / page).read_text().startswith(f"# {rule['alert']}\n")


def test_each_runbook_is_of_an_alert() -> None:
    assert {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} == {rule["alert"] for rule in rules("alert")}


def test_alertmanager_takes_the_configuration() -> None:
    assert "SUCCESS" in ask("amtool", "check-config", str(SHIPPED / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=WorkflowStuckDetection severity=critical component=workflow-execution", "receiver"),
        ("alertname=WorkflowFailed severity=warning component=workflow-execution", "receiver"),
        ("alertname=WorkflowSuspendedTooLong severity=info component=workflow-execution", "receiver,email"),
        ("alertname=Unlabelled", "receiver,email"),
        ("alertname=ReceiverDown severity=critical component=receiver", "receiver,operators"),
        ("alertname=Watchdog severity=none component=watchdog", "receiver,heartbeat"),
    ],
)
def test_everything_goes_to_receiver_and_what_it_may_not_be_alone_with_goes_elsewhere_too(
    labels: str, receivers: str
) -> None:
    config = f"--config.file={SHIPPED / 'alertmanager.yml'}"

    assert ask("amtool", "config", "routes", "test", config, *labels.split()) == receivers


def test_no_secret_stands_in_the_configuration() -> None:
    text = (SHIPPED / "alertmanager.yml").read_text()

    given = re.findall(r"(?:password|key|credentials|token)(_file)?: *(\S+)", text)

    assert given
    assert all(file == "_file" for file, _ in given)


def test_each_metric_that_a_rule_asks_for_is_given_by_somebody() -> None:
    every = [*rules("alert"), *rules("record")]
    asked = {name for rule in every for name in re.findall(r"[a-zA-Z_:][\w:]*", NO_METRIC.sub(" ", rule["expr"]))}
    recorded = {rule["record"] for rule in rules("record")}
    sources = " ".join(path.read_text() for path in (ROOT / "receiver").rglob("*.py"))
    named = set(re.findall(r"\"([a-z_]+)\"", sources))

    wanted = asked - recorded - ELSEWHERE.keys()

    assert "argo_workflow_status_phase_start_time" in wanted
    assert {name for name in wanted if not {name, name.removesuffix("_total")} & named} == set()
    assert asked >= ELSEWHERE.keys(), "none is excused that nobody asks for"
