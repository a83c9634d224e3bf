"""The health endpoint of an agent: `/health` for the kubelet and the synthetic check, `/metrics` for Prometheus."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from receiver.agent.board import Board, Check, Round
from receiver.agent.listen import Page, Pages, figures

_LOG: Final = logging.getLogger(__name__)

_OK: Final = 200
_UNAVAILABLE: Final = 503


class Health:
    """What an agent says of its health.

    Args:
        agent: Its type, such as `rex`.
        checks: What is looked at.
        fresh: How long what was found answers for the present.
    """

    def __init__(self, agent: str, checks: list[Check], *, fresh: timedelta) -> None:
        self._agent: Final = agent
        self._told: dict[str, str] = {}
        self._registry: Final = CollectorRegistry()
        self._requests: Final = Counter(
            "agent_health_check_requests_total",
            "Health check requests",
            ["agent_type", "status"],
            registry=self._registry,
        )
        self._duration: Final = Histogram(
            "agent_health_check_duration_seconds", "Health check duration", ["agent_type"], registry=self._registry
        )
        self.board: Final = Board(checks, fresh=fresh, heard=self._hear)
        self._registry.register(_Standing(agent, self.board))

    @property
    def pages(self) -> Pages:
        """What is answered, by path."""
        return {"/health": self._page, "/metrics": figures(self._registry)}

    def _page(self, _: str) -> Page:
        found = self.board.look()
        status = "healthy" if found.healthy else "unhealthy"
        self._requests.labels(self._agent, status).inc()
        said = {
            "status": status,
            "timestamp": found.at.isoformat().replace("+00:00", "Z"),
            "checks": found.checks,
            "agent_type": self._agent,
        }
        return Page(
            status=_OK if found.healthy else _UNAVAILABLE,
            content_type="application/json",
            body=json.dumps(said).encode(),
        )

    def _hear(self, found: Round) -> None:
        """Count a round, and log what is no longer as it was."""
        self._duration.labels(self._agent).observe(found.took.total_seconds())
        for name in found.names:
            reason = found.failures.get(name, "")
            if reason and name not in self._told:
                _LOG.warning("check %s of agent %s fails: %s", name, self._agent, reason)
            elif not reason and name in self._told:
                _LOG.warning("check %s of agent %s passes again", name, self._agent)
        self._told = dict(found.failures)


class _Standing(Collector):
    """The gauge of each check, looked at when it is asked for, so that no scrape shows an old truth."""

    def __init__(self, agent: str, board: Board) -> None:
        self._agent: Final = agent
        self._board: Final = board

    def describe(self) -> list[GaugeMetricFamily]:
        """Name the gauge without looking."""
        return [self._gauge()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look, and give 1 for each check that passes."""
        gauge = self._gauge()
        for name, passed in self._board.look().checks.items():
            gauge.add_metric([self._agent, name], float(passed))
        yield gauge

    def _gauge(self) -> GaugeMetricFamily:
        return GaugeMetricFamily("agent_health_status", "Agent health status", labels=["agent_type", "check_name"])
