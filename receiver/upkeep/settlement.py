"""Decide whether the end of a workflow settles an alert about it: pure, and only for alerts about unfinished ones."""

from datetime import datetime, timedelta
from typing import Final

from receiver.model.peer import Candidate
from receiver.model.workflow import Workflow
from receiver.store.closing import Conclusion

PATIENCE: Final = timedelta(minutes=5)
"""After its end Prometheus may still see an unfinished workflow, and Alertmanager may still tell of it."""


def settled_by(candidate: Candidate, workflow: Workflow | None, now: datetime) -> Conclusion | None:
    """Say whether the workflow of that name settles the alert; None while it does not.

    Once a firing contradicted such a conclusion, it is not drawn again. An alert whose incident was never bound to a
    workflow of this cluster is left alone: it may be about another cluster.

    Args:
        candidate: An alert that cannot be true of a workflow that is finished.
        workflow: What has its name in the cluster; None when nothing has.
        now: The present time.
    """
    if candidate.firings > 1 or not candidate.lineage:
        return None
    name = f"{candidate.namespace}/{candidate.workflow}"
    if workflow is None:
        if now - candidate.last_seen_at < PATIENCE:
            return None
        return _concluded(candidate, f"workflow {name} is not in the cluster any more", now)
    ended_at = workflow.finished_at
    if not workflow.finished or ended_at is None or now - ended_at < PATIENCE:
        return None
    reason = f"workflow {name} is {workflow.phase.value} since {ended_at:%Y-%m-%d %H:%M:%S} UTC"
    return _concluded(candidate, reason, ended_at)


def _concluded(candidate: Candidate, reason: str, ends_at: datetime) -> Conclusion:
    return Conclusion(candidate=candidate, cause="workflow", reason=reason, ends_at=ends_at)
