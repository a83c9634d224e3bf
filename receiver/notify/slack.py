"""What Slack shows: one card for an incident, one line where nobody has to do anything, and replies.

Slack documents no limit for all blocks of a message together; 9,600 characters were seen to pass and 11,300 to be
refused (https://github.com/slackapi/bolt-js/issues/2867). Each part of a card has a budget of its own, counted after
escaping, and all budgets with the notation around them stay below `TOTAL_CHARACTERS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from receiver.model.finding import Finding, FindingState
from receiver.notify import account
from receiver.notify.buttons import buttons
from receiver.notify.situation import Situation
from receiver.notify.templates import BUILT_IN, Words
from receiver.notify.words import clean, clean_lines, code, cost, markup, plain, slack_link

TOTAL_CHARACTERS: Final = 9_000
HEADER: Final = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""
TEXT: Final = 2_900
"""Of a reply, and of what notifications show instead of a card; `chat.update` takes 4,000."""
ANSWER: Final = 2_000
"""Of what somebody is told about a press."""
MOST_ALERTS: Final = 3
MOST_REFUSALS: Final = 3
MOST_RUNS: Final = 2
MOST_STEPS: Final = 3
ALL_LINKS: Final = 1_200
"""Characters of all links together; those that do not fit are left out, the last ones first."""


def card(
    situation: Situation, *, public_url: str | None, pressed: bool = False, words: Words = BUILT_IN
) -> dict[str, Any]:
    """Make the incident's one message, as JSON values: `text` for notifications, `blocks` for the channel.

    Args:
        situation: The incident.
        public_url: How people reach Receiver.
        pressed: Whether somebody would take a press of a button.
        words: What a template says in place of the built-in words.
    """
    own = [SectionBlock(text=_verbatim(section)) for section in words.sections]
    parts: tuple[Block | None, ...] = (
        *(own or _told(situation)),
        buttons(situation) if pressed else None,
        None if own else _context(_background(situation)),
        _context(_links(situation, public_url)),
    )
    title = words.title or account.headline(situation)
    header = HeaderBlock(text=PlainTextObject(text=plain(f"{_mark(situation)} {title}", HEADER)))
    blocks: list[Block] = [header, *(part for part in parts if part is not None)]
    return {
        "text": markup(f"{_mark(situation)} {words.summary or account.lede(situation)}", TEXT),
        "blocks": [block.to_dict() for block in blocks],
        **({"template_fault": words.fault} if words.fault else {}),
    }


def _told(situation: Situation) -> tuple[SectionBlock | None, ...]:
    """Tell all that counts in the built-in words."""
    told = (_summary, _alerts, _workflow, _tried, _log)
    return tuple(_section(lines(situation)) for lines in told)


def line(situation: Situation) -> dict[str, Any]:
    """Make the one quiet line about an incident that nobody has to look at. It has no blocks: so it is told apart."""
    return {"text": markup(f"🟢 {account.quiet_line(situation)}", TEXT), "blocks": []}


def pointer(incident_id: int, into: int, public_url: str | None) -> dict[str, Any]:
    """Make what stands in the place of the card of an incident that was merged into an older one."""
    text = f"⚪ Incident {incident_id} is about the same workflow as incident {into}, and goes on there."
    shown = markup(text, TEXT)
    if public_url:
        link = slack_link(f"{public_url.rstrip('/')}/api/v1/incidents/{into}/timeline", "timeline")
        shown = f"{shown} {link}"
    return {"text": markup(text, TEXT), "blocks": [SectionBlock(text=_verbatim(shown)).to_dict()]}


def bulletin(text: str, title: str, sections: Sequence[str], footer: str) -> dict[str, Any]:
    """Make a message that is about many incidents.

    Args:
        text: What notifications show; escaped.
        title: Its header, in plain words.
        sections: Its paragraphs, escaped, each of at most 3,000 characters.
        footer: One small line beneath them, escaped.
    """
    blocks: list[Block] = [
        HeaderBlock(text=PlainTextObject(text=plain(title, HEADER))),
        *(SectionBlock(text=_verbatim(section)) for section in sections),
        ContextBlock(elements=[_verbatim(footer)]),
    ]
    return {"text": text, "blocks": [block.to_dict() for block in blocks]}


def reply(text: str, *, broadcast: bool) -> dict[str, Any]:
    """Make a line of the thread."""
    return {"text": markup(text, TEXT), "blocks": [], "broadcast": broadcast}


def answer(text: str) -> dict[str, Any]:
    """Make what whoever pressed a button is told; nobody else sees it, and the card stays."""
    said = markup(text[:1].upper() + text[1:], ANSWER)
    return {"text": said, "response_type": "ephemeral", "replace_original": False}


def is_quiet(payload: Mapping[str, Any]) -> bool:
    """Answer whether a message was the quiet line."""
    return not payload.get("blocks")


def _mark(situation: Situation) -> str:
    if situation.paging:
        return "🆘"
    if situation.asking:
        return "🟡"
    return "🔴" if situation.fires else "🟢" if situation.closed or situation.healed else "⚪"


def _summary(situation: Situation) -> Iterator[str]:
    yield f"*{_emphasized(account.status(situation), 250)}*"
    yield markup(account.deed(situation), 750)
    advice = account.advice(situation)
    if advice:
        yield f"*What to do:* {markup(advice, 350)}"
    if situation.owner:
        yield f"Belongs to {markup(clean(situation.owner), 80)}."
    taken_by = clean(situation.story.incident.acknowledged_by)
    if taken_by:
        yield f"Taken on by {markup(taken_by, 80)}."


def _alerts(situation: Situation) -> Iterator[str]:
    for alert in situation.alerts[:MOST_ALERTS]:
        said = alert.annotations.get("description") or alert.annotations.get("summary") or ""
        name = _emphasized(clean(alert.alertname) or "Alert without a name", 80)
        yield f"*{name}* {markup(clean(said), 250)}".rstrip()
    more = len(situation.alerts) - MOST_ALERTS
    if more > 0:
        yield f"and {more:,} more"


def _workflow(situation: Situation) -> Iterator[str]:
    findings = account.newest_findings(situation)
    workflow = _found(findings, "workflow")
    if workflow is not None:
        detail = workflow.detail
        where = clean(f"{detail.get('namespace', '')}/{detail.get('name', '')}")
        yield f"*Workflow* `{code(where, 120)}`: {markup(clean(workflow.summary), 300)}"
        facts = " · ".join(_facts(detail, situation.story.incident.subject.agent))
        if facts:
            yield facts
    for source, name in (("pods", "Pods"), ("events", "Warnings")):
        finding = _found(findings, source)
        if finding is not None:
            yield f"*{name}* {markup(clean(finding.summary), 200)}"


def _facts(detail: Mapping[str, Any], agent: str) -> Iterator[str]:
    named = (("progress", detail.get("progress")), ("template", detail.get("template")), ("agent", agent))
    for name, value in named:
        if value:
            yield f"{name} {markup(clean(str(value)), 60)}"
    attempts = detail.get("attempts")
    if isinstance(attempts, int) and attempts > 0:
        yield "acted on once before" if attempts == 1 else f"acted on {attempts} times before"


def _tried(situation: Situation) -> Iterator[str]:
    for run in sorted(situation.story.runs, key=lambda run: run.id)[-MOST_RUNS:]:
        if run is not situation.run:
            yield f"• {markup(account.deed_of(run), 200)}"
        for step in account.steps_of(run)[-MOST_STEPS:]:
            yield f"• {markup(step, 130)}"
    groups = list(account.distinct_refusals(situation).values())
    for alike in groups[-MOST_REFUSALS:]:
        if alike[-1] is situation.refusals[-1] and situation.run is None:
            continue
        count = f" ({len(alike):,} alerts)" if len(alike) > 1 else ""
        yield f"• {markup(account.refusal(alike[-1]), 180)}{count}"


def _log(situation: Situation) -> Iterator[str]:
    finding = _found(account.newest_findings(situation), "log")
    lines = finding.detail.get("lines") if finding else None
    if isinstance(lines, Sequence) and not isinstance(lines, str) and lines:
        words = clean_lines("\n".join(str(one)[:200] for one in lines[-5:]))
        if words:
            yield f"*Last words of* `{code(clean(str(finding.detail.get('pod', '')) if finding else ''), 80)}`"
            yield f"```{code(words, 450)}```"


def _background(situation: Situation) -> Iterator[str]:
    past = _found(account.newest_findings(situation), "past")
    if past is not None:
        yield markup(clean(past.summary), 300)
    gaps = account.gaps(situation)
    if gaps:
        yield f"Not known: {markup('; '.join(gaps), 300)}"


def _links(situation: Situation, public_url: str | None) -> Iterator[str]:
    incident = situation.story.incident
    shown, room = [f"Incident {incident.id}"], ALL_LINKS
    if incident.previous_id is not None:
        shown.append(f"before: incident {incident.previous_id}")
    finding = _found(account.newest_findings(situation), "links")
    links = [(str(url), name) for name, url in finding.detail.items()] if finding else []
    if public_url:
        links.insert(0, (f"{public_url.rstrip('/')}/api/v1/incidents/{incident.id}/timeline", "timeline"))
    for url, name in links:
        link = slack_link(url, name)
        if link.startswith("<") and cost(link) <= room:
            room -= cost(link)
            shown.append(link)
    yield " · ".join(shown)


def _found(findings: Mapping[str, Finding], source: str) -> Finding | None:
    finding = findings.get(source)
    return finding if finding is not None and finding.state is FindingState.FOUND else None


def _emphasized(text: str, longest: int) -> str:
    """Escape a text that is put between asterisks, so that it cannot end them."""
    return markup(text.replace("*", "∗"), longest)  # noqa: RUF001 - it looks like the mark and is none


def _section(lines: Iterator[str]) -> SectionBlock | None:
    text = "\n".join(lines)
    return SectionBlock(text=_verbatim(text)) if text else None


def _context(lines: Iterator[str]) -> ContextBlock | None:
    text = "\n".join(lines)
    return ContextBlock(elements=[_verbatim(text)]) if text else None


def _verbatim(text: str) -> MarkdownTextObject:
    """Say mrkdwn in which Slack makes no links or mentions of its own out of anybody's words."""
    return MarkdownTextObject(text=text, verbatim=True)
