"""A run that a person asked for, spoken of as if an alert had fired, so that the very same guards decide about it.

Conditions, guards, decisions and runs all speak of an occurrence. The one that stands for a person's wish is made here
and stored nowhere: nobody counts it among alerts, and no Alertmanager is asked about it. Its id, `request-17`, stands
in every decision, run and line of the timeline that follows, so the record says who wanted it, and invents no alert.
"""

import re
from typing import Final

from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.incident import Occurrence, Subject
from receiver.model.request import Request

DEPLOYMENT: Final = "deployment"
"""Label that names the Deployment of a wish."""
_ID: Final = re.compile(r"request-(\d{1,18})", re.ASCII)


def manual_id(request_id: int) -> str:
    """Name what stands for a request where otherwise the id of an alert stands."""
    return f"request-{request_id}"


def request_of(alert_id: str) -> int | None:
    """Read which request an id stands for; None when it is that of an alert."""
    found = _ID.fullmatch(alert_id)
    return int(found[1]) if found else None


def subject_of(request: Request) -> Subject:
    """Say which workflow a person wants a playbook to act on; for a Deployment, only where it is."""
    return Subject(namespace=str(request.detail["namespace"]), workflow=str(request.detail.get("workflow", "")))


def deployment_of(request: Request) -> str:
    """Name the Deployment that a person wants a playbook to act on; empty where it is to be a workflow."""
    return str(request.detail.get("deployment", ""))


def as_occurrence(request: Request) -> Occurrence:
    """Speak of a request as of an alert that began to fire when it was asked, and fires until somebody cancels the run.

    It has no name and no severity: a condition on those of an alert is not true of it.
    """
    subject, deployment = subject_of(request), deployment_of(request)
    named = {DEPLOYMENT: deployment} if deployment else {"workflow_name": subject.workflow}
    return Occurrence(
        id=manual_id(request.id),
        fingerprint=Fingerprint("0" * 16),
        status=AlertStatus.FIRING,
        inferred=False,
        subject=subject,
        alertname="",
        severity="",
        labels={"namespace": subject.namespace, **named},
        annotations={},
        starts_at=request.at,
        starts_at_text=request.at.isoformat(),
        ends_at=None,
        first_seen_at=request.at,
        last_seen_at=request.at,
        deliveries=0,
        firings=1,
        group_key="",
        receiver="",
        generator_url="",
        incident_id=None,
    )
