"""What the actions that end a workflow have in common: when there is nothing left to end, and what they keep."""

import json
from collections.abc import Mapping
from typing import Any, Final

from receiver.clients.kubernetes import Cluster
from receiver.remediate.actions.action import Turn
from receiver.remediate.facts import KEPT, is_the_one

_METADATA: Final = ("name", "namespace", "uid", "labels", "annotations", "generateName", "ownerReferences")
_MOST_KEPT: Final = 256 * 1024
"""Bytes of a workflow's specification that a run carries with it; a larger one can be restarted while it exists."""


def already_over(turn: Turn[Any]) -> str:
    """Say whether the workflow that the run watches is gone or ended by itself; empty when it goes on."""
    workflow = turn.facts.workflow
    if workflow is None:
        return "the workflow is not there any more"
    if not is_the_one(turn.run, workflow):
        return "the workflow was deleted, and another one has its name now"
    if workflow.finished:
        return f"the workflow finished by itself ({workflow.phase.value})"
    return "the workflow is being deleted" if workflow.deleting else ""


async def kept_for_restart(cluster: Cluster, turn: Turn[Any]) -> dict[str, Any]:
    """Read what it takes to create the workflow anew, as a variable of the run; nothing where it cannot be kept.

    Raises:
        ClusterError: It could not be read.
    """
    raw = await cluster.raw_workflow(turn.target.namespace, turn.target.name)
    metadata = raw.get("metadata", {})
    kept = {
        "apiVersion": raw.get("apiVersion"),
        "kind": raw.get("kind"),
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": raw.get("spec"),
    }
    return {KEPT: kept} if metadata.get("uid") == turn.target.uid and _is_storable(kept) else {}


def _is_storable(kept: Mapping[str, Any]) -> bool:
    """Answer whether Postgres takes it as JSON: losing the record of an effect would be worse than keeping nothing."""
    try:
        text = json.dumps(kept, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return len(text) <= _MOST_KEPT and rb"\u0000" not in text
