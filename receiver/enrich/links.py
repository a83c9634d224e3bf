"""Where to look further: Argo's page, the expression behind the alert, the runbook, the dashboard."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.model.errors import RequestRefused
from receiver.model.finding import Finding, FindingState
from receiver.model.incident import Subject

SOURCE: Final = "links"

LONGEST: Final = 3000
"""Characters of a link; Slack takes no more: https://docs.slack.dev/reference/block-kit/block-elements/button-element."""

ANNOTATIONS: Final = {"runbook_url": "runbook", "dashboard_url": "dashboard"}
"""Annotations that hold links, as the community's rules name them, and what they are called here."""


def describe(subject: Subject, annotations: Mapping[str, str], generator_url: str, argo_url: str | None) -> Finding:
    """Collect the links of an alert.

    Args:
        subject: What it is about.
        annotations: Its annotations.
        generator_url: What Prometheus says led to it.
        argo_url: Base of Argo's web page; None where it is not configured.
    """
    found = {
        "argo": _argo(subject, argo_url),
        "expression": _web(generator_url),
        **{name: _web(annotations.get(annotation, "")) for annotation, name in ANNOTATIONS.items()},
    }
    links = {name: url for name, url in found.items() if url}
    if not links:
        return Finding(source=SOURCE, state=FindingState.EMPTY, summary="the alert carries no links")
    return Finding(source=SOURCE, state=FindingState.FOUND, summary=", ".join(links), detail=links)


def _argo(subject: Subject, argo_url: str | None) -> str:
    if not argo_url:
        return ""
    try:
        check_namespace(subject.namespace)
        check_name("workflow", subject.workflow)
    except RequestRefused:
        return ""
    return _web(f"{argo_url.rstrip('/')}/workflows/{quote(subject.namespace)}/{quote(subject.workflow)}")


def _web(url: str) -> str:
    """Return a link that a browser may safely be given, else nothing."""
    if len(url) > LONGEST or not url.isprintable() or " " in url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""
