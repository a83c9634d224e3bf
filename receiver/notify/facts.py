"""What a template may say: the facts of one incident, typed, cleaned and bounded.

The names here are the vocabulary of templates, documented in docs/notifications.md. Every text is one line of printable
characters (see `receiver.notify.words`), and none is escaped: the template's language does that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from receiver.model.finding import FindingState
from receiver.model.incident import Occurrence
from receiver.model.remediation import Run
from receiver.notify import account
from receiver.notify.situation import Situation
from receiver.notify.words import clean, cut, weblink

MOST: Final = 20
"""Alerts, remediations and lines of a log that a template can see; `alert_count` counts all alerts."""
MOST_LABELS: Final = 50
"""Labels, or annotations, of one alert that it can see, the first ones by name."""
LONGEST: Final = 3_000
"""Characters of one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFacts:
    """The incident. `owner` is empty where it belongs to nobody, `url` to its timeline where there is no public one."""

    id: int
    title: str
    state: str
    severity: str
    cluster: str
    namespace: str
    workflow: str
    agent: str
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_by: str
    owner: str
    flaps: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """One alert; `status` is `firing` or `resolved`, `url` leads to its expression and is empty where nowhere."""

    name: str
    status: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One remediation; `text` says what it came to, `steps` what it has tried."""

    id: int
    playbook: str
    mode: str
    state: str
    outcome: str
    text: str
    steps: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """Where to look further."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a template may name.

    Attributes:
        firing: Whether anything fires.
        labels: Those of the worst alert, with the incident's severity: by these it is routed.
        annotations: Those of the worst alert.
        alerts: Those that fire first, then by severity and age.
        alert_count: How many there are in all.
        runs: Newest last.
        status: How bad it is and since when, one sentence.
        deed: What Receiver did, does or did not do.
        advice: What a person has to do; empty where nothing.
        refusals: Why playbooks did nothing, each reason once.
        findings: What was found around it, by source: `workflow`, `pods`, `events`, `past` and others.
        gaps: What could not be looked at.
        log: The last lines of the failing container.
        links: Such as Argo's page and the expression.
        now: When it is said.
    """

    incident: IncidentFacts
    firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    alerts: Sequence[AlertFacts]
    alert_count: int
    runs: Sequence[RunFacts]
    status: str
    deed: str
    advice: str
    refusals: Sequence[str]
    findings: Mapping[str, str]
    gaps: Sequence[str]
    log: Sequence[str]
    links: Sequence[LinkFacts]
    now: datetime


def facts_of(situation: Situation, public_url: str | None) -> Facts:
    """Gather what a template may say of an incident."""
    alerts = situation.alerts
    findings = account.newest_findings(situation)
    known = {source: one for source, one in findings.items() if one.state is FindingState.FOUND}
    log, links = known.get("log"), known.get("links")
    lines = log.detail.get("lines") if log else None
    found = ((_text(str(name), 60), weblink(str(url))) for name, url in (links.detail.items() if links else ()))
    return Facts(
        incident=_incident(situation, public_url),
        firing=situation.fires,
        labels=_texts(situation.labels),
        annotations=_texts(alerts[0].annotations if alerts else {}),
        alerts=[_alert(one) for one in alerts[:MOST]],
        alert_count=len(alerts),
        runs=[_run(run) for run in sorted(situation.story.runs, key=lambda run: run.id)[-MOST:]],
        status=account.status(situation),
        deed=account.deed(situation),
        advice=account.advice(situation),
        refusals=[account.refusal(alike[0]) for alike in account.distinct_refusals(situation).values()][:MOST],
        findings={_text(source, 60): _text(one.summary) for source, one in known.items() if source not in _APART},
        gaps=account.gaps(situation)[:MOST],
        log=[_text(str(line), 500) for line in lines[-MOST:]] if isinstance(lines, list | tuple) else [],
        links=[LinkFacts(text=text, url=url) for text, url in found if url][:MOST],
        now=situation.now,
    )


_APART: Final = frozenset({"log", "links"})


def _incident(situation: Situation, public_url: str | None) -> IncidentFacts:
    incident = situation.story.incident
    subject = incident.subject
    return IncidentFacts(
        id=incident.id,
        title=_text(incident.title) or f"Incident {incident.id}",
        state=incident.state.value,
        severity=_text(situation.severity, 60),
        cluster=_text(subject.cluster),
        namespace=_text(subject.namespace),
        workflow=_text(subject.workflow),
        agent=_text(subject.agent),
        opened_at=incident.opened_at,
        closed_at=incident.closed_at,
        acknowledged_by=_text(incident.acknowledged_by),
        owner=_text(situation.owner),
        flaps=incident.flaps,
        url=f"{public_url.rstrip('/')}/api/v1/incidents/{incident.id}/timeline" if public_url else "",
    )


def _alert(alert: Occurrence) -> AlertFacts:
    return AlertFacts(
        name=_text(alert.alertname),
        status=alert.status.value,
        severity=_text(alert.severity, 60),
        labels=_texts(alert.labels),
        annotations=_texts(alert.annotations),
        starts_at=alert.starts_at,
        url=weblink(alert.generator_url),
    )


def _run(run: Run) -> RunFacts:
    return RunFacts(
        id=run.id,
        playbook=_text(run.playbook),
        mode=run.mode.value,
        state=run.state.value,
        outcome=run.outcome.value if run.outcome else "",
        text=account.deed_of(run),
        steps=account.steps_of(run)[-MOST:],
    )


def _texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {_text(name, 200): _text(value) for name, value in sorted(texts.items())[:MOST_LABELS]}


def _text(text: str, longest: int = LONGEST) -> str:
    return cut(clean(text), longest)
