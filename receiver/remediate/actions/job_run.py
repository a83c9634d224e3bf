"""Run a Kubernetes Job as a step, wait for its end, and keep its result."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from receiver.model.duration import Duration, format_duration
from receiver.model.errors import NotFound
from receiver.model.workload import Job, JobState
from receiver.remediate.actions.action import Complaint, Effect, Failed, Grant, Params, Performed, Turn
from receiver.remediate.actions.created import manifest, name_of, overdue, told
from receiver.remediate.actions.means import Means, Need


class RunJob(Params, frozen=True, kw_only=True):
    """Run a Kubernetes Job in the namespace of the target, and go on when it has succeeded.

    Its containers are told in the environment why they run: RECEIVER_RUN, RECEIVER_ALERT, RECEIVER_NAMESPACE,
    RECEIVER_TARGET and RECEIVER_TARGET_UID.
    """

    spec: dict[str, Any]
    """Specification of the Job, as Kubernetes has it."""
    timeout: Duration
    """How long it is waited for; it goes on by itself after that."""


class JobRun(Effect[RunJob]):
    """The verb `job.run`."""

    name: ClassVar[str] = "job.run"
    params = RunJob
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="batch", resource="jobs", verbs=("get", "create")),)
    on_target: ClassVar[bool] = False

    def say(self, params: RunJob, target: str) -> str:
        """Say that a Job runs."""
        return f"run a Job for {target}, at most {format_duration(params.timeout)}"

    def complain(self, params: RunJob) -> Complaint | None:
        """Refuse what is no Job."""
        if not params.timeout:
            return Complaint(key="timeout", reason="timeout is 0, so it could only time out")
        return (
            None if _containers(params.spec) else Complaint(key="spec", reason="spec has no template with containers")
        )

    def longest(self, params: RunJob) -> timedelta:
        """Give its limit."""
        return params.timeout

    async def look(self, means: Means, turn: Turn[RunJob]) -> Job | None:
        """Read the Job, by the name that this step gives it."""
        try:
            return await means.the_cluster().get_job(turn.target.namespace, name_of(turn))
        except NotFound:
            return None

    def recover(self, turn: Turn[RunJob]) -> Performed | Failed | None:
        """See whether this step made it, and how far it is."""
        job = turn.facts.seen
        if not isinstance(job, Job) or job.operation != turn.operation:
            return None
        name = f"Job {job.namespace}/{job.name}"
        if job.state is JobState.FAILED:
            return Failed(text=f"{name} failed: {job.message or 'it does not say why'}")
        if job.state is JobState.SUCCEEDED:
            return _result(turn, job, f"{name} succeeded.")
        late = overdue(turn, name)
        return Failed(text=late) if late else _result(turn, job, f"{name} runs.", under_way=True)

    def refusal(self, turn: Turn[RunJob]) -> str:
        """Say whether its name is taken."""
        taken = isinstance(turn.facts.seen, Job)
        return f"{name_of(turn)}, the name of the Job, is taken by one that this run did not make" if taken else ""

    async def perform(self, means: Means, turn: Turn[RunJob]) -> Performed:
        """Create it."""
        job = manifest("Job", "batch/v1", turn.target.namespace, turn.params.spec)
        job["metadata"]["name"] = name_of(turn)
        for container in _containers(job["spec"]):
            kept = [one for one in container.get("env") or () if one.get("name") not in told(turn)]
            container["env"] = [*kept, *({"name": name, "value": value} for name, value in told(turn).items())]
        made = await means.the_cluster().create_job(turn.target.namespace, job, operation=turn.operation)
        return _result(turn, made, f"Job {made.namespace}/{made.name} was created.", under_way=True)


def _containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    template = spec.get("template")
    inner = template.get("spec") if isinstance(template, dict) else None
    found = inner.get("containers") if isinstance(inner, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _result(turn: Turn[RunJob], job: Job, text: str, *, under_way: bool = False) -> Performed:
    result = {"namespace": job.namespace, "name": job.name, "uid": job.uid, "state": job.state.value}
    return Performed(text=text, vars=turn.kept, result=result, under_way=under_way)
