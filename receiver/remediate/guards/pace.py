"""Guards about when and how often: windows, cooldown, attempts, concurrency, budget."""

from datetime import timedelta

from receiver.model.duration import format_duration
from receiver.model.remediation import Check
from receiver.remediate.guards.question import UNREAD, Question, said, unknown, unlimited, verdict


def windows(asked: Question) -> Check:
    """Refuse within a `deny`, and outside every `allow` where there is one."""
    now, given = asked.facts.now, asked.playbook.guards.windows
    if not given:
        return unlimited("windows")
    denied = [window for window in given if window.deny and window.covers(now)]
    allowing = [window for window in given if window.allow]
    refusal = ""
    if denied:
        refusal = f"{denied[0].deny} ({denied[0].timezone}) is denied"
    elif allowing and not any(window.covers(now) for window in allowing):
        refusal = "it is outside all hours that are allowed"
    zones = dict.fromkeys(window.timezone for window in given)
    return verdict(
        "windows",
        refusal=refusal,
        measured=", ".join(f"{zone.local(now):%a %H:%M} ({zone})" for zone in zones),
        limit="; ".join(
            f"{'deny' if window.deny else 'allow'} {window.deny or window.allow} ({window.timezone})"
            for window in given
        ),
    )


def cooldown(asked: Question) -> Check:
    """Refuse where this playbook acted on this lineage too short a time ago."""
    limit, acts, now = asked.playbook.guards.cooldown, asked.facts.acts, asked.facts.now
    if limit is None:
        return unlimited("cooldown")
    since = now - max(acts) if acts else None
    ago = "" if since is None else f"{format_duration(max(since, timedelta()))} ago"
    early = since is not None and since < limit
    return verdict(
        "cooldown",
        refusal=said(acts, f"it last acted on this workflow {ago}") if acts is None or early else "",
        measured=UNREAD if acts is None else f"last acted {ago}" if ago else "never acted within the limit",
        limit=f"at least {format_duration(limit)} between two runs",
    )


def attempts(asked: Question) -> Check:
    """Refuse where this playbook acted on this lineage often enough."""
    limit, acts, now = asked.playbook.guards.attempts, asked.facts.acts, asked.facts.now
    if limit is None:
        return unlimited("attempts")
    count = sum(act > now - limit.per for act in acts or ())
    per = format_duration(limit.per)
    spent = acts is None or count >= limit.max
    return verdict(
        "attempts",
        refusal=said(acts, f"it acted on this workflow {count} times within {per} already") if spent else "",
        measured=UNREAD if acts is None else f"{count} within {per}",
        limit=f"at most {limit.max} within {per}",
    )


def concurrency(asked: Question) -> Check:
    """Refuse where enough runs of this playbook are unfinished."""
    most, running = asked.playbook.guards.concurrency, asked.facts.running
    if most is None:
        return unlimited("concurrency")
    limit = f"at most {most} unfinished runs of this playbook"
    if running is None:
        return unknown("concurrency", limit)
    refusal = f"{running} runs of this playbook are not finished" if running >= most else ""
    return verdict("concurrency", refusal=refusal, measured=f"{running} unfinished", limit=limit)


def budget(asked: Question) -> Check:
    """Refuse where this playbook has acted often enough on whatever workflow; an unfinished run counts as one more."""
    allowed, spent = asked.playbook.guards.budget, asked.facts.spent
    if allowed is None:
        return unlimited("budget")
    per = format_duration(allowed.per)
    limit = f"at most {allowed.max} within {per}"
    if spent is None:
        return unknown("budget", limit)
    refusal = f"{spent} runs of this playbook have acted within {per}, or still may" if spent >= allowed.max else ""
    return verdict("budget", refusal=refusal, measured=f"{spent} within {per}", limit=limit)
