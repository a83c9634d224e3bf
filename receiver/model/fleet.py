"""The fleet in brief: of each workflow and each of its pods what a metric needs, and no more.

Thousands of workflows are kept in memory by whoever follows a cluster, so these hold seconds of the Unix clock and
short texts, never an object of the API. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from receiver.model.workflow import Phase, Pod, Workflow, newest_believed

LONGEST_LABEL: Final = 63
"""Characters of a label's value in Kubernetes; an annotation may be longer, and is cut before it becomes a series."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkflowDigest:
    """One workflow, as metrics tell of it. Times are seconds since 1970.

    Args:
        namespace: Where it lives.
        name: Its name.
        uid: Its identity.
        phase: Where it stands.
        agent: Who works in it; empty where no label or annotation says so.
        started: When Argo started it, else when it was created.
        phase_started: Since when it has been in this phase. Argo keeps no such time: an unstarted one has waited since
            its creation, a running one runs since its start, a finished one is finished since its end.
        progress: When it last moved; None where its steps cannot be read, which is never taken for idleness.
        moved: Hash of the phases of its steps, its progress and whether it is suspended, by which a later state shows
            that something moved.
        suspended: Whether it waits for a person.
    """

    namespace: str
    name: str
    uid: str
    phase: Phase
    agent: str
    started: float
    phase_started: float
    progress: float | None
    moved: int
    suspended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PodDigest:
    """One pod of a workflow, as metrics tell of it. Times are seconds since 1970.

    Args:
        namespace: Where it runs.
        name: Its name.
        workflow: Name of the workflow that it belongs to.
        progress: When it last moved.
        waiting_since: Since when it has waited for its start; None where it does not wait.
        reason: What it waits for, such as `ImagePullBackOff`; empty where it does not wait.
    """

    namespace: str
    name: str
    workflow: str
    progress: float
    waiting_since: float | None
    reason: str


def digest_workflow(found: Workflow, agent_names: Sequence[str], now: datetime) -> WorkflowDigest:
    """Say in brief what a workflow is.

    Args:
        found: The workflow as it was read.
        agent_names: Which labels or annotations name its agent; the first that is there counts.
        now: The present time.
    """
    began = found.started_at or found.created_at
    ran = found.created_at if found.phase in {Phase.UNKNOWN, Phase.PENDING} else began
    steps = tuple((node.id, node.phase.value) for node in found.nodes or ())
    moved_at = found.moved_at(now)
    return WorkflowDigest(
        namespace=found.namespace,
        name=found.name,
        uid=found.uid,
        phase=found.phase,
        agent=_agent(found, agent_names),
        started=began.timestamp(),
        phase_started=((found.finished_at if found.finished else None) or ran).timestamp(),
        progress=None if moved_at is None else moved_at.timestamp(),
        moved=hash((found.progress, found.suspended, steps)),
        suspended=found.suspended,
    )


def digest_pod(found: Pod, workflow: str, now: datetime) -> PodDigest:
    """Say in brief what a pod is."""
    created = found.created_at or now
    # A pod is pending, too, while an init container works, such as Argo's that fetches artifacts.
    waits = found.phase == "Pending" and not found.deleting and not any(one.running for one in found.containers)
    waiting = next((one.waiting for one in found.containers if one.waiting), "")
    reason = waiting or ("Pending" if found.node_name else "Unschedulable")
    return PodDigest(
        namespace=found.namespace,
        name=found.name,
        workflow=workflow,
        progress=(newest_believed(found.signs_of_life(), now) or created).timestamp(),
        waiting_since=created.timestamp() if waits else None,
        reason=reason[:LONGEST_LABEL] if waits else "",
    )


def _agent(found: Workflow, names: Iterable[str]) -> str:
    said = (source.get(name) for name in names for source in (found.labels, found.annotations))
    return next((one for one in said if one), "")[:LONGEST_LABEL]
