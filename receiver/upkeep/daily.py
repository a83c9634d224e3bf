"""Once a day: whether the agents, the workflows, Prometheus and Alertmanager are as they ought to be.

All is asked at once. Who does not answer is said in its line and fails the report, and the others are judged all the
same. An answer without a figure that ought to be there fails too: a rule that is not loaded must not look like quiet.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from receiver.clients.alertmanager import AlertmanagerClient, HeldAlert, Silence, SilenceState
from receiver.clients.metrics import PrometheusClient, Sample
from receiver.model.duration import format_duration
from receiver.model.errors import ReceiverError
from receiver.model.incident import LabelNames
from receiver.model.report import Line, Report, human, judged, off, unknown
from receiver.settings.upkeep import Daily as Limits
from receiver.upkeep.looking import tried

_NAMED: Final = 10
"""Most particulars of one line."""

_STUCK: Final = "workflow:stuck_count"
_STUCK_ONES: Final = 'ALERTS{alertname="WorkflowStuckDetection", alertstate="firing"}'
_HEARD: Final = "time() - min(receiver_exporter_confirmed_timestamp_seconds)"
_CPU: Final = "workflow_cpu_usage_percent"
_VOLUMES: Final = "workflow_pvc_usage_percent"
_SAMPLES: Final = "sum by (job, instance) (prometheus_tsdb_head_samples_appended_total)"
_RATE: Final = "sum by (job, instance) (rate(prometheus_tsdb_head_samples_appended_total[5m]))"
# Many programs have this figure; Prometheus is the one that appends samples.
_MEMORY: Final = (
    "process_resident_memory_bytes and on (job, instance) "
    "group by (job, instance) (prometheus_tsdb_head_samples_appended_total)"
)

_PROMETHEUS: Final = "see that Prometheus answers at prometheus.url"
_RULES: Final = "load alertmanager/rules into Prometheus, and see that it scrapes the exporter"
_ITSELF: Final = "let Prometheus scrape itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Whoever looks.

    Attributes:
        limits: What is called good.
        agents: Asks each configured agent; gives by its name what is wrong with it, empty where nothing is.
        prometheus: Who knows the figures; None where none is configured.
        alertmanagers: Each peer.
        names: Which alerts always fire.
        now: The clock.
    """

    limits: Limits
    agents: Callable[[], Awaitable[Mapping[str, str]]]
    prometheus: PrometheusClient | None
    alertmanagers: Sequence[AlertmanagerClient]
    names: LabelNames
    now: Callable[[], datetime]

    async def report(self) -> Report:
        """Look at everything, and judge it. What cannot be looked at is a line of its own kind, and no error."""
        parts = await asyncio.gather(self._agents(), self._figures(), self._alerting())
        return Report(name="daily", at=self.now(), lines=[line for part in parts for line in part])

    async def _agents(self) -> list[Line]:
        return agent_lines(await self.agents())

    async def _figures(self) -> list[Line]:
        prometheus = self.prometheus
        if prometheus is None:
            return [off("prometheus", "prometheus.url is not set: nothing of workflows and volumes is judged")]
        looks = {
            "prometheus": self._healthy(prometheus),
            "exporter": self._exporter(prometheus),
            "stuck workflows": self._stuck(prometheus),
            "busy workflows": self._busy(prometheus),
            "full volumes": self._volumes(prometheus),
            "samples of Prometheus": self._samples(prometheus),
            "samples a second": self._rate(prometheus),
            "memory of Prometheus": self._memory(prometheus),
        }
        lines = await asyncio.gather(*(tried(subject, look, advice=_PROMETHEUS) for subject, look in looks.items()))
        return [line for some in lines for line in some]

    async def _healthy(self, prometheus: PrometheusClient) -> list[Line]:
        await prometheus.healthy()
        return [judged("prometheus", "healthy", good=True, limit="healthy", advice=_PROMETHEUS)]

    async def _exporter(self, prometheus: PrometheusClient) -> list[Line]:
        limit = self.limits.fresh
        return worst_line(
            "exporter",
            await prometheus.ask(_HEARD),
            most=limit.total_seconds(),
            limit=f"heard of the cluster within {format_duration(limit)}",
            said=lambda seconds: f"heard of it {seconds:.0f} s ago",
            advice="look at the log of `receiver exporter`: no figure of workflows can be trusted",
            absent=_RULES,
        )

    async def _stuck(self, prometheus: PrometheusClient) -> list[Line]:
        count, firing = await asyncio.gather(prometheus.ask(_STUCK), prometheus.ask(_STUCK_ONES))
        return worst_line(
            "stuck workflows",
            count,
            most=self.limits.stuck,
            limit=f"at most {self.limits.stuck}",
            said=lambda stuck: f"{stuck:.0f}",
            advice="receiver incidents list; docs/runbooks/WorkflowStuckDetection.md",
            absent=_RULES,
            details=sorted(_place(one) for one in firing)[:_NAMED],
        )

    async def _busy(self, prometheus: PrometheusClient) -> list[Line]:
        limits = self.limits
        return [busy_line(await prometheus.ask(_CPU), percent=limits.cpu_percent, most=limits.busy)]

    async def _volumes(self, prometheus: PrometheusClient) -> list[Line]:
        return [volumes_line(await prometheus.ask(_VOLUMES), percent=self.limits.volume_percent)]

    async def _samples(self, prometheus: PrometheusClient) -> list[Line]:
        return least_line("samples of Prometheus", await prometheus.ask(_SAMPLES), said=lambda all_: f"{all_:,.0f}")

    async def _rate(self, prometheus: PrometheusClient) -> list[Line]:
        return least_line("samples a second", await prometheus.ask(_RATE), said=lambda rate: f"{rate:,.1f}")

    async def _memory(self, prometheus: PrometheusClient) -> list[Line]:
        most = self.limits.prometheus_bytes
        return worst_line(
            "memory of Prometheus",
            await prometheus.ask(_MEMORY),
            most=most,
            limit=f"at most {human(most)}",
            said=lambda size: human(int(size)),
            advice="find out which metric has most series: /api/v1/status/tsdb of Prometheus",
            absent=_ITSELF,
        )

    async def _alerting(self) -> list[Line]:
        if not self.alertmanagers:
            return [off("alertmanager", "alertmanager.url is not set: neither alerts nor silences are judged")]
        parts = await asyncio.gather(*(self._peer(peer) for peer in self.alertmanagers))
        lines = [line for part in parts for line in part.lines]
        if not all(part.answered for part in parts):
            advice = "see that each Alertmanager answers"
            missing = "not every Alertmanager says what it has"
            return [*lines, *(unknown(one, missing, limit="known", advice=advice) for one in _ALERTING)]
        # Peers tell each other of silences, and Prometheus tells each of alerts: none is counted twice.
        alerts = {one.alert.fingerprint: one for part in parts for one in part.alerts}
        silences = {one.id: one for part in parts for one in part.silences}
        firing = [one for one in alerts.values() if not self.names.is_watchdog(one.alert.labels)]
        return [
            *lines,
            *alert_lines(firing, self.limits),
            silences_line(silences.values(), self.limits, self.now()),
        ]

    async def _peer(self, peer: AlertmanagerClient) -> "_Peer":
        subject = f"alertmanager {peer.url}"
        try:
            status, alerts, silences = await asyncio.gather(peer.status(), peer.alerts(), peer.silences())
        except ReceiverError as error:
            line = unknown(subject, str(error), limit="answers", advice="see that it answers at alertmanager.url")
            return _Peer(lines=[line])
        value = f"version {status.version}, {len(status.peers)} in its cluster"
        line = judged(subject, value, good=True, limit="answers", advice="")
        return _Peer(lines=[line], answered=True, alerts=alerts, silences=silences)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peer:
    """What one Alertmanager said."""

    lines: list[Line]
    answered: bool = False
    alerts: Sequence[HeldAlert] = ()
    silences: Sequence[Silence] = ()


