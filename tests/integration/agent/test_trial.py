"""`receiver test-alert` and `receiver silences` against a real Alertmanager, Prometheus and Pushgateway."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import free_port
from tests.conftest import tool

from .conftest import Start, fetch, receiver


def test_a_test_alert_is_followed_from_firing_to_its_end(alertmanager: str) -> None:
    ran = receiver("test-alert", "--alertmanager", alertmanager, "--severity", "critical")

    assert ran.returncode == 0, ran.stderr
    assert "took TestAlert (alertname=TestAlert, severity=critical, workflow_name=test-workflow, test_id=" in ran.stdout
    assert "active, for nobody" in " ".join(ran.stdout.split())
    assert "Alertmanager has it no longer" in ran.stdout
    assert json.loads(fetch(f"{alertmanager}/api/v2/alerts")[2]) == []


def test_an_alertmanager_that_is_away_is_a_failure(tmp_path: Path) -> None:
    ran = receiver("test-alert", "--alertmanager", "http://127.0.0.1:1")

    assert ran.returncode == 1
    assert "http://127.0.0.1:1/api/v2/alerts cannot be reached" in ran.stderr
    assert receiver("test-alert", "--config", str(empty(tmp_path))).returncode == 2


def test_a_pushed_metric_fires_through_prometheus_and_is_deleted_afterwards(
    start: Start, alertmanager: str, gateway: str, tmp_path: Path
) -> None:
    scrape = {"job_name": "push", "honor_labels": True, "scrape_interval": "1s"}
    rule = {"alert": "TestAlert", "expr": 'test_metric{job="test-alert"} == 1'}
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "test", "interval": "1s", "rules": [rule]}]}))
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [scrape | {"static_configs": [{"targets": [gateway.removeprefix("http://")]}]}],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}],
        },
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    start(
        tool("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{free_port()}",
    )

    ran = receiver(
        "test-alert",
        "--via",
        "pushgateway",
        "--pushgateway",
        gateway,
        "--alertmanager",
        alertmanager,
        "--within",
        "60s",
    )

    assert ran.returncode == 0, ran.stderr
    assert "Alertmanager has it no longer" in ran.stdout
    assert "test_metric" not in fetch(f"{gateway}/metrics")[2]


def test_silences_are_added_listed_and_expired(alertmanager: str) -> None:
    there = ("--alertmanager", alertmanager)
    added = receiver(
        "silences", "add", "alertname=TestAlert", 'namespace=~"team-.*"', "-d", "2h", "-m", "new disks", "-a", "kim",
        "-o", "json", *there,
    )  # fmt: skip
    made = json.loads(added.stdout)

    listed = json.loads(receiver("silences", "list", "-o", "json", *there).stdout)
    ended = receiver("silences", "expire", made["id"], *there)

    assert listed == {"items": [made]}
    assert made["creator"] == "kim"
    assert made["comment"].startswith("new disks")
    assert made["matchers"] == ['alertname="TestAlert"', 'namespace=~"team-.*"']
    assert ended.returncode == 0, ended.stderr
    assert "is expired" in ended.stdout
    assert receiver("silences", "list", *there).stdout.strip() == "no silence holds"


@pytest.mark.parametrize("command", [["add", "nothing", "-m", "x"], ["add", "a=b", "-m", "x", "-d", "soon"]])
def test_a_wrong_silence_is_refused_before_anything_is_asked(command: list[str]) -> None:
    ran = receiver("silences", *command, "--alertmanager", "http://127.0.0.1:1")

    assert ran.returncode == 2
    assert "write one such as" in " ".join(ran.stderr.split())


def empty(folder: Path) -> Path:
    file = folder / "receiver.yaml"
    file.write_text("")
    return file
