"""`receiver agent health|synthetic|resources`: options, environment, signals and exit codes.

Exit codes: 0 done or stopped when asked to, 1 failed or unhealthy, 2 wrong usage or configuration.
"""

import argparse
import json
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from receiver.agent import cgroup
from receiver.agent.board import Round
from receiver.agent.checks import assemble, read_checks
from receiver.agent.health import Health
from receiver.agent.listen import figures, listening
from receiver.agent.push import push, withdraw
from receiver.agent.resources import JOB, Usage
from receiver.agent.run import Commands, one_line
from receiver.agent.synthetic import JOB as SYNTHETIC, place, registry_of, visit
from receiver.agent.trouble import AgentError, AgentMisused

_LOG: Final = logging.getLogger(__name__)

_LENGTH: Final = re.compile(r"(\d{1,6})(s|m)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the three commands, and give its exit code.

    Args:
        arguments: Behind `receiver agent`; None for those of this process.
    """
    asked = _parser(os.environ).parse_args(sys.argv[2:] if arguments is None else arguments)
    _set_up_log()
    try:
        code: int = asked.work(asked)
    except AgentError as error:
        sys.stderr.write(f"receiver: {error}\n")
        return 2 if isinstance(error, AgentMisused) else 1
    return code


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="receiver agent", description="What runs beside the agents.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    agent = environment.get("AGENT_TYPE") or "unknown"
    gateway = environment.get("PUSHGATEWAY") or "pushgateway:9091"

    health = commands.add_parser("health", help="Answer /health and /metrics of an agent.")
    health.set_defaults(work=_health)
    health.add_argument("--agent", default=agent, help="Its type; else AGENT_TYPE.")
    health.add_argument("--checks", type=Path, metavar="FILE", help="More checks, in YAML.")
    health.add_argument("--fresh", type=_length, default="10s", help="How long a finding is given again.")
    health.add_argument("--once", action="store_true", help="Look once, say what was found, and end: 1 when unhealthy.")
    _add_address(health)

    synthetic = commands.add_parser("synthetic", help="Ask every agent once, and push what was found.")
    synthetic.set_defaults(work=_synthetic)
    synthetic.add_argument("--agent", action="append", metavar="TYPE[=URL]", help="Else AGENTS, else rex cleo tess.")
    synthetic.add_argument("--pushgateway", default=gateway, help="Else PUSHGATEWAY; empty for none.")
    synthetic.add_argument("--instance", default=environment.get("INSTANCE") or "synthetic", help="Who pushes.")

    resources = commands.add_parser("resources", help="Tell what the container of an agent uses.")
    resources.set_defaults(work=_resources)
    resources.add_argument("--agent", default=agent, help="Its type; else AGENT_TYPE.")
    resources.add_argument(
        "--workflow", default=environment.get("WORKFLOW_NAME") or "unknown", help="Else WORKFLOW_NAME."
    )
    resources.add_argument("--push", action="store_true", help="Push instead of being scraped.")
    resources.add_argument("--pushgateway", default=gateway, help="Where to; else PUSHGATEWAY.")
    resources.add_argument(
        "--instance", default=environment.get("INSTANCE") or socket.gethostname(), help="Who pushes."
    )
    resources.add_argument("--interval", type=_length, default="30s", help="Between two pushes.")
    resources.add_argument(
        "--root", type=Path, default=Path("/"), help="Under which proc and sys of the container lie."
    )
    _add_address(resources)
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="0.0.0.0", help="Where to listen.")  # noqa: S104 - the kubelet and Prometheus come from elsewhere
    parser.add_argument("--port", type=int, default=8080, help="0 for any that is free.")


def _health(asked: argparse.Namespace) -> int:
    configured = read_checks(asked.checks) if asked.checks else ()
    workspace = os.environ.get("WORKSPACE_PATH") or "/workspace"
    commands = Commands(os.environ, folder=workspace if Path(workspace).is_dir() else None)
    health = Health(asked.agent, assemble(asked.agent, os.environ, commands, configured), fresh=asked.fresh)
    if asked.once:
        return _conclude(health.board.look())
    with _until_stopped() as stopped, listening(asked.host, asked.port, health.pages) as port:
        _LOG.info("health of agent %s is told on port %d", asked.agent, port)
        stopped.wait()
        commands.stop()
    return 0


def _synthetic(asked: argparse.Namespace) -> int:
    named = asked.agent or os.environ.get("AGENTS", "").split() or ["rex", "cleo", "tess"]
    found = visit([place(one) for one in named])
    code = _conclude(found)
    if asked.pushgateway:
        push(asked.pushgateway, SYNTHETIC, {"instance": asked.instance}, registry_of(found))
    return code


def _resources(asked: argparse.Namespace) -> int:
    usage = Usage(asked.workflow, asked.agent, partial(cgroup.read, asked.root))
    registry = usage.registry()
    with _until_stopped() as stopped:
        if not asked.push:
            with listening(asked.host, asked.port, {"/metrics": figures(registry)}) as port:
                _LOG.info("usage of workflow %s is told on port %d", asked.workflow, port)
                stopped.wait()
            return 0
        key = {"instance": asked.instance}
        while not stopped.wait(asked.interval.total_seconds()):
            try:
                push(asked.pushgateway, JOB, key, registry)
            except AgentError as error:
                _LOG.warning("%s It is tried again in %s", error, asked.interval)
        withdraw(asked.pushgateway, JOB, key)
    return 0


@contextmanager
def _until_stopped() -> Iterator[Event]:
    """Give an event that Ctrl-C and SIGTERM set; a second one ends the process at once."""
    stopped = Event()

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(found: Round) -> int:
    """Say what was found, one line each, and give the exit code."""
    for name in found.names:
        reason = found.failures.get(name)
        sys.stdout.write(f"{'FAILED' if reason else 'ok':6}  {name}{f': {reason}' if reason else ''}\n")
    return 0 if found.healthy else 1


def _length(text: str) -> timedelta:
    found = _LENGTH.fullmatch(text)
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 30s or 5m")
    return timedelta(**{{"s": "seconds", "m": "minutes"}[found[2]]: int(found[1])})


def _set_up_log() -> None:
    """Log as the service does: readable on a terminal, JSON everywhere else."""
    handler = logging.StreamHandler(sys.stderr)
    if not sys.stderr.isatty():
        handler.setFormatter(_Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Write one record as a line of JSON."""
        said = {
            "event": one_line(record.getMessage()),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(said)
