"""`receiver ops daily` against a real Prometheus and a real Alertmanager, and against nobody."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.conftest import free_port
from tests.conftest import tool

from .conftest import Start, fetch, receiver, until

NOBODY = "http://127.0.0.1:1"
RECORDED = {
    "receiver_exporter_confirmed_timestamp_seconds": "vector(time())",
    "workflow:stuck_count": "vector(0)",
    "workflow_cpu_usage_percent": 'label_replace(vector(97), "workflow_name", "etl", "", "")',
    "workflow_pvc_usage_percent": "vector(40)",
}
"""What the exporter and the shipped rules would give."""


@pytest.fixture
def prometheus(start: Start, tmp_path: Path) -> str:
    """A real Prometheus that scrapes itself and has these figures, with its address."""
    address = f"127.0.0.1:{free_port()}"
    rules = [{"record": name, "expr": expression} for name, expression in RECORDED.items()]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "interval": "1s", "rules": rules}]}))
    scrape = {"job_name": "prometheus", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
    config = {"rule_files": ["rules.yml"], "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    start(
        tool("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address={address}",
    )
    both = quote(
        'rate(prometheus_tsdb_head_samples_appended_total[5m]) > 0 and on () {__name__="workflow:stuck_count"}'
    )
    until(lambda: '"value"' in fetch(f"http://{address}/api/v1/query?query={both}")[2], "Prometheus has all figures")
    return f"http://{address}"


@pytest.fixture
def rex() -> Iterator[str]:
    """A healthy agent, with its address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = {"status": "healthy", "timestamp": "2026-11-25T08:00:00+00:00", "checks": {}, "agent_type": "rex"}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def settings(folder: Path, **given: Any) -> str:
    path = folder / "receiver.yaml"
    path.write_text(json.dumps(given))
    return str(path)


def test_a_day_is_judged_line_by_line_and_what_is_over_its_limit_is_named(
    prometheus: str, alertmanager: str, rex: str, tmp_path: Path
) -> None:
    around: dict[str, Any] = {
        "prometheus": {"url": prometheus},
        "alertmanager": {"url": alertmanager},
        "agents": [{"type": "rex", "url": rex}],
    }
    calm = receiver("ops", "daily", "-o", "json", "-c", settings(tmp_path, **around, ops={"daily": {"busy": 1}}))
    report = json.loads(calm.stdout)

    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert {line["verdict"] for line in report["lines"]} == {"good"}
    assert [line["subject"] for line in report["lines"]] == [
        "agent rex",
        "prometheus",
        "exporter",
        "stuck workflows",
        "busy workflows",
        "full volumes",
        "samples of Prometheus",
        "samples a second",
        "memory of Prometheus",
        f"alertmanager {alertmanager}",
        "alerts",
        "critical alerts",
        "silences",
    ]

    receiver("test-alert", "--alertmanager", alertmanager, "--severity", "critical", "--no-wait")
    receiver("silences", "add", "alertname=Loud", "-d", "30d", "-m", "too loud", "--alertmanager", alertmanager)
    around["agents"].append({"type": "cleo", "url": NOBODY})
    limits = {"daily": {"prometheus_bytes": 1}}
    bad = receiver("ops", "daily", "-o", "json", "-c", settings(tmp_path, **around, ops=limits))
    report = json.loads(bad.stdout)
    details = {line["subject"]: line["details"] for line in report["lines"]}

    assert bad.returncode == 1
    over = ["agent cleo", "busy workflows", "memory of Prometheus", "critical alerts", "silences"]
    assert report["failures"] == over
    assert details["busy workflows"] == ["97 % ?/etl"]
    assert details["critical alerts"] == ["1 TestAlert"]
    assert "too loud" in details["silences"][0]


def test_whoever_does_not_answer_is_a_line_that_failed_and_no_crash(tmp_path: Path) -> None:
    where = {
        "prometheus": {"url": NOBODY},
        "alertmanager": {"url": [NOBODY]},
        "agents": [{"type": "rex", "url": NOBODY}],
    }
    ran = receiver("ops", "daily", "-c", settings(tmp_path, **where))
    idle = receiver("ops", "daily", "-c", settings(tmp_path))

    assert ran.returncode == 1
    assert ran.stderr == ""
    assert "13 of 13 lines are not as they ought to be" in ran.stdout
    assert "stuck workflows (unknown)" in ran.stdout
    assert idle.returncode == 0
