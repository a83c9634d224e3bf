"""What a tick is decided on: the run, what was read a moment ago, and what people said meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from receiver.model.incident import Incident, Occurrence
from receiver.model.remediation import Entry, Run, Target
from receiver.model.workflow import Pod, Workflow
from receiver.remediate.vocabulary import Values, observe

PASSING: Final = ("held_since", "held_seen", "unreadable_since", "unkept_since", "unkept_tries")
"""Variables of a run that belong to one step and end with it."""

KEPT: Final = "kept"
"""Variable of a run: what it takes to create the workflow anew once it is deleted. May hold secrets: never show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A person's answer to an approval.

    Attributes:
        cursor: Which step was answered; an answer may come before the run waits for it.
        approved: False is a rejection.
        by: Who, for people.
        at: When it was given; one given after the step's timeout does not count.
    """

    cursor: int
    approved: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One workflow to be read: which, and where it is known, exactly which."""

    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one tick.

    Attributes:
        now: The present time.
        confirm: The playbook's condition as it was when the run began.
        alert: The occurrence that the run answers to, as it is now.
        incident: Its incident.
        workflow: What `watched` names; None when there is none, or it could not be read.
        workflow_error: Why that, or what the present step looks for, could not be read; empty when it could, or is not
            there.
        pods: Pods of `workflow`; None when they could not be read.
        seen: What the `look` of the present step's action returned.
        verdicts: All answers to approvals of this run.
        cancelled_by: Who asked to stop it; empty when nobody did.
    """

    now: datetime
    confirm: str
    alert: Occurrence
    incident: Incident | None = None
    workflow: Workflow | None = None
    workflow_error: str = ""
    pods: Sequence[Pod] | None = None
    seen: object = None
    verdicts: Sequence[Verdict] = ()
    cancelled_by: str = ""


def watched(run: Run) -> Reference | None:
    """Name the workflow that the run looks at now: its target, and after a resubmit the new run; None without one.

    A run on a Deployment looks at none.
    """
    found = run.vars.get("workflow")
    if isinstance(found, Mapping):
        return Reference(namespace=str(found["namespace"]), name=str(found["name"]), uid=str(found["uid"]))
    target = run.target
    if target is None or target.kind != "workflow":
        return None
    return Reference(namespace=target.namespace, name=target.name, uid=target.uid)


def operation_of(run: Run, target: Target) -> str:
    """Name the effect of the present step; the same at each attempt, and no other's, also after the database is new."""
    return f"{run.id}:{run.cursor}:{target.uid}"


def is_ours(operation: str, run: Run, target: Target) -> bool:
    """Answer whether an operation is one of this run on this target."""
    number, _, rest = operation.partition(":")
    return number == str(run.id) and rest.partition(":")[2] == target.uid


def verb_at(run: Run, cursor: int) -> str:
    """Name the verb of a step; empty beyond the last."""
    return str(run.steps[cursor].get("action", "")) if 0 <= cursor < len(run.steps) else ""


def entries_at(run: Run, cursor: int) -> list[Entry]:
    """List the attempts at one step, oldest first."""
    return [entry for entry in run.journal if entry.cursor == cursor]


def lasting(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run's variables without those that belong to one step."""
    return {name: value for name, value in variables.items() if name not in PASSING}


def is_the_one(run: Run, workflow: Workflow | None) -> bool:
    """Answer whether a workflow is the very object that the run watches, and not a later one of its name."""
    expected = watched(run)
    return workflow is not None and expected is not None and workflow.uid == expected.uid


def values_of(run: Run, facts: Facts) -> Values:
    """Give every variable of a condition its value at this tick."""
    there = is_the_one(run, facts.workflow)
    absent = facts.workflow_error or "the workflow is not there any more"
    return observe(
        now=facts.now,
        alert=facts.alert,
        incident=facts.incident,
        workflow=facts.workflow if there else None,
        absent="" if there else absent,
        pods=facts.pods if there else None,
    )
