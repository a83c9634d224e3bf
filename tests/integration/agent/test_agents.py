"""The three commands beside agents, as processes, against real peers."""

import json
import subprocess
from pathlib import Path

from .conftest import RECEIVER, Start, fetch, until

LOOPBACK = ("--host", "127.0.0.1", "--port", "0")


def test_health_is_told_by_status_fields_and_metrics(start: Start, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    subprocess.run(["git", "init", "--quiet", workspace], check=True)
    agent = start(
        RECEIVER, "agent", "health", "--fresh", "1s", *LOOPBACK, AGENT_TYPE="rex", WORKSPACE_PATH=str(workspace),
        MCP_SERVER_URL="http://127.0.0.1:1",
    )  # fmt: skip
    url = f"http://127.0.0.1:{agent.port()}"

    status, _, text = fetch(f"{url}/health")
    _, content_type, metrics = fetch(f"{url}/metrics")
    said = json.loads(text)

    assert status == 503
    assert said.keys() == {"status", "timestamp", "checks", "agent_type"}
    assert (said["status"], said["agent_type"]) == ("unhealthy", "rex")
    assert said["checks"] == {
        "git_access": True,
        "workspace_access": True,
        "mcp_connection": False,
        "cargo_tools": True,
    }
    assert content_type.startswith("text/plain; version=")
    assert 'agent_health_status{agent_type="rex",check_name="mcp_connection"} 0.0' in metrics
    assert 'agent_health_status{agent_type="rex",check_name="git_access"} 1.0' in metrics
    assert 'agent_health_check_requests_total{agent_type="rex",status="unhealthy"} 1.0' in metrics
    assert 'agent_health_check_duration_seconds_count{agent_type="rex"}' in metrics
    assert "check mcp_connection of agent rex fails: http://127.0.0.1:1/health does not answer" in agent.said
    assert agent.stop() == 0


def test_a_scrape_alone_shows_what_became_of_the_workspace(start: Start, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    subprocess.run(["git", "init", "--quiet", workspace], check=True)
    agent = start(
        RECEIVER, "agent", "health", "--fresh", "1s", *LOOPBACK, AGENT_TYPE="rex", WORKSPACE_PATH=str(workspace)
    )
    url = f"http://127.0.0.1:{agent.port()}/metrics"
    line = 'agent_health_status{{agent_type="rex",check_name="workspace_access"}} {}'
    assert line.format("1.0") in fetch(url)[2]

    workspace.rename(tmp_path / "gone")

    until(lambda: line.format("0.0") in fetch(url)[2], "the next scrape says that the workspace is gone")


def test_a_stop_ends_a_check_that_still_runs(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "checks.yaml"
    file.write_text(f"checks: [{{name: slow, command: [sh, -c, 'touch {tmp_path}/begun; sleep 600'], limit: 300s}}]")
    agent = start(RECEIVER, "agent", "health", "--checks", str(file), *LOOPBACK, WORKSPACE_PATH=str(tmp_path))
    client = start("curl", "--silent", f"http://127.0.0.1:{agent.port()}/health")
    until((tmp_path / "begun").exists, "the check runs")

    assert agent.stop() == 0
    assert client.process.wait(30) == 0
    assert json.loads(client.said)["checks"]["slow"] is False


def test_the_synthetic_check_pushes_what_it_found_and_fails_for_the_unhealthy(
    start: Start, gateway: str, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    agent = start(
        RECEIVER, "agent", "health", *LOOPBACK, AGENT_TYPE="cleo", WORKSPACE_PATH=str(tmp_path), PATH="/usr/bin"
    )
    there = f"http://127.0.0.1:{agent.port()}"
    healthy = start(RECEIVER, "agent", "health", *LOOPBACK, AGENT_TYPE="tess", WORKSPACE_PATH=str(tmp_path),
                    PATH=f"{stub(tmp_path)}:/usr/bin")  # fmt: skip
    here = f"http://127.0.0.1:{healthy.port()}"

    asked = start(
        RECEIVER, "agent", "synthetic", f"--agent=cleo={there}", f"--agent=tess={here}", f"--pushgateway={gateway}"
    )

    assert asked.process.wait(60) == 1, asked.said
    assert "FAILED  cleo: it says that it is unhealthy (503): cargo_tools" in asked.said
    pushed = fetch(f"{gateway}/metrics")[2]
    labels = 'agent_type="{}",instance="synthetic",job="synthetic-health-checks"'
    assert f"synthetic_health_check_status{{{labels.format('cleo')}}} 0" in pushed
    assert f"synthetic_health_check_status{{{labels.format('tess')}}} 1" in pushed
    assert "# TYPE push_time_seconds gauge" in pushed


def test_a_gateway_that_does_not_answer_is_a_failure_with_a_reason(start: Start) -> None:
    asked = start(RECEIVER, "agent", "synthetic", "--agent=cleo=http://127.0.0.1:1", "--pushgateway=http://127.0.0.1:1")

    assert asked.process.wait(60) == 1
    assert "the Pushgateway http://127.0.0.1:1 did not take what synthetic-health-checks says" in asked.said


def test_resources_are_pushed_under_a_key_of_their_own_and_withdrawn_at_the_end(
    start: Start, gateway: str, tmp_path: Path
) -> None:
    root = container(tmp_path)
    monitors = [
        start(
            RECEIVER, "agent", "resources", "--push", f"--pushgateway={gateway}", "--interval=1s", f"--root={root}",
            WORKFLOW_NAME="build", AGENT_TYPE="cleo", INSTANCE=name,
        )
        for name in ("pod-a", "pod-b")
    ]  # fmt: skip

    def pushed() -> str:
        return fetch(f"{gateway}/metrics")[2]

    labels = 'agent="cleo",instance="{}",job="resource-monitoring",type="read",workflow="build"'
    of_one = f"workflow_disk_io_bytes_total{{{{{labels}}}}}"
    until(lambda: all(of_one.format(name) in pushed() for name in ("pod-a", "pod-b")), "both have pushed")
    assert "# TYPE workflow_disk_io_bytes_total counter" in pushed()

    assert monitors[0].stop() == 0
    assert of_one.format("pod-a") not in pushed()
    assert of_one.format("pod-b") in pushed()


def test_resources_are_scraped_too(start: Start, tmp_path: Path) -> None:
    monitor = start(RECEIVER, "agent", "resources", f"--root={container(tmp_path)}", *LOOPBACK, WORKFLOW_NAME="build")

    _, _, metrics = fetch(f"http://127.0.0.1:{monitor.port()}/metrics")

    assert 'workflow_detailed_memory_usage_bytes{agent="unknown",type="used",workflow="build"} 1e+06' in metrics


def stub(folder: Path) -> Path:
    """A folder with a cargo that can everything."""
    path = folder / "stub"
    path.mkdir()
    (path / "cargo").write_text("#!/bin/sh\nexit 0\n")
    (path / "cargo").chmod(0o755)
    return path


def container(root: Path) -> Path:
    """The files of a container with a control group of version 2."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/meminfo": "MemTotal: 4096 kB\n",
        "proc/self/net/dev": "\n\n  eth0: 1 0 0 0 0 0 0 0 2\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 2500000\n",
        "sys/fs/cgroup/memory.current": "1000000\n",
        "sys/fs/cgroup/io.stat": "8:0 rbytes=10 wbytes=20\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
