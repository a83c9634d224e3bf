"""The figures of a container come from its control group, of either version."""

from datetime import timedelta
from pathlib import Path

import pytest

from receiver.agent import cgroup
from receiver.agent.resources import Usage
from receiver.agent.trouble import AgentError

NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo: 9999      10    0    0    0     0          0         0     9999      10    0    0    0     0       0          0
  eth0: 1000      10    0    0    0     0          0         0      200       2    0    0    0     0       0          0
  net1:   50       1    0    0    0     0          0         0        7       1    0    0    0     0       0          0
"""

GENERAL = {"proc/meminfo": "MemTotal:  4096 kB\nMemFree: 1 kB\n", "proc/self/net/dev": NET}

NEWER = GENERAL | {
    "proc/self/cgroup": "0::/\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu io memory\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 2500000\nuser_usec 2000000\n",
    "sys/fs/cgroup/cpu.max": "50000 100000\n",
    "sys/fs/cgroup/memory.current": "1000000\n",
    "sys/fs/cgroup/memory.max": "2000000\n",
    "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 300000\n",
    "sys/fs/cgroup/io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n",
}

OLDER = GENERAL | {
    "proc/self/cgroup": "5:memory:/kubepods/a\n4:cpu,cpuacct:/kubepods/a\n3:blkio:/kubepods/a\n",
    "sys/fs/cgroup/cpuacct/cpuacct.usage": "2500000000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000\n",
    "sys/fs/cgroup/memory/memory.stat": "cache 1\ntotal_inactive_file 300000\n",
    "sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes": "8:0 Read 11\n8:0 Write 22\n8:0 Total 33\nTotal 33\n",
}


def laid(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("files", [NEWER, OLDER], ids=["v2", "v1"])
def test_both_versions_say_the_same(tmp_path: Path, files: dict[str, str]) -> None:
    assert cgroup.read(laid(tmp_path, files)) == cgroup.Reading(
        cpu=timedelta(seconds=2.5),
        cores=0.5,
        memory_used=700_000,
        memory_limit=2_000_000,
        disk_read=11,
        disk_written=22,
        received=1050,
        sent=207,
    )


@pytest.mark.parametrize(
    "unlimited",
    [
        NEWER | {"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"},
        OLDER
        | {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["v2", "v1"],
)
def test_without_limits_the_machine_is_the_limit(tmp_path: Path, unlimited: dict[str, str]) -> None:
    reading = cgroup.read(laid(tmp_path, unlimited))

    assert reading.cores is None
    assert reading.memory_limit == 4096 * 1024


def test_where_the_whole_tree_is_mounted_the_own_group_counts(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/kubepods/pod1/"
    moved = {name.replace("sys/fs/cgroup/", group) if "cgroup/" in name else name: text for name, text in NEWER.items()}
    moved |= {"proc/self/cgroup": "0::/kubepods/pod1\n", "sys/fs/cgroup/cgroup.controllers": "cpu io memory\n"}

    assert cgroup.read(laid(tmp_path, moved)).memory_used == 700_000


def test_outside_a_container_it_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="belongs into the agent's own container"):
        cgroup.read(laid(tmp_path, GENERAL))


def test_cpu_is_the_share_of_the_limit_between_two_readings(tmp_path: Path) -> None:
    root = laid(tmp_path, NEWER)
    now = 100.0
    usage = Usage("build", "cleo", lambda: cgroup.read(root), clock=lambda: now)

    now = 110.0
    laid(root, {"sys/fs/cgroup/cpu.stat": "usage_usec 5000000\n"})
    registry = usage.registry()

    labels = {"workflow": "build", "agent": "cleo"}
    assert registry.get_sample_value("workflow_detailed_cpu_usage_percent", labels) == 50.0
    assert (
        registry.get_sample_value("workflow_detailed_memory_usage_bytes", labels | {"type": "available"}) == 1_300_000
    )
    assert registry.get_sample_value("workflow_disk_io_bytes_total", labels | {"type": "write"}) == 22
    assert registry.get_sample_value("workflow_network_io_bytes_total", labels | {"type": "received"}) == 1050


def test_what_is_named_total_is_a_counter(tmp_path: Path) -> None:
    root = laid(tmp_path, OLDER)

    kinds = {family.name: family.type for family in Usage("build", "cleo", lambda: cgroup.read(root)).collect()}

    assert kinds == {
        "workflow_detailed_cpu_usage_percent": "gauge",
        "workflow_detailed_memory_usage_bytes": "gauge",
        "workflow_disk_io_bytes": "counter",
        "workflow_network_io_bytes": "counter",
    }
