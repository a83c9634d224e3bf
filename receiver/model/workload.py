"""A Deployment and a Job as Receiver understands them: whether a restart has taken hold, whether a step has ended.

Nouns only, read from the cluster by `receiver.clients.kubernetes`. Times are aware and in UTC; None means that the
cluster does not say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A Deployment as it was when it was read.

    Args:
        namespace: Where it lives.
        name: Its name.
        uid: Its identity; one that comes later under the same name has another.
        paused: Whether its rollouts are paused, so that a restart would not begin.
        wanted: How many pods it shall have.
        updated: How many pods are of its present template.
        available: How many pods serve.
        present: How many pods there are, of any template.
        generation: Which version of it was wanted last.
        observed_generation: Which version its controller has seen.
        restarted_by: The operation of ours that last restarted it; empty when none did.
        labels: As they are; written by others, so never trusted.
    """

    namespace: str
    name: str
    uid: str
    paused: bool = False
    wanted: int = 1
    updated: int = 0
    available: int = 0
    present: int = 0
    generation: int = 0
    observed_generation: int = 0
    restarted_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def rolled_out(self) -> bool:
        """Whether all its pods are of its present template and serve, and none of an older one is left.

        These are the tests of `kubectl rollout status`.
        """
        seen = self.observed_generation >= self.generation
        return seen and self.updated >= self.wanted and self.present <= self.updated <= self.available


class JobState(Enum):
    """How far a Job is."""

    UNFINISHED = "unfinished"
    """It waits, runs, or tries again."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It has used up its attempts or its time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A Job as it was when it was read.

    Args:
        namespace: Where it lives.
        name: Its name.
        uid: Its identity; one that comes later under the same name has another.
        state: How far it is.
        message: Why it ended as it did, in Kubernetes' words.
        created_at: When the object was created.
        started_at: When its controller took it up.
        finished_at: When it ended.
        operation: The operation of ours that created it; empty when none did.
        deleting: Whether it has been asked to go.
    """

    namespace: str
    name: str
    uid: str
    state: JobState = JobState.UNFINISHED
    message: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    operation: str = ""
    deleting: bool = False
