"""What every guard is asked: the playbook, the alert, the workflow, and the facts of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from receiver.model.incident import Occurrence
from receiver.model.remediation import Check, RunId
from receiver.model.standing import Pause, Standing
from receiver.model.workflow import Workflow
from receiver.model.workload import Deployment
from receiver.remediate.language import Playbook

UNREAD: Final = "could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """What the guards decide on, as it was at one moment. None always means that it is not known, and refuses.

    Dry runs count nowhere. A run *holds a slot* from its decision to its end, and *acted* when it took or intended an
    effect.

    Attributes:
        now: The present time.
        targets: How many different workflows, or deployments, match the playbook at once, as its storm brake counts.
        pauses: The pauses that hold now.
        missing: Why what the playbook needs is not configured; empty when everything is there.
        standing: What the playbook's own results made of it.
        failures: Runs of the playbook in a row that failed, or helped and did not hold, since its breaker was closed.
        namespace_allowed: Whether the settings let playbooks act in the workflow's namespace.
        opt_in: Whether the settings want the workflow itself to agree.
        lineage: Root uid of the workflow.
        acts: When each earlier run of this playbook on this lineage last took or intended an effect, as far back as
            its guards ask.
        unfinished_runs: Unfinished runs of any playbook on this lineage.
        superseded_by: Which run of ours ended or replaced this workflow, in a few words; empty when none did.
        workflow_error: Why the workflow, or what the playbook acts on instead, could not be read; empty when it could,
            or is simply not there.
        running: Runs of this playbook that hold a slot.
        spent: Runs of this playbook that hold a slot, or acted within the time that its budget names.
        touched: Other lineages of the namespace on which a run of any playbook holds a slot, or acted within the last
            hour.
        workflows: Unfinished workflows of the namespace, counted in the cluster before the facts were locked.
        deployment: What the playbook acts on instead of a workflow; None where it does not, or there is none.
    """

    now: datetime
    targets: int | None = None
    pauses: Sequence[Pause] | None = None
    missing: str | None = None
    standing: Standing | None = None
    failures: int | None = None
    namespace_allowed: bool | None = None
    opt_in: bool | None = None
    lineage: str | None = None
    acts: Sequence[datetime] | None = None
    unfinished_runs: Sequence[RunId] | None = None
    superseded_by: str | None = None
    workflow_error: str = ""
    running: int | None = None
    spent: int | None = None
    touched: int | None = None
    workflows: int | None = None
    deployment: Deployment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this playbook begin on this workflow because of this alert?"""

    playbook: Playbook
    alert: Occurrence
    workflow: Workflow | None
    facts: GuardFacts

    @property
    def namespace(self) -> str:
        """Where it would act; empty when nobody says."""
        return self.workflow.namespace if self.workflow else self.alert.subject.namespace


def verdict(guard: str, *, refusal: str, measured: str, limit: str) -> Check:
    """Give a verdict; without a refusal it agrees."""
    return Check(guard=guard, passed=not refusal, measured=measured, limit=limit, reason=refusal or "as it should be")


def unlimited(guard: str) -> Check:
    """Agree, because the playbook sets no such limit."""
    return verdict(guard, refusal="", measured="not asked", limit="none")


def unknown(guard: str, limit: str) -> Check:
    """Refuse, because what the guard measures could not be read."""
    return verdict(guard, refusal=said(None, ""), measured=UNREAD, limit=limit)


def said(fact: object, refusal: str) -> str:
    """Give the refusal, or that its fact is not known."""
    return f"it {UNREAD}, and what is not known is not assumed" if fact is None else refusal
