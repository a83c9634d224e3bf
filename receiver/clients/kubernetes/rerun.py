"""What a resubmitted workflow looks like, and what it is called. Pure.

Argo's own `resubmit` (without memoization) copies spec, labels, annotations and owners of any run and drops what
belongs to the old run alone; the old object stays untouched. We do the same, with a name that we choose instead of a
random one, so that asking twice cannot make two runs.
"""

import copy
from collections.abc import Mapping
from typing import Any

from receiver.clients.kubernetes.marks import (
    ARCHIVE,
    FROM_UID,
    OPERATION,
    PARAMETERS,
    RESTORED_FROM,
    RESUBMITTED_FROM,
)

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
    _drop_marks(spec)
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": repeated, "spec": spec}


def restoration(raw: Mapping[str, Any], *, name: str, operation: str, place: str, suspended: bool) -> dict[str, Any]:
    """Return the body that creates the workflow called *name* out of an archived one.

    It is a new workflow, which begins at its beginning and belongs to no lineage. It has no owner: who owned the old
    one may have gone, and Kubernetes would then delete the new one as well.

    Args:
        raw: The archived workflow.
        name: What the new one is called.
        operation: Who asks.
        place: Where the archive lies.
        suspended: Whether it waits for a person before it begins.
    """
    made = resubmission(raw, name=name, operation=operation)
    metadata = made["metadata"]
    for part in ("generateName", "ownerReferences"):
        metadata.pop(part, None)
    del metadata["labels"][RESUBMITTED_FROM], metadata["annotations"][FROM_UID]
    metadata["labels"][RESTORED_FROM] = raw["metadata"]["uid"]
    metadata["annotations"][ARCHIVE] = place
    made["spec"]["suspend"] = suspended
    return made


def marked(manifest: Mapping[str, Any], *, name: str, operation: str) -> dict[str, Any]:
    """Return the body that creates the object of a manifest as *name*, with the mark of the operation that asks."""
    metadata = dict(manifest.get("metadata") or {})
    metadata.pop("generateName", None)
    annotations = {**(metadata.get("annotations") or {}), OPERATION: operation}
    return {**manifest, "metadata": metadata | {"name": name, "annotations": annotations}}


def _drop_marks(spec: dict[str, Any]) -> None:
    """Take away the parameters by which Argo Server marked the old run as ours; the new one has annotations."""
    arguments = spec.get("arguments")
    listed = arguments.get("parameters") if isinstance(arguments, dict) else None
    if isinstance(arguments, dict) and isinstance(listed, list):
        arguments["parameters"] = [one for one in listed if not _is_mark(one)]


def _is_mark(parameter: object) -> bool:
    return isinstance(parameter, dict) and parameter.get("name") in PARAMETERS
