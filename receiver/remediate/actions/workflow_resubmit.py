"""Run a workflow anew that this run has ended, from its beginning, without memoized results.

The new run's name follows from the step, so the cluster itself refuses a second one.
"""

from typing import Final

from receiver.clients.kubernetes import Cluster, resubmit_name
from receiver.model.errors import NotFound
from receiver.model.remediation import Run, Target
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions.verb import Performed
from receiver.remediate.facts import KEPT, Facts, is_ours, lasting, operation_of
from receiver.remediate.language import Action, Resubmit


class WorkflowResubmit:
    """The verb `workflow.resubmit`."""

    name: Final = "workflow.resubmit"
    params: type[Action] = Resubmit
    rights: Final = (("get", "workflows"), ("create", "workflows"))

    def recover(self, run: Run, facts: Facts) -> Performed | None:
        """See whether the new run exists, made by this very step."""
        made, target = facts.resubmitted, run.target
        if made is None or target is None or not _made_by(run, target, made):
            return None
        return _done(run, made)

    def moot(self, run: Run, facts: Facts) -> str:
        """Say whether the old run succeeded before its termination took hold."""
        workflow, target = facts.workflow, run.target
        if workflow is None or target is None or workflow.uid != target.uid or workflow.phase is not Phase.SUCCEEDED:
            return ""
        return "the workflow succeeded by itself before its termination took hold, so there is nothing to restart"

    def preconditions(self, run: Run, facts: Facts) -> str:
        """Say whether what we ended has ended, and nobody else has taken its place."""
        if run.target is None:
            return "the run has no workflow to restart"
        if facts.resubmitted is not None:
            return (
                f"{facts.resubmitted.name}, the name for the new run, is taken by a workflow that this run did not make"
            )
        if facts.workflow is None:
            return "" if run.vars.get(KEPT) else "the workflow is gone, and nothing of it was kept to restart it from"
        return _not_ended(run, run.target, facts.workflow)

    async def perform(self, cluster: Cluster, run: Run, facts: Facts) -> Performed:
        """Create the new run."""
        target = run.target
        if target is None:
            raise NotFound("There is no workflow to restart.")
        operation = operation_of(run, target)
        made = await cluster.resubmit(
            facts.workflow or _gone(run, target),
            name=resubmit_name(target.name, operation),
            operation=operation,
            raw=run.vars.get(KEPT) if facts.workflow is None else None,
        )
        return _done(run, made)


def _made_by(run: Run, target: Target, made: Workflow) -> bool:
    return made.operation == operation_of(run, target) and made.resubmitted_from_uid == target.uid


def _not_ended(run: Run, target: Target, workflow: Workflow) -> str:
    if workflow.uid != target.uid:
        return "another workflow has its name now; somebody may have started it anew by hand"
    if not workflow.finished:
        return "the workflow has not ended yet, so a restart would make it run twice"
    ended = workflow.shutdown or is_ours(workflow.terminated_by, run, target)
    return "" if ended else "the workflow was not ended by this run"


def _gone(run: Run, target: Target) -> Workflow:
    """Name a workflow that was deleted since, as far as it is still known."""
    return Workflow(
        namespace=target.namespace,
        name=target.name,
        uid=target.uid,
        resource_version="",
        phase=Phase.UNKNOWN,
        created_at=run.started_at,
    )


def _done(run: Run, made: Workflow) -> Performed:
    reference = {"namespace": made.namespace, "name": made.name, "uid": made.uid}
    variables = {name: value for name, value in lasting(run.vars).items() if name != KEPT}
    old = run.target.name if run.target else ""
    return Performed(
        text=f"Workflow {made.namespace}/{old} runs anew as {made.name}.",
        vars=variables | {"workflow": reference},
        result=reference,
    )
