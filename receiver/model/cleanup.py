"""What a cleanup finds and does: workflows that ended long ago, what others left behind, and what became of each.

Nouns only, and the count of them. A workflow goes only once the archive holds it; a pod or a claim only when somebody
asked for that and its owners are gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What may be deleted."""

    WORKFLOW = "workflow"
    POD = "pod"
    CLAIM = "claim"
    """A PersistentVolumeClaim."""


class Fate(StrEnum):
    """What became of one of them."""

    DUE = "due"
    """It would be deleted; only a dry run says so."""
    DELETED = "deleted"
    """Its deletion was asked for and accepted; it may wait for a finalizer."""
    SKIPPED = "skipped"
    """It was left alone, for a reason."""
    FAILED = "failed"
    """Something refused or did not answer. It is there still, or will be looked at by the next run."""


class Reason(StrEnum):
    """Why one was left alone."""

    OPTED_OUT = "opted_out"
    """Its label `receiver/remediate` does not agree."""
    BEING_DELETED = "being_deleted"
    """Somebody has asked for its deletion already."""
    FINALIZER = "finalizer"
    """Somebody else has to do something before it may go."""
    ARTIFACTS = "artifacts"
    """Argo would delete its artifacts with it, and these are in no archive."""
    ARGO_ARCHIVE = "argo_archive"
    """Argo has not written it into its own archive yet."""
    REPEATED = "repeated"
    """A run that was made out of it goes on."""
    REMEDIATED = "remediated"
    """A playbook is at work on it."""
    MASKED = "masked"
    """`archive.mask` matches something in it, so its archive could not be brought back."""
    TTL = "ttl"
    """It was archived; Argo will delete it itself, at the time that its author chose."""
    CHANGED = "changed"
    """Somebody wrote to it, or replaced it, after it was looked at."""
    GONE = "gone"
    """Somebody else deleted it."""
    OTHER_OWNER = "other_owner"
    """Something that is no workflow owns it too, or a workflow that is still there."""
    RUNNING = "running"
    """It is a pod that has not ended."""
    IN_USE = "in_use"
    """It is a claim that a pod names which has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whom an object names as its owner.

    Attributes:
        workflow: Whether that is one of Argo's workflows.
    """

    workflow: bool
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """A pod or a claim, as far as a cleanup has to know it.

    Attributes:
        owners: Whom it names; without any it belongs to nobody that could be gone.
        ended: Whether nothing runs in it; true of a claim.
        claims: Names of the claims that a pod mounts.
        capacity: Bytes of a claim; 0 of a pod, and where it is not said.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    resource_version: str
    created_at: datetime | None
    labels: Mapping[str, str]
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    ended: bool = True
    claims: tuple[str, ...] = ()
    capacity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What became of one object.

    Attributes:
        since: When a workflow ended, or a pod or claim was created.
        size: Bytes that it takes: of a workflow as JSON in the cluster's own store, of a claim its capacity.
        pods: How many Kubernetes deletes with a workflow; only a dry run counts them.
        claims: The same of claims.
        capacity: Bytes of these claims.
        reason: Why it was skipped.
        text: The same for people, with the particulars; of a failure the error.
        place: Where the archive has it; empty where it was not archived.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    since: datetime | None
    size: int
    fate: Fate
    pods: int = 0
    claims: int = 0
    capacity: int = 0
    reason: Reason | None = None
    text: str = ""
    place: str = ""


def left_alone(move: Move, left: tuple[Reason, str]) -> Move:
    """Say of an object why it was left alone, in two forms."""
    reason, text = left
    return replace(move, fate=Fate.SKIPPED, reason=reason, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupRun:
    """One run, and what it has come to so far.

    Attributes:
        ended_at: When it came to its end; None while it works, and for ever of one that was killed.
        started_by: Who asked for it.
        older_than: How long ago a workflow must have ended.
        budget: How much it may delete at most.
        due: How many objects were to be deleted when it began.
        archived: Workflows that the archive was seen to hold.
        deleted: Objects whose deletion was asked for.
        skipped: How many were left alone, by `Reason`.
        failed: How many could not be archived or deleted.
        size: Bytes of what was deleted; see `Move`.
        trouble: Why it ended before its time, or the first failure; empty where all went well.
    """

    id: int = 0
    started_at: datetime
    ended_at: datetime | None = None
    started_by: str
    older_than: timedelta
    budget: int
    due: int = 0
    archived: int = 0
    deleted: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    size: int = 0
    trouble: str = ""

    @property
    def spent(self) -> bool:
        """Whether it has deleted as much as it may."""
        return self.deleted >= self.budget

    def counting(self, move: Move) -> "CleanupRun":
        """Give the run with one more object in it."""
        counted = replace(self, archived=self.archived + bool(move.place))
        match move.fate:
            case Fate.DELETED:
                return replace(counted, deleted=self.deleted + 1, size=self.size + move.size)
            case Fate.FAILED:
                return replace(counted, failed=self.failed + 1, trouble=self.trouble or move.text)
            case _ if move.reason is not None:
                times = self.skipped.get(move.reason.value, 0) + 1
                return replace(counted, skipped={**self.skipped, move.reason.value: times})
            case _:
                return counted
