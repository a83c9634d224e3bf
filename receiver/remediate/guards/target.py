"""Guards about the one target: its namespace, its own word, what it is, and who is at work on it."""

import re
from typing import Final

from receiver.model.remediation import Check
from receiver.remediate.aim import Aim, name_of
from receiver.remediate.guards.question import UNREAD, Question, said, unknown, verdict

CONSENT: Final = "receiver/remediate"
"""Label of a workflow: `false` keeps every playbook away, `true` agrees where the settings ask for that."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/: RFC 1123 label and subdomain.
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def namespace(asked: Question) -> Check:
    """Refuse outside the namespaces of the settings."""
    allowed, where = asked.facts.namespace_allowed, asked.namespace
    refusal = f"playbooks may not act in namespace {where}" if where else "the alert names no namespace"
    return verdict(
        "namespace",
        refusal="" if allowed else said(allowed, refusal),
        measured=where or "no namespace",
        limit="one of the setting kubernetes.namespaces",
    )


def label(asked: Question) -> Check:
    """Refuse what the target itself forbids; in opt-in mode also what it does not allow."""
    opt_in, found = asked.facts.opt_in, asked.workflow or asked.facts.deployment
    limit = f"label {CONSENT}=true" if opt_in else f"no label {CONSENT}, or its value true"
    if opt_in is None:
        return unknown("label", limit)
    value = found.labels.get(CONSENT) if found else None
    agrees = value == "true" or (value is None and not opt_in)
    measured = "no such label" if value is None else f"{CONSENT}={value}"
    kind = "workflow" if asked.workflow else "deployment"
    refusal = "" if agrees or found is None else f"the {kind} does not agree: {measured}"
    return verdict("label", refusal=refusal, measured=measured, limit=limit)


def target(asked: Question) -> Check:
    """Refuse where there is no such workflow, or it is not known well enough; the same of a Deployment."""
    if asked.playbook.target is not None:
        return _deployment(asked, asked.playbook.target)
    workflow = asked.workflow
    subject = asked.alert.subject
    return verdict(
        "target",
        refusal=_untargetable(asked),
        measured=f"{workflow.namespace}/{workflow.name}" if workflow else f"{subject.namespace}/{subject.workflow}",
        limit="one workflow that is there, under a name that Kubernetes allows",
    )


def superseded(asked: Question) -> Check:
    """Refuse what a run of ours ended or replaced."""
    by, workflow = asked.facts.superseded_by, asked.workflow
    ended_by = (workflow.terminated_by or workflow.stopped_by) if workflow is not None else ""
    if not by and ended_by:
        by = f"run {ended_by.partition(':')[0][:20]}"
    return verdict(
        "superseded",
        refusal=""
        if by == ""
        else said(by, f"the workflow was ended or replaced by {by}, so it is no target any more"),
        measured=by or ("nothing replaced it" if by == "" else UNREAD),
        limit="neither ended nor replaced by Receiver",
    )


def exclusion(asked: Question) -> Check:
    """Refuse while another run on the lineage is unfinished."""
    runs = asked.facts.unfinished_runs
    named = ", ".join(str(run) for run in runs or ())
    return verdict(
        "exclusion",
        refusal="" if runs is not None and not runs else said(runs, f"run {named} on this workflow is not finished"),
        measured=UNREAD if runs is None else f"{len(runs)} unfinished",
        limit="no other unfinished run on this workflow and its resubmits",
    )


def _deployment(asked: Question, aim: Aim) -> Check:
    found, namespace, name = asked.facts.deployment, asked.namespace, name_of(aim, asked.alert)
    refusal = f"the deployment {UNREAD}: {asked.facts.workflow_error}" if asked.facts.workflow_error else ""
    if not refusal and name is None:
        refusal = f"the labels of the alert give no name for {aim.deployment}"
    if not refusal and found is None:
        refusal = "there is no such deployment in the cluster" if namespace else "the alert names no namespace"
    return verdict(
        "target",
        refusal=refusal,
        measured=f"{namespace}/{name or aim.deployment}",
        limit="one deployment that is there",
    )


def _untargetable(asked: Question) -> str:
    workflow, subject, facts = asked.workflow, asked.alert.subject, asked.facts
    if facts.workflow_error:
        return f"the workflow {UNREAD}: {facts.workflow_error}"
    if workflow is None:
        return _misnamed(subject.namespace, subject.workflow) or "there is no such workflow in the cluster"
    if subject.namespace and subject.namespace != workflow.namespace:
        return f"it was found in namespace {workflow.namespace}, and the alert is about {subject.namespace}"
    if workflow.deleting:
        return "the workflow is being deleted"
    unread = "its lineage could not be read" if facts.lineage is None else ""
    return _misnamed(workflow.namespace, workflow.name) or unread


def _misnamed(namespace: str, name: str) -> str:
    if not namespace or not name:
        return "the alert names no workflow with its namespace"
    allowed = _LABEL.fullmatch(namespace) and _SUBDOMAIN.fullmatch(name)
    return "" if allowed else f"{namespace!r}/{name!r} is not a name that Kubernetes allows"
