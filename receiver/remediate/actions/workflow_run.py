"""Run an Argo workflow of one's own as a step, wait for its end, and keep its result."""

from datetime import timedelta
from typing import Any, ClassVar

from receiver.model.duration import Duration, format_duration
from receiver.model.errors import NotFound
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions.action import Complaint, Effect, Failed, Grant, Params, Performed, Turn
from receiver.remediate.actions.created import manifest, name_of, overdue, told
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named


class RunWorkflow(Params, frozen=True, kw_only=True):
    """Run an Argo workflow in the namespace of the target, and go on when it has succeeded.

    Its arguments are added to by what it has to know: receiver-run-id, receiver-alert, receiver-namespace,
    receiver-target and receiver-target-uid.
    """

    spec: dict[str, Any]
    """Specification of the workflow, as Argo has it; `workflowTemplateRef` names a template."""
    timeout: Duration
    """How long it is waited for; it goes on by itself after that."""


class WorkflowRun(Effect[RunWorkflow]):
    """The verb `workflow.run`."""

    name: ClassVar[str] = "workflow.run"
    params = RunWorkflow
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get", "create")),)
    on_target: ClassVar[bool] = False

    def say(self, params: RunWorkflow, target: str) -> str:
        """Say that a workflow runs."""
        return f"run a workflow of its own for {target}, at most {format_duration(params.timeout)}"

    def complain(self, params: RunWorkflow) -> Complaint | None:
        """Refuse what Argo would not run."""
        if not params.timeout:
            return Complaint(key="timeout", reason="timeout is 0, so it could only time out")
        runs = "workflowTemplateRef" in params.spec or ("entrypoint" in params.spec and "templates" in params.spec)
        return None if runs else Complaint(key="spec", reason="spec has neither workflowTemplateRef nor an entrypoint")

    def longest(self, params: RunWorkflow) -> timedelta:
        """Give its limit."""
        return params.timeout

    async def look(self, means: Means, turn: Turn[RunWorkflow]) -> Workflow | None:
        """Read the workflow, by the name that this step gives it."""
        try:
            return await means.the_cluster().get_workflow(turn.target.namespace, name_of(turn))
        except NotFound:
            return None

    def recover(self, turn: Turn[RunWorkflow]) -> Performed | Failed | None:
        """See whether this step made it, and how far it is."""
        made = turn.facts.seen
        if not isinstance(made, Workflow) or made.operation != turn.operation:
            return None
        name = f"Workflow {made.namespace}/{made.name}"
        if made.phase is Phase.SUCCEEDED:
            return _result(turn, made, f"{name} succeeded.")
        if made.finished:
            return Failed(text=f"{name} ended as {made.phase.value}: {made.message or 'it does not say why'}")
        late = overdue(turn, name)
        return Failed(text=late) if late else _result(turn, made, f"{name} runs.", under_way=True)

    def refusal(self, turn: Turn[RunWorkflow]) -> str:
        """Say whether its name is taken."""
        taken = isinstance(turn.facts.seen, Workflow)
        return f"{name_of(turn)}, the name of the workflow, is taken by one that this run did not make" if taken else ""

    async def perform(self, means: Means, turn: Turn[RunWorkflow]) -> Performed:
        """Create it."""
        workflow = manifest("Workflow", "argoproj.io/v1alpha1", turn.target.namespace, turn.params.spec)
        ours = {_parameter(name): value for name, value in told(turn).items()}
        arguments = workflow["spec"].setdefault("arguments", {})
        kept = [one for one in arguments.get("parameters") or () if one.get("name") not in ours]
        arguments["parameters"] = [*kept, *({"name": name, "value": value} for name, value in ours.items())]
        made = await means.the_cluster().create_workflow(workflow, name_of(turn), operation=turn.operation)
        return _result(turn, made, f"Workflow {made.namespace}/{made.name} was created.", under_way=True)


def _parameter(name: str) -> str:
    """Name a parameter; `receiver-run` itself is the mark of a run that Argo Server resubmitted for us."""
    return "receiver-run-id" if name == "RECEIVER_RUN" else name.lower().replace("_", "-")


def _result(turn: Turn[RunWorkflow], made: Workflow, text: str, *, under_way: bool = False) -> Performed:
    result = {**named(made), "phase": made.phase.value}
    return Performed(text=text, vars=turn.kept, result=result, under_way=under_way)
