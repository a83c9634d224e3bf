"""Which checks an agent has: the four that every agent tells, and those that its team adds."""

import errno
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from receiver.agent.board import Check
from receiver.agent.http import ask
from receiver.agent.run import Commands, one_line
from receiver.agent.trouble import AgentMisused, CheckFailed

LIMIT: Final = timedelta(seconds=5)
"""Of each check, unless its own is configured: half of what Prometheus waits for a scrape."""

_CARGO: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "rex": (),
    "cleo": (("cargo", "--version"), ("cargo", "fmt", "--version"), ("cargo", "clippy", "--version")),
    "tess": (("cargo", "--version"), ("cargo", "test", "--help")),
}
"""What each agent does with Rust; rex does nothing with it, and an agent of another type needs cargo itself."""

_OK: Final = 200
_LENGTH: Final = re.compile(r"(\d{1,6})(ms|s|m)")
_UNITS: Final = {"ms": timedelta(milliseconds=1), "s": timedelta(seconds=1), "m": timedelta(minutes=1)}


class Configured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check of a team: exactly one of `command`, `url` and `writable`."""

    name: str
    """As `check_name` has it; one of the four takes the place of that one."""
    command: tuple[str, ...] | None = None
    """Passes when it ends with 0; run in the workspace, without a shell."""
    url: str | None = None
    """Passes when it answers 200."""
    writable: str | None = None
    """A folder; passes when a file can be written there."""
    agents: tuple[str, ...] | None = None
    """Which agents have it; null means all."""
    limit: str = "5s"

    def __post_init__(self) -> None:
        """Refuse what says nothing, or two things."""
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", self.name):
            raise ValueError(f"a check's name is a word such as gpu_access, not {self.name!r}")
        if sum(one is not None for one in (self.command, self.url, self.writable)) != 1:
            raise ValueError(f"check {self.name} needs exactly one of command, url and writable")
        if self.command == ():
            raise ValueError(f"the command of check {self.name} is empty")
        if not self.length:
            raise ValueError(f"the limit of check {self.name} must be such as 5s, and more than nothing")

    @property
    def length(self) -> timedelta:
        """The limit; nothing where it is not readable."""
        found = _LENGTH.fullmatch(self.limit)
        return int(found[1]) * _UNITS[found[2]] if found else timedelta()


class CheckFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of checks."""

    checks: tuple[Configured, ...] = ()


def read_checks(file: Path) -> tuple[Configured, ...]:
    """Read a file of checks, in YAML or JSON.

    Raises:
        AgentMisused: It cannot be read, or says something else than checks.
    """
    # Only who has such a file pays for the reader.
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        value = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        return msgspec.convert(value or {}, CheckFile).checks
    except (OSError, UnicodeDecodeError, YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise AgentMisused(f"the checks of {file} cannot be used: {one_line(str(error))}") from error


def assemble(
    agent: str, environment: Mapping[str, str], commands: Commands, configured: tuple[Configured, ...] = ()
) -> list[Check]:
    """Give the checks of an agent: the four, and those of its team.

    Args:
        agent: Its type, such as `rex`.
        environment: Of which `WORKSPACE_PATH` and `MCP_SERVER_URL` are read.
        commands: Runs what they start, in the workspace.
        configured: From the team's file; a later one takes the place of an earlier one of the same name.
    """
    workspace = environment.get("WORKSPACE_PATH") or "/workspace"
    server = (environment.get("MCP_SERVER_URL") or "http://mcp-server:8080").rstrip("/")
    cargo = _CARGO.get(agent, (("cargo", "--version"),))
    looks: dict[str, tuple[Callable[[timedelta], None], timedelta]] = {
        "git_access": (lambda limit: commands.run(_git(workspace), limit), LIMIT),
        "workspace_access": (lambda _: _write(workspace), LIMIT),
        "mcp_connection": (lambda limit: _answers(f"{server}/health", limit) if agent == "rex" else None, LIMIT),
        "cargo_tools": (lambda limit: _run_all(commands, cargo, limit), LIMIT),
    }
    for one in configured:
        if one.agents is None or agent in one.agents:
            looks[one.name] = _look(one, commands), one.length
    return [Check(name=name, look=look, limit=limit) for name, (look, limit) in looks.items()]


def _look(one: Configured, commands: Commands) -> Callable[[timedelta], None]:
    command, url, folder = one.command, one.url, one.writable
    if command is not None:
        return lambda limit: commands.run(command, limit)
    if url is not None:
        return lambda limit: _answers(url, limit)
    return lambda _: _write(folder or "")


def _git(workspace: str) -> tuple[str, ...]:
    """Ask for the status: it reads index and head, locks nothing that the agent needs, and runs no program of others.

    The workspace belongs to the agent, whose user may be another one than ours.
    """
    options = ("-c", f"safe.directory={workspace}", "-c", "core.fsmonitor=false", "-C", workspace)
    return ("git", "--no-optional-locks", *options, "status", "--porcelain", "--untracked-files=no")


def _run_all(commands: Commands, all_of: tuple[tuple[str, ...], ...], limit: timedelta) -> None:
    for command in all_of:
        commands.run(command, limit)


def _answers(url: str, limit: timedelta) -> None:
    status = ask(url, limit).status
    if status != _OK:
        raise CheckFailed(f"{url} answered {status}")


def _write(folder: str) -> None:
    """Write a file and put it on the disk: rights say nothing of a read-only mount or a full disk."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".receiver-health-") as file:
            file.write(b"can be removed\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        kind = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise CheckFailed(f"nothing can be written to {folder}: {error.strerror or error} ({kind})") from error
