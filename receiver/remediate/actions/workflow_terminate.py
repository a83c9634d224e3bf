"""End a workflow at once: Argo kills its pods, and its exit handlers do not run."""

import json
from collections.abc import Mapping
from typing import Any, Final

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import NotFound, PreconditionFailed
from receiver.model.remediation import Run, Target
from receiver.model.workflow import Workflow
from receiver.remediate.actions.verb import Performed
from receiver.remediate.facts import KEPT, Facts, is_the_one, lasting, operation_of
from receiver.remediate.language import Action, Terminate

_METADATA: Final = ("name", "namespace", "uid", "labels", "annotations", "generateName", "ownerReferences")
_MOST_KEPT: Final = 256 * 1024
"""Bytes of a workflow's specification that a run carries with it; a larger one can be restarted while it exists."""


class WorkflowTerminate:
    """The verb `workflow.terminate`."""

    name: Final = "workflow.terminate"
    params: type[Action] = Terminate
    rights: Final = (("get", "workflows"), ("patch", "workflows"))

    def recover(self, run: Run, facts: Facts) -> Performed | None:
        """See whether this very run is being terminated by this very step."""
        workflow, target = facts.workflow, run.target
        if workflow is None or target is None or workflow.uid != target.uid:
            return None
        if workflow.shutdown != "Terminate" or workflow.terminated_by != operation_of(run, target):
            return None
        return _done(run, workflow, lasting(run.vars))

    def moot(self, run: Run, facts: Facts) -> str:
        """Say whether it ended by itself, is gone, or somebody else is ending it."""
        workflow = facts.workflow
        if workflow is None:
            return "the workflow is not there any more"
        if not is_the_one(run, workflow):
            return "the workflow was deleted, and another one has its name now"
        if workflow.finished:
            return f"the workflow finished by itself ({workflow.phase.value})"
        if workflow.deleting:
            return "the workflow is being deleted"
        return f"somebody else is ending the workflow already ({workflow.shutdown})" if workflow.shutdown else ""

    def preconditions(self, run: Run, facts: Facts) -> str:
        """Say whether it is the very object that was decided upon."""
        same = run.target is not None and facts.workflow is not None and facts.workflow.uid == run.target.uid
        return "" if same else "the workflow is not the one that was decided upon"

    async def perform(self, cluster: Cluster, run: Run, facts: Facts) -> Performed:
        """Terminate it, and keep what a restart needs should it be deleted meanwhile."""
        workflow, target = _meant(run, facts)
        raw = await cluster.raw_workflow(workflow.namespace, workflow.name)
        ended = await cluster.terminate(workflow, operation=operation_of(run, target))
        return _done(run, ended, lasting(run.vars) | _kept(raw, target.uid))


def _meant(run: Run, facts: Facts) -> tuple[Workflow, Target]:
    if run.target is None or facts.workflow is None:
        raise NotFound("There is no workflow to terminate: it was deleted since it was decided upon.")
    if facts.workflow.uid != run.target.uid:
        raise PreconditionFailed(f"{run.target.namespace}/{run.target.name} is another workflow now. Nothing was done.")
    return facts.workflow, run.target


def _kept(raw: Mapping[str, Any], uid: str) -> dict[str, Any]:
    metadata = raw.get("metadata", {})
    kept = {
        "apiVersion": raw.get("apiVersion"),
        "kind": raw.get("kind"),
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": raw.get("spec"),
    }
    return {KEPT: kept} if metadata.get("uid") == uid and _is_storable(kept) else {}


def _is_storable(kept: Mapping[str, Any]) -> bool:
    """Answer whether Postgres takes it as JSON: losing the record of an effect would be worse than keeping nothing."""
    try:
        text = json.dumps(kept, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return len(text) <= _MOST_KEPT and rb"\u0000" not in text


def _done(run: Run, workflow: Workflow, variables: Mapping[str, Any]) -> Performed:
    return Performed(
        text=f"Workflow {workflow.namespace}/{workflow.name} was told to terminate.",
        vars=variables,
        result={"namespace": workflow.namespace, "name": workflow.name, "uid": workflow.uid, "run": int(run.id)},
    )
