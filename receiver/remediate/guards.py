"""Guards: what must be so before a playbook may begin. Each is asked, and each verdict is kept with what it measured.

The facts are read under a lock by whoever asks; deciding on them is pure. A fact that could not be read refuses.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.incident import Occurrence
from receiver.model.remediation import Check, RunId
from receiver.model.workflow import Workflow
from receiver.remediate.language import Playbook

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/: RFC 1123 label and subdomain.
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

_UNREAD: Final = "could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """What the guards decide on, as it was at one moment.

    Attributes:
        now: The present time.
        namespace_allowed: Whether the settings let playbooks act in the workflow's namespace; None when unknown.
        lineage: Root uid of the workflow; None when it could not be read.
        starts: When each earlier run of this playbook on this lineage began that took or intended an effect, as far
            back as `window` asks; None when they could not be read.
        unfinished_runs: Unfinished runs of any playbook on this lineage; None when they could not be read.
        superseded_by: Which run of ours ended or replaced this workflow, in a few words; empty when none did, None
            when it could not be read.
        workflow_error: Why the workflow could not be read; empty when it could, or is simply not there.
    """

    now: datetime
    namespace_allowed: bool | None = None
    lineage: str | None = None
    starts: Sequence[datetime] | None = None
    unfinished_runs: Sequence[RunId] | None = None
    superseded_by: str | None = None
    workflow_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    playbook: Playbook
    alert: Occurrence
    workflow: Workflow | None
    facts: GuardFacts


def check(playbook: Playbook, alert: Occurrence, workflow: Workflow | None, facts: GuardFacts) -> tuple[Check, ...]:
    """Ask every guard, in order, also those after a refusal: people read all verdicts at once."""
    question = _Question(playbook=playbook, alert=alert, workflow=workflow, facts=facts)
    return tuple(guard(question) for guard in _GUARDS)


def window(playbook: Playbook) -> timedelta:
    """Say how far back the starts of earlier runs count for this playbook."""
    guards = playbook.guards
    return max(guards.cooldown or timedelta(), guards.attempts.per if guards.attempts else timedelta())


def _namespace(asked: _Question) -> Check:
    namespace = _namespace_of(asked)
    allowed = asked.facts.namespace_allowed
    refusal = f"playbooks may not act in namespace {namespace}" if namespace else "the alert names no namespace"
    return _verdict(
        "namespace",
        refusal="" if allowed else _said(allowed, refusal),
        measured=namespace or "no namespace",
        limit="one of the setting kubernetes.namespaces",
    )


def _target(asked: _Question) -> Check:
    workflow = asked.workflow
    subject = asked.alert.subject
    return _verdict(
        "target",
        refusal=_untargetable(asked),
        measured=f"{workflow.namespace}/{workflow.name}" if workflow else f"{subject.namespace}/{subject.workflow}",
        limit="one workflow that is there, under a name that Kubernetes allows",
    )


def _untargetable(asked: _Question) -> str:
    workflow, subject, facts = asked.workflow, asked.alert.subject, asked.facts
    if facts.workflow_error:
        return f"the workflow {_UNREAD}: {facts.workflow_error}"
    if workflow is None:
        return _misnamed(subject.namespace, subject.workflow) or "there is no such workflow in the cluster"
    if subject.namespace and subject.namespace != workflow.namespace:
        return f"it was found in namespace {workflow.namespace}, and the alert is about {subject.namespace}"
    if workflow.deleting:
        return "the workflow is being deleted"
    unread = "its lineage could not be read" if facts.lineage is None else ""
    return _misnamed(workflow.namespace, workflow.name) or unread


def _misnamed(namespace: str, name: str) -> str:
    if not namespace or not name:
        return "the alert names no workflow with its namespace"
    allowed = _LABEL.fullmatch(namespace) and _SUBDOMAIN.fullmatch(name)
    return "" if allowed else f"{namespace!r}/{name!r} is not a name that Kubernetes allows"


def _superseded(asked: _Question) -> Check:
    by, workflow = asked.facts.superseded_by, asked.workflow
    if not by and workflow is not None and workflow.terminated_by:
        by = f"run {workflow.terminated_by.partition(':')[0][:20]}"
    return _verdict(
        "superseded",
        refusal=""
        if by == ""
        else _said(by, f"the workflow was ended or replaced by {by}, so it is no target any more"),
        measured=by or ("nothing replaced it" if by == "" else _UNREAD),
        limit="neither ended nor replaced by Receiver",
    )


def _exclusion(asked: _Question) -> Check:
    runs = asked.facts.unfinished_runs
    named = ", ".join(str(run) for run in runs or ())
    return _verdict(
        "exclusion",
        refusal="" if runs is not None and not runs else _said(runs, f"run {named} on this workflow is not finished"),
        measured=_UNREAD if runs is None else f"{len(runs)} unfinished",
        limit="no other unfinished run on this workflow and its resubmits",
    )


def _cooldown(asked: _Question) -> Check:
    limit, starts, now = asked.playbook.guards.cooldown, asked.facts.starts, asked.facts.now
    if limit is None:
        return _verdict("cooldown", refusal="", measured="not asked", limit="none")
    since = now - max(starts) if starts else None
    ago = "" if since is None else f"{format_duration(max(since, timedelta()))} ago"
    early = since is not None and since < limit
    return _verdict(
        "cooldown",
        refusal=_said(starts, f"it last acted on this workflow {ago}") if starts is None or early else "",
        measured=_UNREAD if starts is None else f"last acted {ago}" if ago else "never acted within the limit",
        limit=f"at least {format_duration(limit)} between two runs",
    )


def _attempts(asked: _Question) -> Check:
    limit, starts, now = asked.playbook.guards.attempts, asked.facts.starts, asked.facts.now
    if limit is None:
        return _verdict("attempts", refusal="", measured="not asked", limit="none")
    count = sum(start > now - limit.per for start in starts or ())
    per = format_duration(limit.per)
    spent = starts is None or count >= limit.max
    return _verdict(
        "attempts",
        refusal=_said(starts, f"it acted on this workflow {count} times within {per} already") if spent else "",
        measured=_UNREAD if starts is None else f"{count} within {per}",
        limit=f"at most {limit.max} within {per}",
    )


_GUARDS: Final[tuple[Callable[[_Question], Check], ...]] = (
    _namespace,
    _target,
    _superseded,
    _exclusion,
    _cooldown,
    _attempts,
)


def _namespace_of(asked: _Question) -> str:
    return asked.workflow.namespace if asked.workflow else asked.alert.subject.namespace


def _said(fact: object, refusal: str) -> str:
    """Give the refusal, or that its fact is not known."""
    return f"it {_UNREAD}, and what is not known is not assumed" if fact is None else refusal


def _verdict(guard: str, *, refusal: str, measured: str, limit: str) -> Check:
    return Check(guard=guard, passed=not refusal, measured=measured, limit=limit, reason=refusal or "as it should be")
