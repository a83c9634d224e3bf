"""Ask all sources about one alert, each within its time, and put down what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final, Generic, TypeVar

from receiver.clients.kubernetes import Cluster
from receiver.enrich import events, links, log, past, pods, workflow
from receiver.enrich.mask import Mask
from receiver.enrich.past import Past
from receiver.model.duration import format_duration
from receiver.model.errors import ClusterError, LogUnreadable, NotFound
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Occurrence, Subject
from receiver.model.workflow import Pod, WarningEvent, Workflow

T = TypeVar("T")

PATIENCE: Final[Mapping[str, timedelta]] = {
    workflow.SOURCE: timedelta(seconds=8),
    pods.SOURCE: timedelta(seconds=6),
    events.SOURCE: timedelta(seconds=6),
    log.SOURCE: timedelta(seconds=6),
}
"""How long each source may take. Notifications wait for the slowest path through them, 20 s, and no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """One alert and what is known of it before anybody is asked.

    Attributes:
        subject: What it is about.
        alert: The alert.
        past: What the store knows of earlier times.
        argo_url: Base of Argo's web page, for links; None where it is not configured.
        mask: What hides secrets.
    """

    subject: Subject
    alert: Occurrence
    past: Past
    argo_url: str | None = None
    mask: Mask = field(default_factory=Mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What looking around brought to light.

    Attributes:
        findings: One of each source, in a fixed order, masked: workflow, pods, events, log, past, links.
        workflow: The workflow as it was read, unmasked; None where it was not.
        pods: Its pods, unmasked.
    """

    findings: tuple[Finding, ...]
    workflow: Workflow | None = None
    pods: tuple[Pod, ...] = ()


async def look(
    around: Around,
    cluster: Cluster | None,
    *,
    now: Callable[[], datetime],
    patience: Mapping[str, timedelta] = PATIENCE,
) -> Survey:
    """Look around an alert. Nothing is changed, and whatever fails is told in the findings.

    Args:
        around: The alert.
        cluster: Where its workflow lives; None where none is configured.
        now: The present time.
        patience: How long each source may take, by its name.
    """
    subject = around.subject
    if cluster is None:
        reason = "no cluster is configured: name kubernetes.kubeconfig and kubernetes.context, or run inside one"
        seen = Survey(findings=_unasked(FindingState.DISABLED, reason))
    elif not (subject.namespace and subject.workflow):
        reason = "the labels of the alert do not name a workflow and its namespace (see workflow_labels)"
        seen = Survey(findings=_unasked(FindingState.EMPTY, reason))
    else:
        seen = await _look_at_workflow(around, cluster, now, patience)
    told = (
        *seen.findings,
        past.describe(around.past, now()),
        links.describe(subject, around.alert.annotations, around.alert.generator_url, around.argo_url),
    )
    return replace(seen, findings=tuple(around.mask.finding(finding) for finding in told))


async def _look_at_workflow(
    around: Around, cluster: Cluster, now: Callable[[], datetime], patience: Mapping[str, timedelta]
) -> Survey:
    subject = around.subject
    read = await _ask(patience[workflow.SOURCE], cluster.get_workflow(subject.namespace, subject.workflow))
    run = read.found
    if run is None:
        first = read.unanswered(workflow.SOURCE)
        why = f"not asked, since the workflow is not known: {read.reason}"
        return Survey(findings=(first, *_unasked(FindingState.EMPTY, why)[1:]))
    listed = await _ask(patience[pods.SOURCE], cluster.pods_of(run))
    known = listed.found or ()
    warned, words = await asyncio.gather(
        _ask(patience[events.SOURCE], cluster.warning_events(run, known)),
        _read_log(cluster, run, known, around.mask, patience[log.SOURCE]),
    )
    findings = (
        replace(workflow.describe(run, known, around.past, now()), took=read.took),
        listed.told(pods.SOURCE, pods.describe),
        warned.told(events.SOURCE, _describe_events),
        words,
    )
    return Survey(findings=findings, workflow=run, pods=known)


async def _read_log(cluster: Cluster, run: Workflow, known: tuple[Pod, ...], mask: Mask, limit: timedelta) -> Finding:
    pod = log.choose(run, known)
    if pod is None:
        return Finding(source=log.SOURCE, state=FindingState.EMPTY, summary="no pod of the workflow is known")
    read = await _ask(limit, cluster.log_tail(pod.namespace, pod.name, container=log.CONTAINER, lines=log.LINES))
    return read.told(log.SOURCE, lambda lines: log.describe(pod, lines, mask))


def _describe_events(found: tuple[WarningEvent, ...]) -> Finding:
    return events.describe(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer(Generic[T]):
    """What a source said: something found, or why nothing was."""

    found: T | None = None
    state: FindingState = FindingState.FOUND
    reason: str = ""
    took: timedelta

    def told(self, source: str, describe: Callable[[T], Finding]) -> Finding:
        if self.found is None:
            return self.unanswered(source)
        return replace(describe(self.found), took=self.took)

    def unanswered(self, source: str) -> Finding:
        return Finding(source=source, state=self.state, summary=self.reason, took=self.took)


async def _ask(limit: timedelta, question: Awaitable[T]) -> _Answer[T]:
    """Wait for an answer, no longer than the limit; what goes wrong is an answer too."""
    began = perf_counter()

    def took() -> timedelta:
        return timedelta(seconds=perf_counter() - began)

    try:
        async with asyncio.timeout(limit.total_seconds()):
            return _Answer(found=await question, took=took())
    except TimeoutError:
        return _Answer(
            state=FindingState.FAILED, reason=f"the cluster did not answer within {format_duration(limit)}", took=took()
        )
    except (NotFound, LogUnreadable) as absence:
        return _Answer(state=FindingState.EMPTY, reason=str(absence), took=took())
    except ClusterError as error:
        return _Answer(state=FindingState.FAILED, reason=str(error), took=took())


def _unasked(state: FindingState, reason: str) -> tuple[Finding, ...]:
    sources = (workflow.SOURCE, pods.SOURCE, events.SOURCE, log.SOURCE)
    return tuple(Finding(source=source, state=state, summary=reason) for source in sources)
