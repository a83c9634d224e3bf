"""The synthetic check: asks every agent as a stranger would, and pushes what it found."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from receiver.agent.board import Board, Check, Round
from receiver.agent.http import ask
from receiver.agent.run import one_line
from receiver.agent.trouble import AgentMisused, CheckFailed

JOB: Final = "synthetic-health-checks"

LIMIT: Final = timedelta(seconds=10)
"""Of each agent: its own checks may take half of it."""

_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An agent, and where its health is told."""

    agent: str
    url: str


def place(text: str) -> Place:
    """Read `rex` or `rex=http://elsewhere:8080`; the former stands for `http://rex-agent:8080`.

    Raises:
        AgentMisused: It is neither.
    """
    agent, _, url = text.partition("=")
    url = url or f"http://{agent}-agent:8080"
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", agent) or not url.startswith(("http://", "https://")):
        raise AgentMisused(f"{text!r} names no agent; write rex, or rex=http://rex-agent:8080")
    return Place(agent=agent, url=f"{url.rstrip('/')}/health")


def visit(places: Sequence[Place]) -> Round:
    """Ask all agents at once, each once."""
    checks = [Check(name=one.agent, look=_Visitor(one), limit=LIMIT) for one in places]
    return Board(checks, fresh=timedelta()).look()


def registry_of(found: Round) -> CollectorRegistry:
    """Put what was found into figures."""
    registry = CollectorRegistry()
    gauge = Gauge("synthetic_health_check_status", "Synthetic health check status", ["agent_type"], registry=registry)
    for agent, healthy in found.checks.items():
        gauge.labels(agent).set(float(healthy))
    return registry


def judge(agent: str, status: int, body: bytes) -> None:
    """Judge what an agent said of itself: all four fields, and by the right agent.

    Raises:
        CheckFailed: It is unhealthy, or this is no answer of such an agent.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        text = one_line(body[:200].decode(errors="replace"))
        raise CheckFailed(f"it answered {status}, and no JSON: {text}") from None
    if not isinstance(said, dict):
        raise CheckFailed(f"it answered {status}, and JSON that is no object")
    missing = [name for name in ("status", "timestamp", "checks", "agent_type") if name not in said]
    if missing:
        raise CheckFailed(f"it answered {status} without {', '.join(missing)}")
    checks = said["checks"]
    if not isinstance(checks, dict) or not _is_time(said["timestamp"]):
        raise CheckFailed(f"it answered {status}, and its checks or its timestamp cannot be read")
    if said["agent_type"] != agent:
        raise CheckFailed(f"at its address answers another agent: {one_line(str(said['agent_type']))}")
    if status != _OK or said["status"] != "healthy":
        failing = ", ".join(one_line(str(name)) for name, passed in checks.items() if passed is not True)
        raise CheckFailed(f"it says that it is unhealthy ({status}): {failing or 'no check is named'}")


@dataclass(frozen=True, slots=True)
class _Visitor:
    """Asks one agent."""

    place: Place

    def __call__(self, limit: timedelta) -> None:
        """Ask, and judge the answer."""
        answer = ask(self.place.url, limit)
        judge(self.place.agent, answer.status, answer.body)


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(datetime.fromisoformat(text))
    except ValueError:
        return False
