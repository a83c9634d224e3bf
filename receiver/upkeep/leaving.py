"""Why a cleanup leaves an object alone: decided from what was read and the time, and said for people. Pure."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from receiver.model.cleanup import Belonging, Kind, Reason
from receiver.model.workflow import Workflow
from receiver.remediate.guards.target import CONSENT

Left = tuple[Reason, str]
"""Why, and the same with the particulars."""

ARTIFACTS: Final = "workflows.argoproj.io/artifact-gc"
"""Finalizer by which Argo deletes the artifacts of a workflow together with it."""
_ARGO_ARCHIVE: Final = "workflows.argoproj.io/workflow-archiving-status"
_TTL_GRACE: Final = timedelta(hours=1)
"""How late Argo may be with what it deletes itself, before that is done for it."""
_HELD_ANYWAY: Final = frozenset({"kubernetes.io/pvc-protection", "workflows.argoproj.io/status"})
"""Finalizers of claims and pods that Kubernetes and Argo take away by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a cleanup may take.

    Attributes:
        older_than: How long ago a workflow must have ended, or a pod or claim been created.
        opt_in: Whether a workflow must agree by its label, as for playbooks.
        artifacts: Whether also those go whose artifacts Argo deletes with them.
    """

    older_than: timedelta
    opt_in: bool = False
    artifacts: bool = False

    def old(self, since: datetime | None, now: datetime) -> bool:
        """Say whether something is old enough; what does not say how old it is never is."""
        return since is not None and since <= now - self.older_than


def ended_at(workflow: Workflow) -> datetime:
    """Say when a finished workflow ended; where Argo does not, when it last moved."""
    return workflow.finished_at or workflow.last_progress_at


def workflow_left(workflow: Workflow, rules: Rules) -> Left | None:
    """Say why a finished workflow is neither archived nor deleted; None where nothing speaks against it."""
    consent = _consent(workflow.labels.get(CONSENT), opt_in=rules.opt_in)
    foreign = [name for name in workflow.finalizers if name != ARTIFACTS]
    artifacts = ARTIFACTS in workflow.finalizers and not rules.artifacts
    pending = workflow.labels.get(_ARGO_ARCHIVE) == "Pending"
    return _first(
        (workflow.deleting, Reason.BEING_DELETED, "somebody has asked for its deletion; it waits for its finalizers"),
        (consent, Reason.OPTED_OUT, consent),
        (foreign, Reason.FINALIZER, f"finalizer {', '.join(foreign)} is not Argo's"),
        (artifacts, Reason.ARTIFACTS, "Argo would delete its artifacts with it; --with-artifacts lets it"),
        (pending, Reason.ARGO_ARCHIVE, "Argo has not written it into its own archive yet"),
    )


def left_to_argo(workflow: Workflow, now: datetime) -> Left | None:
    """Say that Argo will delete an archived workflow itself; None where it has no such time, or let it pass."""
    if workflow.expires_at is None or workflow.expires_at + _TTL_GRACE <= now:
        return None
    return Reason.TTL, f"archived; its ttlStrategy lets Argo delete it at {workflow.expires_at:%Y-%m-%d %H:%M:%S}"


def belonging_left(one: Belonging, *, living: Container[str], mounted: Container[tuple[str, str]]) -> Left | None:
    """Say why a pod or claim is left alone that belonged to a workflow; None where nothing speaks against it.

    Args:
        one: It names at least one owner, and is old enough.
        living: The uids of all workflows that are there.
        mounted: Namespace and name of the claims that a pod names which has not ended.
    """
    owned = not all(owner.workflow and owner.uid not in living for owner in one.owners)
    foreign = [name for name in one.finalizers if name not in _HELD_ANYWAY]
    consent = _consent(one.labels.get(CONSENT), opt_in=False)
    in_use = one.kind is Kind.CLAIM and (one.namespace, one.name) in mounted
    return _first(
        (one.deleting, Reason.BEING_DELETED, "somebody has asked for its deletion already"),
        (owned, Reason.OTHER_OWNER, "one of its owners is there still, or is no workflow"),
        (consent, Reason.OPTED_OUT, consent),
        (foreign, Reason.FINALIZER, f"finalizer {', '.join(foreign)} is somebody else's"),
        (not one.ended, Reason.RUNNING, "it has not ended"),
        (in_use, Reason.IN_USE, "a pod that has not ended names it"),
    )


def _first(*against: tuple[object, Reason, str]) -> Left | None:
    return next(((reason, text) for holds, reason, text in against if holds), None)


def _consent(value: str | None, *, opt_in: bool) -> str:
    """Say that a label does not agree; empty where it does."""
    if value == "true" or (value is None and not opt_in):
        return ""
    return f"its label is {CONSENT}={value}" if value is not None else f"it has no label {CONSENT}=true"
