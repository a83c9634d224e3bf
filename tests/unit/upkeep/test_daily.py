"""The daily report judges each line by its limit, and takes what is missing for no good sign."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan

import pytest

from receiver.clients.alertmanager import AlertState, HeldAlert, Silence, SilenceState
from receiver.clients.metrics import Sample
from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.matcher import Matcher
from receiver.model.report import Line
from receiver.settings.upkeep import Daily
from receiver.upkeep.daily import (
    agent_lines,
    alert_lines,
    busy_line,
    least_line,
    silences_line,
    volumes_line,
    worst_line,
)

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SILENCE = Silence(
    id="s",
    matchers=(Matcher.parse("alertname=Loud"),),
    starts_at=NOW,
    ends_at=NOW + timedelta(hours=2),
    state=SilenceState.ACTIVE,
    creator="kim",
    comment="new disks",
)


def sample(value: float, **labels: str) -> Sample:
    return Sample(labels=labels, value=value)


def firing(name: str, severity: str) -> HeldAlert:
    alert = Alert(
        fingerprint=Fingerprint("00"),
        status=AlertStatus.FIRING,
        labels={"alertname": name, "severity": severity},
        annotations={},
        starts_at=NOW,
        starts_at_text="",
        ends_at=None,
        generator_url="",
    )
    return HeldAlert(alert=alert, state=AlertState.ACTIVE, silenced_by=(), inhibited_by=(), receivers=())


def worst(*values: float) -> Line:
    found = [sample(value) for value in values]
    return worst_line("x", found, most=3, limit="3", said=str, advice="look", absent="load the rules")[0]


def test_the_greatest_figure_counts_and_what_is_no_number_is_over_its_limit() -> None:
    assert worst(1, 3).verdict.value == "good"
    assert worst(1, 4).verdict.value == "over"
    assert worst(1, nan).verdict.value == "over"


def test_a_figure_that_is_missing_is_not_known_and_says_what_to_do() -> None:
    line = worst()

    assert (line.verdict.value, line.advice) == ("unknown", "load the rules")
    assert least_line("x", [], said=str)[0].verdict.value == "unknown"


def test_each_prometheus_has_to_take_samples_in() -> None:
    line = least_line("x", [sample(5, instance="a"), sample(0, instance="b")], said=str)[0]

    assert line.verdict.value == "over"
    assert line.details == ("5 by a", "0 by b")


def test_busy_workflows_are_counted_and_named_the_busiest_first() -> None:
    found = [sample(at, namespace="argo", workflow_name=f"w{at}") for at in (20, 91, 99, 90)]
    line = busy_line(found, percent=90, most=1)

    assert (line.value, line.verdict.value) == ("2 of 4 use over 90 % of their CPU", "over")
    assert line.details == ("99 % argo/w99", "91 % argo/w91")
    assert busy_line(found, percent=90, most=2).verdict.value == "good"
    assert busy_line([], percent=90, most=0).verdict.value == "good"


def test_full_volumes_are_named() -> None:
    line = volumes_line([sample(81, namespace="argo", pvc_name="data"), sample(80)], percent=80)

    assert (line.verdict.value, line.details) == ("over", ("81 % argo/data",))


def test_alerts_are_counted_by_name_and_the_critical_ones_have_a_limit_of_their_own() -> None:
    alerts = [firing("A", "warning"), firing("B", "critical"), firing("A", "info")]
    every, critical = alert_lines(alerts, Daily())

    assert (every.value, every.verdict.value, every.details) == ("3", "good", ("2 A", "1 B"))
    assert (critical.value, critical.verdict.value, critical.details) == ("1", "over", ("1 B",))


@pytest.mark.parametrize(
    ("silences", "verdict"),
    [
        ([], "good"),
        ([SILENCE], "good"),
        ([SILENCE, replace(SILENCE, ends_at=NOW + timedelta(days=30))], "over"),
        ([replace(SILENCE, ends_at=NOW - timedelta(days=1), state=SilenceState.EXPIRED)] * 30, "good"),
        ([SILENCE] * 21, "over"),
    ],
)
def test_silences_are_few_and_none_lasts_long(silences: list[Silence], verdict: str) -> None:
    assert silences_line(silences, Daily(), NOW).verdict.value == verdict


def test_each_agent_has_a_line_and_none_where_none_is_configured() -> None:
    lines = agent_lines({"rex": "", "cleo": "it does not answer"})

    assert [(line.subject, line.value, line.verdict.value) for line in lines] == [
        ("agent rex", "healthy", "good"),
        ("agent cleo", "it does not answer", "over"),
    ]
    assert [line.verdict.value for line in agent_lines({})] == ["off"]
