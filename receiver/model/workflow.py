"""An Argo workflow as Receiver understands it: its phase, its steps, its pods, and when it last moved.

Nouns only. They are read from the cluster by `receiver.clients.kubernetes`, and hold what a decision needs, not what
the API returns. Times are aware and in UTC; None means that the cluster does not say.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

PROGRESS_ANNOTATION = "receiver/progress-at"
"""An agent may set it on its workflow or pod, to an RFC 3339 time, to say that quiet work goes on."""

_CLOCK_SKEW = timedelta(minutes=5)


class Phase(Enum):
    """Where a workflow or one of its nodes stands, in Argo's own words."""

    UNKNOWN = ""
    """Argo's controller has not looked at it yet, or has just been asked to retry it."""
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    """It ended with a failure of its own, or was stopped or terminated."""
    ERROR = "Error"
    """It ended because something around it went wrong."""
    SKIPPED = "Skipped"
    """Nodes only: its condition was not met."""
    OMITTED = "Omitted"
    """Nodes only: what it depended on did not happen."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in {Phase.UNKNOWN, Phase.PENDING, Phase.RUNNING}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One step of a workflow, or one group of steps.

    Args:
        id: Unique within the workflow; for a step with a pod, what `Pod.node_id` names.
        name: Full path, such as `etl.train(0)`.
        display_name: Last part of it, as people read it.
        type: Argo's word: Pod, DAG, Steps, StepGroup, Suspend, Retry, and so on.
        phase: Where it stands.
        template: Name of the template it runs.
        message: What Argo says about it, in Argo's or the container's words.
        started_at: When it began.
        finished_at: When it ended.
        boundary: Id of the node that holds it; empty for the outermost.
        children: Ids of the nodes that come after it, or that it begins with where it holds others.
    """

    id: str
    name: str
    display_name: str
    type: str
    phase: Phase
    template: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    boundary: str = ""
    children: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """One container of a pod.

    Args:
        name: Its name; Argo's own are `main`, `wait` and `init`.
        restarts: How often it was started again.
        waiting: Why it is not running, such as `ImagePullBackOff`; empty when it is not waiting.
        last_termination: Why it last ended, such as `OOMKilled`; empty when it never ended.
        started_at: When it was last started.
        running: Whether it runs at the moment.
    """

    name: str
    restarts: int = 0
    waiting: str = ""
    last_termination: str = ""
    started_at: datetime | None = None
    running: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One pod of a workflow.

    Args:
        namespace: Where it runs.
        name: Its name.
        uid: Its identity; a pod that comes later under the same name has another.
        node_id: The workflow node that it carries out; empty when it says none.
        phase: Kubernetes' word: Pending, Running, Succeeded, Failed, Unknown.
        message: What Kubernetes says about the phase.
        containers: Its containers, init containers first.
        node_name: The machine it was put on; empty while it is not scheduled.
        created_at: When it was created.
        progress_at: What its annotation `receiver/progress-at` says.
        deleting: Whether it has been asked to go.
    """

    namespace: str
    name: str
    uid: str
    node_id: str = ""
    phase: str = ""
    message: str = ""
    containers: tuple[Container, ...] = ()
    node_name: str = ""
    created_at: datetime | None = None
    progress_at: datetime | None = None
    deleting: bool = False

    def signs_of_life(self) -> Iterator[datetime]:
        """Every time at which it is known to have moved: created, started, restarted, or spoken of by its agent."""
        times = (self.created_at, self.progress_at, *(container.started_at for container in self.containers))
        return (at for at in times if at is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class WarningEvent:
    """A warning that Kubernetes or Argo recorded about a workflow or one of its pods.

    Args:
        reason: One word, such as `FailedScheduling`.
        message: What happened.
        count: How often.
        last_at: When it was last seen.
        object: Whom it concerns, such as `Pod/etl-work-123`.
    """

    reason: str
    message: str
    count: int
    last_at: datetime | None
    object: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEnd:
    """The end of a container's log.

    Args:
        body: As the container wrote it.
        left_out: Bytes before it.
    """

    body: bytes
    left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Right:
    """Whether we may do one thing in one namespace, as the cluster itself answers.

    Args:
        verb: Such as `patch`.
        resource: Plural, with its subresource: `workflows`, `pods/log`.
        allowed: The answer.
    """

    verb: str
    resource: str
    allowed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow:
    """One run of a workflow as it was when it was read.

    Args:
        namespace: Where it lives.
        name: Its name. One of the same name may come after it: `uid` tells them apart.
        uid: Its identity.
        resource_version: Which state of it was read.
        phase: Where it stands.
        message: What Argo says about the phase.
        created_at: When the object was created.
        started_at: When Argo started it; a retry sets it anew.
        finished_at: When it ended.
        progress: Steps done and known, such as `1/2`.
        labels: As they are; written by others, so never trusted.
        annotations: As they are; written by others, so never trusted.
        suspended: Whether it waits for a person: as a whole, or at a suspend step that was reached.
        shutdown: `Stop` or `Terminate` where that was asked for; else empty.
        nodes: Its steps; None when they cannot be read here.
        nodes_unreadable: Why they cannot be read; empty when they can.
        resubmitted_from: Name of the run that this one repeats.
        resubmitted_from_uid: Its uid, where Receiver did it.
        operation: Which operation of Receiver created this run; empty when none did.
        terminated_by: Which operation of Receiver terminated this run; empty when none did.
        stopped_by: Which one stopped it.
        suspended_by: Which one suspended it.
        resumed_by: Which one resumed it last.
        retried_by: Which one last asked Argo Server to retry it; that it was asked proves nothing.
        progress_at: What its annotation `receiver/progress-at` says.
        deleting: Whether it has been asked to go and waits for a finalizer.
        finalizers: Who has to do something before it may go.
        expires_at: When Argo deletes it itself, by its `ttlStrategy`; None where it does not, or not yet.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    phase: Phase
    message: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    suspended: bool = False
    shutdown: str = ""
    nodes: tuple[Node, ...] | None = ()
    nodes_unreadable: str = ""
    resubmitted_from: str | None = None
    resubmitted_from_uid: str | None = None
    operation: str = ""
    terminated_by: str = ""
    stopped_by: str = ""
    suspended_by: str = ""
    resumed_by: str = ""
    retried_by: str = ""
    progress_at: datetime | None = None
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    expires_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.phase.finished

    @property
    def last_progress_at(self) -> datetime:
        """When it last moved, as far as the workflow itself says, which may be too late: its clock is not ours."""
        return max(self._signs_of_life())

    def idle(self, now: datetime, pods: Iterable[Pod] = ()) -> timedelta | None:
        """Say for how long nothing has moved, in the workflow or in *pods*.

        A suspended or finished workflow is never idle.

        Args:
            now: The present time.
            pods: Its pods, where they are known.

        Returns:
            None when it cannot be known, since the steps are not readable: never take that for idleness.
        """
        if self.suspended or self.finished:
            return timedelta()
        moved = self.moved_at(now, pods)
        return None if moved is None else max(timedelta(), now - moved)

    def moved_at(self, now: datetime, pods: Iterable[Pod] = ()) -> datetime | None:
        """Say when something last moved, in the workflow or in *pods*; None when its steps are not readable.

        A sign of life that lies in the future is not believed.
        """
        if self.nodes is None:
            return None
        signs = [*self._signs_of_life(), *(at for pod in pods for at in pod.signs_of_life())]
        return newest_believed(signs, now) or self.created_at

    def _signs_of_life(self) -> Iterator[datetime]:
        times = [self.created_at, self.started_at, self.finished_at, self.progress_at]
        for node in self.nodes or ():
            times += [node.started_at, node.finished_at]
        return (at for at in times if at is not None)


def newest_believed(signs: Iterable[datetime], now: datetime) -> datetime | None:
    """Pick the newest sign of life; one that lies in the future is not believed, since clocks differ."""
    return max((at for at in signs if at <= now + _CLOCK_SKEW), default=None)
