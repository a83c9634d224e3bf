"""The marks that we leave in the cluster, so that an effect is recognised whoever looks for it. Names only.

Each says which operation did it: one step of one run of a playbook. What a person or Argo writes is read, never set.
"""

from typing import Final

RESUBMITTED_FROM: Final = "workflows.argoproj.io/resubmitted-from-workflow"
"""Label, Argo's: name of the run that is repeated."""
OPERATION: Final = "receiver/run"
"""Annotation: the operation that created this workflow or Job."""
FROM_UID: Final = "receiver/resubmitted-from-uid"
"""Annotation: uid of the run that is repeated."""
RESTORED_FROM: Final = "receiver/restored-from"
"""Label: uid of the workflow of which an archive was brought back as this one."""
ARCHIVE: Final = "receiver/archive"
"""Annotation: where that archive lies."""
TERMINATED_BY: Final = "receiver/terminated-by"
"""Annotation: the operation that terminated this run."""
STOPPED_BY: Final = "receiver/stopped-by"
"""Annotation: the operation that stopped this run."""
SUSPENDED_BY: Final = "receiver/suspended-by"
"""Annotation: the operation that suspended this run."""
RESUMED_BY: Final = "receiver/resumed-by"
"""Annotation: the operation that last resumed this run."""
RETRIED_BY: Final = "receiver/retried-by"
"""Annotation: the operation that last asked Argo Server to retry this run. It is set before, so it proves no effect."""
RESTARTED_BY: Final = "receiver/restarted-by"
"""Annotation of a pod template: the operation that last restarted this Deployment."""
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
"""Annotation of a pod template, by which `kubectl rollout restart` makes a Deployment replace its pods."""

OPERATION_PARAMETER: Final = "receiver-run"
"""Parameter of a workflow that Argo Server resubmitted for us: the operation. Argo lets a caller set nothing else."""
FROM_UID_PARAMETER: Final = "receiver-resubmitted-from-uid"
"""Parameter of such a workflow: uid of the run that is repeated."""
PARAMETERS: Final = frozenset({OPERATION_PARAMETER, FROM_UID_PARAMETER})
