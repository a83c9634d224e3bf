"""What PagerDuty is told: who is woken, by which words, with what beside them.

One dedup key belongs to one incident for ever: `receiver-incident-<id>`. A trigger under a key that is open only adds
to it, and a trigger after its resolve wakes anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from receiver.clients.pagerduty import SUMMARY_LENGTH, EventAction, PagerDutySeverity
from receiver.model.finding import FindingState
from receiver.notify import account
from receiver.notify.situation import Situation
from receiver.notify.templates import BUILT_IN, Words
from receiver.notify.words import clean, clean_lines, cut, weblink

LONGEST_FIELD: Final = 255
MOST_ALERTS: Final = 10
LONGEST_DETAIL: Final = 2000
"""Characters of one custom detail. All together are far from the 512,000 bytes that PagerDuty takes."""


def dedup_key(incident_id: int) -> str:
    """Name an incident at PagerDuty, the same from its first trigger to its last resolve."""
    return f"receiver-incident-{incident_id}"


def trigger(
    situation: Situation, *, urgent: bool, why: str, public_url: str | None, words: Words = BUILT_IN
) -> dict[str, Any]:
    """Make the event that wakes somebody, as JSON values.

    Args:
        situation: The incident.
        urgent: Whether it is critical whatever its label says: a run failed, so that nobody else will help.
        why: Why somebody is woken, one sentence.
        public_url: How people reach Receiver.
        words: What a template says in place of the built-in words.
    """
    subject = situation.story.incident.subject
    where = "/".join(part for part in (subject.namespace, subject.workflow) if part)
    firing = situation.firing or situation.alerts
    event = {
        "action": EventAction.TRIGGER.value,
        "dedup_key": dedup_key(situation.story.incident.id),
        "summary": cut(words.summary or account.lede(situation), SUMMARY_LENGTH),
        "source": _field(where or subject.cluster or account.headline(situation)),
        "severity": (PagerDutySeverity.CRITICAL if urgent else severity(situation.severity)).value,
        "timestamp": min((one.starts_at for one in firing), default=situation.story.incident.opened_at).isoformat(),
        "component": _field(subject.workflow or subject.agent),
        "group": _field("/".join(part for part in (subject.cluster, subject.namespace) if part)),
        "event_class": _field(firing[0].alertname if firing else ""),
        "custom_details": _details(situation, why),
        "links": _links(situation),
        "client": "Receiver",
        "client_url": weblink(public_url or ""),
        "template_fault": words.fault,
    }
    return {name: value for name, value in event.items() if value}


def acknowledge(incident_id: int) -> dict[str, Any]:
    """Make the event that says that somebody has it, as JSON values. It ends the escalation, and no more."""
    return {"action": EventAction.ACKNOWLEDGE.value, "dedup_key": dedup_key(incident_id)}


def resolve(incident_id: int) -> dict[str, Any]:
    """Make the event that says that it is over, as JSON values."""
    return {"action": EventAction.RESOLVE.value, "dedup_key": dedup_key(incident_id)}


def severity(label: str) -> PagerDutySeverity:
    """Translate a severity label. One that PagerDuty does not know is an error: it was worth a page to somebody."""
    try:
        return PagerDutySeverity(label.strip().lower())
    except ValueError:
        return PagerDutySeverity.ERROR


def _details(situation: Situation, why: str) -> dict[str, Any]:
    run = situation.run
    details: dict[str, Any] = {
        "why": why,
        "status": account.status(situation),
        "receiver": account.deed(situation),
        "what to do": account.advice(situation),
        "belongs to": cut(clean(situation.owner), LONGEST_FIELD),
        "taken on by": cut(clean(situation.story.incident.acknowledged_by), LONGEST_FIELD),
        "tried": account.steps_of(run)[-10:] if run else [],
        "alerts": [_alert(one.alertname, one.annotations) for one in situation.alerts[:MOST_ALERTS]],
        "more alerts": max(0, len(situation.alerts) - MOST_ALERTS),
        **{
            finding.source: cut(clean(finding.summary), LONGEST_DETAIL)
            for finding in account.newest_findings(situation).values()
            if finding.state is FindingState.FOUND and finding.source not in {"links", "log"}
        },
        "log": _log(situation),
        "not known": account.gaps(situation),
        "incident": situation.story.incident.id,
        "previous incident": situation.story.incident.previous_id,
    }
    return {name: value for name, value in details.items() if value}


def _alert(name: str, annotations: Mapping[str, str]) -> str:
    said = annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""
    return cut(clean(f"{name or 'Alert without a name'}: {said}" if said else name), 500)


def _log(situation: Situation) -> str:
    finding = account.newest_findings(situation).get("log")
    lines = finding.detail.get("lines") if finding else None
    if not isinstance(lines, Sequence) or isinstance(lines, str):
        return ""
    return clean_lines("\n".join(str(line) for line in lines[-20:]))[-LONGEST_DETAIL:]


def _links(situation: Situation) -> list[dict[str, str]]:
    finding = account.newest_findings(situation).get("links")
    found = finding.detail if finding and finding.state is FindingState.FOUND else {}
    links = ((cut(clean(name), 60), weblink(str(url))) for name, url in found.items())
    return [{"href": url, "text": name} for name, url in links if url]


def _field(text: str) -> str:
    return cut(clean(text), LONGEST_FIELD)
