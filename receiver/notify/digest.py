"""The digest of a channel: what is of low severity, told together after a while instead of one by one at once.

It is about what nobody has to look up for. So incidents that say the same stand in one line, what is over by then
stands apart from what still fires, and what does not fit is counted.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from receiver.model.bulletin import Item
from receiver.model.duration import format_duration
from receiver.model.incident import IncidentState
from receiver.model.message import Act, Draft, Lane, Place, Priority
from receiver.notify.situation import FLAPPING
from receiver.notify.slack import TEXT, bulletin
from receiver.notify.words import clean, cut, markup, moment, slack_link

MOST_LINES: Final = 10
"""Lines of what fires, and as many of what is over; each has a budget, and all stay below what Slack takes."""
TITLE: Final = 130
MOST_NUMBERS: Final = 3


def is_low(severity: str, places: Sequence[Place], severities: frozenset[str]) -> bool:
    """Answer whether an incident waits for a digest: of low severity, and told of in channels alone.

    Args:
        severity: Of its worst alert.
        places: Where its routes lead.
        severities: Those that are low, in lower case.
    """
    return severity.strip().lower() in severities and Place.PAGERDUTY not in places


def draft(
    lane: Lane, items: Sequence[Item], *, since: datetime, now: datetime, public_url: str | None, shadow: bool
) -> Draft:
    """Make the digest of an address.

    Args:
        lane: The address.
        items: What it tells of, at least one.
        since: When the first of them came; with the address it names the digest.
        now: The present time.
        public_url: How people reach Receiver.
        shadow: Whether it is only recorded; then it takes no key from what is sent.
    """
    key = f"digest:{lane.place.value}:{lane.address}:{since.isoformat()}:{items[0].incident.id}"
    return Draft(
        place=lane.place,
        address=lane.address,
        act=Act.POST,
        key=f"shadow:{key}" if shadow else key,
        payload=render(items, since=since, now=now, public_url=public_url),
        cause=f"digest of {_incidents(len(items))}",
        priority=Priority.OVER,
    )


def render(items: Sequence[Item], *, since: datetime, now: datetime, public_url: str | None) -> dict[str, Any]:
    """Make what Slack shows, as JSON values: `text` for notifications, `blocks` for the channel."""
    fires = [item for item in items if _fires(item)]
    over = [item for item in items if not _fires(item)]
    title = f"🗒 {_incidents(len(items))} of low severity in {format_duration(now - since)}"
    parts = (("Still firing", fires), ("Over", over))
    sections = [_section(name, some) for name, some in parts if some]
    named = "; ".join(dict.fromkeys(_title(item) for item in (*fires, *over)))
    counted = f"{len(fires)} still firing, {len(over)} over"
    text = f"{markup(f'{title}: {counted}', 200)}. {markup(named, TEXT - 300)}"
    return bulletin(text, title, sections, _where(public_url))


def _fires(item: Item) -> bool:
    return item.firing > 0 and item.incident.state is IncidentState.OPEN


def _section(name: str, items: Sequence[Item]) -> str:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(_title(item), []).append(item)
    lines = [f"*{name} ({len(items):,})*", *(_line(title, alike) for title, alike in _loudest(groups))]
    left_out = sum(len(alike) for _, alike in _ranked(groups)[MOST_LINES:])
    if left_out:
        lines.append(f"and {left_out:,} more")
    return "\n".join(lines)


def _ranked(groups: dict[str, list[Item]]) -> list[tuple[str, list[Item]]]:
    """Put those that came most often first."""
    return sorted(groups.items(), key=lambda group: (-len(group[1]), group[1][0].incident.id))


def _loudest(groups: dict[str, list[Item]]) -> list[tuple[str, list[Item]]]:
    return _ranked(groups)[:MOST_LINES]


def _line(title: str, alike: Sequence[Item]) -> str:
    return f"• {markup(title, TITLE)}: {', '.join(_facts(alike))} ({_numbers(alike)})"


def _facts(alike: Sequence[Item]) -> Iterator[str]:
    first, last = alike[0].incident, alike[-1].incident
    if len(alike) > 1:
        yield f"{len(alike):,} times"
    ended_at = max((at for item in alike if (at := item.incident.quiet_since or item.incident.closed_at)), default=None)
    if any(_fires(item) for item in alike) or ended_at is None:
        yield f"firing since {moment(first.opened_at)}"
    else:
        lasted = format_duration(max(ended_at - last.opened_at, timedelta()))
        yield f"over at {moment(ended_at)} after {lasted}"
    flaps = sum(item.incident.flaps for item in alike)
    if flaps:
        times = "once" if flaps == 1 else f"{flaps:,} times"
        yield f"flapping, fired again {times}" if flaps >= FLAPPING else f"fired again {times}"
    healers = {item.healed_by for item in alike if item.healed_by}
    if healers:
        yield f"{markup(cut(clean(min(healers)), 60), 60)} acted on it"


def _numbers(alike: Sequence[Item]) -> str:
    numbers = ", ".join(str(item.incident.id) for item in alike[:MOST_NUMBERS])
    more = f" and {len(alike) - MOST_NUMBERS:,} more" if len(alike) > MOST_NUMBERS else ""
    return f"{'incident' if len(alike) == 1 else 'incidents'} {numbers}{more}"


def _title(item: Item) -> str:
    return cut(clean(item.incident.title), TITLE) or f"Incident {item.incident.id}"


def _incidents(count: int) -> str:
    return "1 incident" if count == 1 else f"{count:,} incidents"


def _where(public_url: str | None) -> str:
    shown = "Nobody has to do anything at once. `receiver incidents show NUMBER` tells a story whole."
    link = slack_link(f"{public_url.rstrip('/')}/api/v1/incidents", "incidents") if public_url else ""
    return f"{shown} {link}".rstrip()