_ALERTING: Final = ("alerts", "critical alerts", "silences")


def agent_lines(wrong: Mapping[str, str]) -> list[Line]:
    """Judge each agent by what is wrong with it."""
    if not wrong:
        return [off("agents", "agents is not set: no agent is asked")]
    advice = "docs/runbooks/AgentHealthCheckFailing.md"
    return [
        judged(f"agent {agent}", why or "healthy", good=not why, limit="healthy", advice=advice)
        for agent, why in wrong.items()
    ]


def worst_line(
    subject: str,
    found: Sequence[Sample],
    *,
    most: float,
    limit: str,
    said: Callable[[float], str],
    advice: str,
    absent: str,
    details: Sequence[str] = (),
) -> list[Line]:
    """Judge the greatest of some figures; *absent* says what to do where there is none."""
    if not found:
        return [unknown(subject, "Prometheus has no such figure", limit=limit, advice=absent)]
    worst = max(one.value for one in found)
    # What is not a number is not within any limit.
    good = all(one.value <= most for one in found)
    return [judged(subject, said(worst), good=good, limit=limit, advice=advice, details=details)]


def least_line(subject: str, found: Sequence[Sample], *, said: Callable[[float], str]) -> list[Line]:
    """Judge by the least of some figures whether each Prometheus takes samples in."""
    if not found:
        return [unknown(subject, "Prometheus has no such figure", limit="more than 0", advice=_ITSELF)]
    good = all(one.value > 0 for one in found)
    details = [f"{said(one.value)} by {one.labels.get('instance', 'it')}" for one in found] if len(found) > 1 else []
    least = said(min(one.value for one in found))
    advice = "look at its targets and its log: it takes nothing in"
    return [judged(subject, least, good=good, limit="more than 0", advice=advice, details=details)]


