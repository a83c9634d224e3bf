"""An incident: all alerts about one workflow, else about one Alertmanager group, joined into one story."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from receiver.model.alert import Alert, AlertStatus, Fingerprint
from receiver.model.matcher import Matcher, all_match

NAME_LIMIT: Final = 800
"""Bytes of UTF-8 of a name by which alerts are looked up. Kubernetes' own have 253 at most; three such names, and what
goes with them, fit into one entry of a Postgres index, which has 2,704."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is about, as far as its labels tell; each part empty where they do not."""

    cluster: str = ""
    namespace: str = ""
    workflow: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNames:
    """Which labels mean what, most telling first; the first that an alert carries with a value counts.

    Attributes:
        watchdogs: What the alerts have in common that always fire; none where there are no matchers.
    """

    cluster: Sequence[str] = ("cluster",)
    namespace: Sequence[str] = ("namespace",)
    workflow: Sequence[str] = ("workflow_name", "workflow", "name")
    agent: Sequence[str] = ("agent_type", "agent")
    watchdogs: Sequence[Matcher] = ()

    def is_watchdog(self, labels: Mapping[str, str]) -> bool:
        """Answer whether an alert always fires, so that only its silence means anything."""
        return bool(self.watchdogs) and all_match(self.watchdogs, labels)

    def subject(self, labels: Mapping[str, str]) -> Subject:
        """Read what the labels are about."""
        return Subject(
            cluster=_first_of(labels, self.cluster),
            namespace=_first_of(labels, self.namespace),
            workflow=_first_of(labels, self.workflow),
            agent=_first_of(labels, self.agent),
        )


def incident_key(subject: Subject, group_labels: Mapping[str, str]) -> str:
    """Name the story that an alert belongs to; equal keys are one story while it is open.

    An alert about a workflow is keyed by cluster, namespace and name. Any other is keyed by the labels of its
    Alertmanager group, not by the group key, which changes whenever somebody edits the routing tree.
    """
    if subject.workflow and subject.namespace:
        parts: object = ["workflow", subject.cluster, subject.namespace, subject.workflow]
    else:
        parts = ["group", sorted(group_labels.items())]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class IncidentState(Enum):
    """Whether the story goes on."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    """It turned out to be about the same as an older one, in which it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One story.

    Attributes:
        id: Number, ascending with time.
        key: See `incident_key`.
        state: Open until all alerts are resolved, no run is unfinished and the linger has passed.
        subject: What it is about.
        title: One line for people, from the alerts; hostile text.
        severity: The worst severity label among its alerts, empty where none has one.
        opened_at: Receipt of the first firing.
        closed_at: When it was closed; None while open.
        quiet_since: Since when none of its alerts fires; None while one does.
        flaps: How often it began to fire again within its linger.
        previous_id: The incident of the same key that was closed before this one opened.
        lineage: Root uid of the workflow it is about, once enrichment has bound it.
        acknowledged_by: Who took it on last; empty while nobody has.
        acknowledged_at: When; None while nobody has.
        merged_into: The incident in which it goes on, once it turned out to be about the same workflow.
        part_of: The incident that tells people of it together with others, because a playbook was held back from all of
            them alike; None where it speaks for itself.
    """

    id: int
    key: str
    state: IncidentState
    subject: Subject
    title: str
    severity: str
    opened_at: datetime
    closed_at: datetime | None
    quiet_since: datetime | None
    flaps: int
    previous_id: int | None
    lineage: str
    acknowledged_by: str
    acknowledged_at: datetime | None = None
    merged_into: int | None = None
    part_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One stored occurrence of an alert, as every reader sees it.

    Attributes:
        id: Public id, `YYYYMM-number`: the month of `starts_at` and a number that is unique on its own.
        deliveries: How often it was told.
        firings: How often it began to fire; playbooks decide once for each.
        inferred: Resolved by our own reasoning, not by a delivery.
        last_seen_at: Receipt of the newest telling.
    """

    id: str
    fingerprint: Fingerprint
    status: AlertStatus
    inferred: bool
    subject: Subject
    alertname: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    starts_at_text: str
    ends_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    deliveries: int
    firings: int
    group_key: str
    receiver: str
    generator_url: str
    incident_id: int | None


SEVERITIES: Final = ("critical", "error", "warning", "info")
"""Severity labels that have an order, worst first; any other ranks below them."""

_RANKS: Final = {name: rank for rank, name in enumerate(SEVERITIES)}


def worst(severities: Sequence[str]) -> str:
    """Pick the severity that an incident takes from its alerts."""
    named = [severity for severity in severities if severity]
    return min(named, key=lambda name: _RANKS.get(name, len(_RANKS)), default="")


def clipped(name: str) -> str:
    """Cut a name down to `NAME_LIMIT`, since an index refuses what is longer; the labels keep all of it."""
    if len(name) * 4 <= NAME_LIMIT:
        return name
    return name.encode()[:NAME_LIMIT].decode(errors="ignore")


def sought(name: str | None) -> str | None:
    """Cut a name that is looked up as those were cut that are stored; None, which asks for nothing, stays None."""
    return None if name is None else clipped(name)


def title_of(alert: Alert | Occurrence, subject: Subject) -> str:
    """Say in one line what an incident that begins with this alert is about."""
    name = alert.labels.get("alertname") or "Alert without a name"
    if subject.workflow:
        return f"{name}: {subject.namespace}/{subject.workflow}" if subject.namespace else f"{name}: {subject.workflow}"
    return f"{name}: {alert.annotations['summary']}" if alert.annotations.get("summary") else name


def _first_of(labels: Mapping[str, str], names: Sequence[str]) -> str:
    for name in names:
        if value := labels.get(name):
            return clipped(value)
    return ""
