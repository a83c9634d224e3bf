"""Guards about all workflows together: storms, pauses, what is missing, the breaker, the blast radius."""

from datetime import datetime, timedelta
from typing import Final

from receiver.model.duration import format_duration
from receiver.model.remediation import Check
from receiver.model.standing import Pause
from receiver.remediate.guards.question import UNREAD, Question, said, unknown, unlimited, verdict

RADIUS_WINDOW: Final = timedelta(hours=1)
"""How far back lineages that were acted on count for the blast radius."""


def storm(asked: Question) -> Check:
    """Refuse while so many targets match at once that their cause is a common one: acting on them all heals none."""
    brake, targets = asked.playbook.guards.storm_limit, asked.facts.targets
    if brake is None:
        return unlimited("storm")
    within = format_duration(brake.within)
    what = "workflows" if asked.playbook.target is None else "deployments"
    limit = f"at most {brake.targets} {what} that match within {within}"
    if targets is None:
        return unknown("storm", limit)
    refusal = f"{targets} {what} match within {within}, so their cause is a common one"
    return verdict(
        "storm",
        refusal=refusal if targets > brake.targets else "",
        measured=f"{targets} within {within}",
        limit=limit,
    )


def paused(asked: Question) -> Check:
    """Refuse while a person has paused everything."""
    pauses, limit = asked.facts.pauses, "no pause"
    if pauses is None:
        return unknown("paused", limit)
    shown = "; ".join(_pause(pause) for pause in pauses)
    return verdict("paused", refusal=shown, measured=shown or "not paused", limit=limit)


def not_configured(asked: Question) -> Check:
    """Refuse what cannot work here for want of something in the settings."""
    missing = asked.facts.missing
    return verdict(
        "not_configured",
        refusal="" if missing == "" else said(missing, missing or ""),
        measured=missing or (UNREAD if missing is None else "all that it needs is configured"),
        limit="everything that the playbook needs",
    )


def breaker(asked: Question) -> Check:
    """Refuse once the playbook has failed too often in a row, until a person closes its breaker."""
    allowed, standing, failures = asked.playbook.guards.breaker_limit, asked.facts.standing, asked.facts.failures
    if allowed is None:
        return unlimited("breaker")
    limit = f"closed; it opens after {allowed.failures} failures in a row"
    if standing is None or failures is None:
        return unknown("breaker", limit)
    how = f"`receiver playbooks close {asked.playbook.name}` closes it"
    refusal = ""
    if standing.opened_at is not None:
        refusal = f"the breaker is open since {_moment(standing.opened_at)}: {standing.opened_because}; {how}"
    elif failures >= allowed.failures:
        refusal = f"it failed {failures} times in a row, or its fixes did not hold; {how}"
    return verdict("breaker", refusal=refusal, measured=f"{failures} failures in a row", limit=limit)


def blast_radius(asked: Question) -> Check:
    """Refuse where too large a part of the namespace would have been acted on within an hour."""
    radius, touched, workflows = asked.playbook.guards.radius, asked.facts.touched, asked.facts.workflows
    if radius is None:
        return unlimited("blast_radius")
    hour = format_duration(RADIUS_WINDOW)
    limit = f"{radius.share} of the unfinished workflows of the namespace within {hour}, and {radius.min} in any case"
    if touched is None or workflows is None:
        return unknown("blast_radius", limit)
    allowed, with_this = max(radius.min, radius.share.of(workflows)), touched + 1
    refusal = f"with this one it would be {with_this} of {workflows} workflows within {hour}; {allowed} are allowed"
    return verdict(
        "blast_radius",
        refusal=refusal if with_this > allowed else "",
        measured=f"{with_this} of {workflows} within {hour}, this one included",
        limit=limit,
    )


def _pause(pause: Pause) -> str:
    until = f"until {_moment(pause.expires_at)}" if pause.expires_at else "until somebody resumes it"
    return f"paused by {pause.paused_by} at {_moment(pause.paused_at)}, {until}: {pause.reason}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
