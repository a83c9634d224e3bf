"""The story of an incident as Markdown, to begin a postmortem with."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.message import Message, Story
from receiver.model.remediation import Decision, Run
from receiver.model.timeline import Event

LONGEST: Final = 1_000
"""Characters of one text that is quoted."""

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~$@-])")


def postmortem(story: Story, events: Sequence[Event], now: datetime) -> str:
    """Write the story down: what it was, what happened, what was decided and done, who was told.

    Args:
        story: All that is known of the incident.
        events: What happened, oldest first.
        now: The present time.
    """
    parts = [
        _head(story, now),
        _section("What happened", (f"- {_time(one.at)} **{one.kind.value}** {quoted(one.text)}" for one in events)),
        _section("What was decided", (line for one in story.decisions for line in _decision(one))),
        _section("What was done", (line for one in story.runs for line in _run(one))),
        _section("What was found around it", (f"- {one.source}: {quoted(one.summary)}" for one in story.findings)),
        _section("Who was told", (_message(one) for one in story.messages)),
        "## For people to write\n\n### What caused it\n\n### What helped, and what did not\n\n### What is to be done\n",
    ]
    return "\n".join(parts)


def quoted(text: str) -> str:
    """Write a stranger's text so that it is read and never becomes Markdown, HTML or another direction of writing."""
    line = " ".join(text.split())[:LONGEST]
    plain = "".join(one for one in line if unicodedata.category(one) not in {"Cc", "Cf"})
    return _SPECIAL.sub(r"\\\1", plain)


def _head(story: Story, now: datetime) -> str:
    incident = story.incident
    end = incident.closed_at
    subject = "/".join(part for part in (incident.subject.namespace, incident.subject.workflow) if part)
    lasted = format_duration((end or now) - incident.opened_at)
    facts = [
        ("Severity", quoted(incident.severity) or "none"),
        ("State", incident.state.value),
        ("About", quoted(subject) or "a group of alerts"),
        ("Opened", _time(incident.opened_at)),
        ("Closed", f"{_time(end)}, after {lasted}" if end else f"not yet, after {lasted}"),
        ("Alerts", str(len(story.alerts))),
        ("Flaps", str(incident.flaps)),
        ("Taken on by", quoted(incident.acknowledged_by) or "nobody"),
    ]
    told = "\n".join(f"| {name} | {value} |" for name, value in facts)
    return f"# Incident {incident.id}: {quoted(incident.title)}\n\n| | |\n| --- | --- |\n{told}\n"


def _section(title: str, lines: Iterable[str]) -> str:
    told = "\n".join(lines)
    return f"## {title}\n\n{told or 'Nothing.'}\n"


def _decision(decision: Decision) -> Iterator[str]:
    outcome = decision.outcome.value if decision.outcome else "goes ahead"
    yield f"- **{quoted(decision.playbook)}** ({decision.mode.value}): {outcome}. {quoted(decision.reason)}"
    for check in decision.checks:
        verdict = "passed" if check.passed else "**refused**"
        yield (
            f"  - {check.guard} {verdict}: measured {quoted(check.measured) or 'nothing'}, "
            f"limit {quoted(check.limit) or 'none'}. {quoted(check.reason)}"
        )


def _run(run: Run) -> Iterator[str]:
    outcome = run.outcome.value if run.outcome else "not finished"
    yield f"- {_time(run.started_at)} **{quoted(run.playbook)}**, remediation {run.id}: {outcome}. {quoted(run.reason)}"
    for entry in run.journal:
        said = entry.error or str(entry.result.get("text", ""))
        yield f"  - {_time(entry.started_at)} {entry.action}, {entry.state.value}: {quoted(said)}"


def _message(message: Message) -> str:
    draft = message.draft
    place = f"{draft.place.value} {quoted(draft.address)}".strip()
    return f"- {_time(message.sent_at or message.created_at)} {place}, {message.state.value}: {quoted(draft.cause)}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
