"""A playbook's decision about an incident, and the run that follows: its states, its journal, its outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, NewType

from receiver.model.loss import Loss

RunId = NewType("RunId", int)

PROOFS: Final = ("verify", "workflow.delete")
"""Steps that show by themselves that a run helped: a check that held, and a deletion, which ends when the workflow is
gone. A run of other steps alone has acted, and nobody knows whether it helped."""


class Mode(Enum):
    """How far a playbook may go."""

    DRY_RUN = "dry_run"
    """Everything is decided and recorded, nothing is held, nothing is done."""
    PROPOSE = "propose"
    """The full decision, then always a person's approval."""
    LIVE = "live"
    """It acts."""


class Outcome(Enum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    """All steps were taken, and every check among them held."""
    FAILED = "failed"
    """A step could not be taken, or did not help."""
    BLOCKED = "blocked"
    """A guard refused; the decision names it with its measured value and limit."""
    SKIPPED = "skipped"
    """What the playbook wants confirmed was not true of the live cluster."""
    REJECTED = "rejected"
    """A person said no."""
    CANCELLED = "cancelled"
    """A person stopped it."""
    TIMED_OUT = "timed_out"
    """A wait or an approval took longer than it may."""
    SIMULATED = "simulated"
    """Dry run: this is what would have been done."""


class RunState(Enum):
    """Where a run stands."""

    RUNNING = "running"
    """A tick is due or under way."""
    WAITING = "waiting"
    """Nothing is held in memory; `wake_at` says when it is looked at again."""
    FINISHED = "finished"
    """It has an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a run acts on.

    Attributes:
        kind: `workflow`, `pod` or `deployment`.
        uid: The object's own uid when it was decided upon.
        lineage: Root uid of the workflow through all its resubmits, or the uid of the Deployment; guards and exclusion
            count by it.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    lineage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One guard's verdict, recorded also when it let the playbook pass."""

    guard: str
    passed: bool
    measured: str
    limit: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one playbook decided about one occurrence, and why.

    Attributes:
        outcome: None when a run goes ahead; else how it ended before it began (blocked, skipped, simulated).
        reason: One sentence for people.
        checks: Each guard that was asked, in order.
        would: The steps that it takes, or in dry run would have taken, in words.
        loss: What its steps would destroy; None where they destroy nothing, or nothing was found to act on.
        steps: The same as a run carries them, as JSON values.
    """

    playbook: str
    version: str
    mode: Mode
    alert_id: str
    target: Target | None
    outcome: Outcome | None
    reason: str
    checks: Sequence[Check] = ()
    would: Sequence[str] = ()
    loss: Loss | None = None
    steps: Sequence[Mapping[str, Any]] = ()


class EntryState(Enum):
    """How far a journalled step has come."""

    INTENDED = "intended"
    """Written before the effect; after a crash it may or may not have happened: look, then act."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a run's journal: an attempt at a step."""

    cursor: int
    attempt: int
    action: str
    state: EntryState
    started_at: datetime
    finished_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One remediation from its decision to its outcome.

    Attributes:
        confirm: The playbook's condition for its first effect, in CEL; empty when it has none.
        escalate: Whether its failure wakes somebody.
        hold_until: Until when messages about the incident wait for it; None when they do not.
        steps: The playbook's steps as they were when the run began, as JSON values.
        cursor: Index of the step that is next; the compare-and-swap of every tick is on it.
        vars: What steps left for later ones, as JSON values (`workflow`: the run that is now watched), and from the
            decision `loss`: what is at stake, in words.
        wake_at: When a waiting run is looked at again.
        entered_at: When the cursor came to this step; limits of waits count from here.
        journal: All attempts so far, oldest first.
    """

    id: RunId
    incident_id: int
    alert_id: str
    playbook: str
    version: str
    mode: Mode
    target: Target | None
    state: RunState
    outcome: Outcome | None
    reason: str
    confirm: str
    escalate: bool
    hold_until: datetime | None
    steps: Sequence[Mapping[str, Any]]
    cursor: int
    vars: Mapping[str, Any]
    wake_at: datetime | None
    entered_at: datetime
    started_at: datetime
    finished_at: datetime | None
    journal: Sequence[Entry] = ()

    @property
    def helped(self) -> bool:
        """Whether it was seen to help: it succeeded, and a step of it shows that (see `PROOFS`)."""
        return self.outcome is Outcome.SUCCEEDED and any(step.get("action") in PROOFS for step in self.steps)
