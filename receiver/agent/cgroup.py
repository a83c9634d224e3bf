"""The figures of one's own container, from the files of its control group, of version 1 and of version 2.

psutil and `/proc` tell of the node; what a container may use and has used stands here only. The network is that of the
pod, since each pod has one of its own. Files: https://docs.kernel.org/admin-guide/cgroup-v2.html and
https://docs.kernel.org/admin-guide/cgroup-v1/
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from receiver.agent.trouble import AgentError

_UNLIMITED: Final = 1 << 60
"""Version 1 writes the largest number of pages where there is no limit; no machine has so many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a container has used until now.

    Attributes:
        cpu: Time of CPU since it began.
        cores: How many cores it may use; None where nothing limits it.
        memory_used: Bytes that cannot be taken back: without the file cache that nobody uses, as the kubelet counts.
        memory_limit: Bytes that it may use: its limit, else what the machine has.
        disk_read: Bytes since it began.
        disk_written: Bytes since it began.
        received: Bytes over all interfaces of the pod but the loopback.
        sent: Bytes likewise.
    """

    cpu: timedelta
    cores: float | None
    memory_used: int
    memory_limit: int
    disk_read: int
    disk_written: int
    received: int
    sent: int


def read(root: Path) -> Reading:
    """Read all figures.

    Args:
        root: Under which `proc` and `sys` of the container lie; `/` for one's own.

    Raises:
        AgentError: There are none, such as outside a container or on another system than Linux.
    """
    try:
        groups = _groups(root)
        newer = (root / "sys/fs/cgroup/cgroup.controllers").exists()
        return _read_newer(root, groups.get("", "/")) if newer else _read_older(root, groups)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise AgentError(
            f"the control group of this container cannot be read below {root}: {error}. `receiver agent resources` "
            "belongs into the agent's own container, on Linux"
        ) from error


def _read_newer(root: Path, path: str) -> Reading:
    group = _own(root / "sys/fs/cgroup", path, "memory.current")
    disk = [dict(pair.split("=", 1) for pair in line.split()[1:]) for line in _lines(group / "io.stat")]
    quota, _, period = _text(group / "cpu.max", otherwise="max 100000").partition(" ")
    limit = _text(group / "memory.max", otherwise="max")
    received, sent = _network(root)
    return Reading(
        cpu=timedelta(microseconds=_named(group / "cpu.stat")["usage_usec"]),
        cores=None if quota == "max" else int(quota) / int(period),
        memory_used=_without(int(_text(group / "memory.current")), _named(group / "memory.stat").get("inactive_file")),
        memory_limit=_machine(root) if limit == "max" else min(int(limit), _machine(root)),
        disk_read=sum(int(one.get("rbytes", 0)) for one in disk),
        disk_written=sum(int(one.get("wbytes", 0)) for one in disk),
        received=received,
        sent=sent,
    )


def _read_older(root: Path, groups: dict[str, str]) -> Reading:
    def folder(controller: str, file: str) -> Path:
        return _own(root / "sys/fs/cgroup" / controller, groups.get(controller, "/"), file)

    accounts = folder("cpuacct", "cpuacct.usage")
    cpu = folder("cpu", "cpu.cfs_quota_us")
    memory = folder("memory", "memory.usage_in_bytes")
    quota = int(_text(cpu / "cpu.cfs_quota_us"))
    limit = int(_text(memory / "memory.limit_in_bytes"))
    block = folder("blkio", "blkio.throttle.io_service_bytes")
    disk = [line.split() for line in _lines(block / "blkio.throttle.io_service_bytes_recursive")]
    disk = disk or [line.split() for line in _lines(block / "blkio.throttle.io_service_bytes")]
    inactive = _named(memory / "memory.stat").get("total_inactive_file")
    received, sent = _network(root)
    return Reading(
        cpu=timedelta(microseconds=int(_text(accounts / "cpuacct.usage")) // 1000),
        cores=quota / int(_text(cpu / "cpu.cfs_period_us")) if quota > 0 else None,
        memory_used=_without(int(_text(memory / "memory.usage_in_bytes")), inactive),
        memory_limit=_machine(root) if limit >= _UNLIMITED else min(limit, _machine(root)),
        disk_read=sum(int(words[2]) for words in disk if words[1:2] == ["Read"]),
        disk_written=sum(int(words[2]) for words in disk if words[1:2] == ["Write"]),
        received=received,
        sent=sent,
    )


def _groups(root: Path) -> dict[str, str]:
    """Give the path of one's own group for each controller; that of version 2 has no name."""
    found: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _own(mount: Path, path: str, file: str) -> Path:
    """Find the folder of one's own group.

    A container mostly sees its group as the root of the mount, while the path names it as the node does; where the
    whole tree is mounted, the path leads there.
    """
    below = mount / path.lstrip("/")
    return below if ".." not in path and (below / file).exists() else mount


def _network(root: Path) -> tuple[int, int]:
    received = sent = 0
    for line in _lines(root / "proc/self/net/dev")[2:]:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            columns = numbers.split()
            received += int(columns[0])
            sent += int(columns[8])
    return received, sent


def _machine(root: Path) -> int:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise ValueError("proc/meminfo does not say how much memory there is")


def _without(used: int, inactive: int | None) -> int:
    return max(0, used - (inactive or 0))


def _named(file: Path) -> dict[str, int]:
    return {words[0]: int(words[1]) for words in map(str.split, _lines(file))}


def _text(file: Path, *, otherwise: str | None = None) -> str:
    if otherwise is not None and not file.exists():
        return otherwise
    return file.read_text(encoding="ascii").strip()


def _lines(file: Path) -> list[str]:
    """Read the lines of a file; a controller that is not switched on has none."""
    return file.read_text(encoding="ascii").splitlines() if file.exists() else []
