"""What a resubmitted workflow looks like, and what it is called. Pure.

Argo's own `resubmit` (without memoization) copies spec, labels, annotations and owners of any run and drops what
belongs to the old run alone; the old object stays untouched. We do the same, with a name that we choose instead of a
random one, so that asking twice cannot make two runs.
"""

import copy
from collections.abc import Mapping
from typing import Any

RESUBMITTED_FROM = "workflows.argoproj.io/resubmitted-from-workflow"
"""Label, Argo's: name of the run that is repeated."""
OPERATION = "receiver/run"
"""Annotation: the operation that created this run."""
FROM_UID = "receiver/resubmitted-from-uid"
"""Annotation: uid of the run that is repeated."""
TERMINATED_BY = "receiver/terminated-by"
"""Annotation: the operation that terminated this run."""

_OURS = "receiver/"
_LABELS_OF_THE_OLD_RUN = frozenset(
    f"workflows.argoproj.io/{name}"
    for name in (
        "creator",
        "creator-email",
        "creator-preferred-username",
        "phase",
        "completed",
        "workflow-archiving-status",
    )
)


def resubmission(raw: Mapping[str, Any], *, name: str, operation: str) -> dict[str, Any]:
    """Return the body that creates the run called *name* which repeats the workflow *raw*."""
    metadata = raw["metadata"]
    labels = {key: text for key, text in (metadata.get("labels") or {}).items() if key not in _LABELS_OF_THE_OLD_RUN}
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if not key.startswith(_OURS)}
    repeated = {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": labels | {RESUBMITTED_FROM: metadata["name"]},
        "annotations": annotations | {OPERATION: operation, FROM_UID: metadata["uid"]},
    }
    for part in ("generateName", "ownerReferences"):
        if metadata.get(part):
            repeated[part] = copy.deepcopy(metadata[part])
    spec = copy.deepcopy(dict(raw["spec"]))
    spec.pop("shutdown", None)
    if spec.get("activeDeadlineSeconds") == 0:
        del spec["activeDeadlineSeconds"]
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": repeated, "spec": spec}