def busy_line(found: Sequence[Sample], *, percent: float, most: int) -> Line:
    """Judge how many workflows use more CPU than they ought to."""
    busy = sorted((one for one in found if not one.value <= percent), key=lambda one: -one.value)
    return judged(
        "busy workflows",
        f"{len(busy)} of {len(found)} use over {percent:g} % of their CPU",
        good=len(busy) <= most,
        limit=f"at most {most}",
        advice="docs/runbooks/WorkflowHighCPU.md",
        details=[f"{one.value:.0f} % {_place(one)}" for one in busy[:_NAMED]],
    )


def volumes_line(found: Sequence[Sample], *, percent: float) -> Line:
    """Judge how full the fullest volumes are."""
    full = sorted((one for one in found if not one.value <= percent), key=lambda one: -one.value)
    return judged(
        "full volumes",
        f"{len(full)} of {len(found)} are over {percent:g} %",
        good=not full,
        limit="0",
        advice="docs/runbooks/WorkflowPVCUsageHigh.md",
        details=[
            f"{one.value:.0f} % {one.labels.get('namespace', '?')}/{one.labels.get('pvc_name', '?')}"
            for one in full[:_NAMED]
        ],
    )


def alert_lines(firing: Sequence[HeldAlert], limits: Limits) -> list[Line]:
    """Judge how many alerts fire, and how many of them are critical; each by its name."""
    critical = [one for one in firing if one.alert.labels.get("severity") == "critical"]
    return [
        judged(
            subject,
            str(len(some)),
            good=len(some) <= most,
            limit=f"at most {most}",
            advice="receiver alerts list --status firing",
            details=_by_name(some),
        )
        for subject, some, most in (("alerts", firing, limits.alerts), ("critical alerts", critical, limits.critical))
    ]


def silences_line(silences: Iterable[Silence], limits: Limits, now: datetime) -> Line:
    """Judge how many silences there are, and how long they still last."""
    holding = sorted((one for one in silences if one.state is not SilenceState.EXPIRED), key=lambda one: one.ends_at)
    longest = format_duration(holding[-1].ends_at - now) if holding else ""
    return judged(
        "silences",
        f"{len(holding)}, the last ends in {longest}" if holding else "0",
        good=len(holding) <= limits.silences and all(one.ends_at - now <= limits.silenced_for for one in holding),
        limit=f"at most {limits.silences}, each ends within {format_duration(limits.silenced_for)}",
        advice="receiver silences list; receiver silences expire ID",
        details=[
            f"{', '.join(str(one) for one in silence.matchers)} until {silence.ends_at:%Y-%m-%d %H:%M} "
            f"by {silence.creator}: {silence.comment}"
            for silence in holding[-_NAMED:]
        ],
    )


def _by_name(held: Iterable[HeldAlert]) -> list[str]:
    counted = Counter(one.alert.labels.get("alertname", "without a name") for one in held)
    return [f"{count} {name}" for name, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))][:_NAMED]


def _place(one: Sample) -> str:
    return f"{one.labels.get('namespace', '?')}/{one.labels.get('workflow_name', '?')}"
