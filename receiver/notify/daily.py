"""The summary of a day: what fired, what was healed, what is noisy, and what nobody ever did anything about.

Its purpose is that there is less to say tomorrow: an alert that fires over and over, and one that nobody acts upon, is
one to mend, or to take away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from receiver.model.bulletin import Day, Noise
from receiver.model.message import Act, Draft, Lane, Priority
from receiver.notify.slack import bulletin
from receiver.notify.words import clean, cut, markup, moment, slack_link
from receiver.settings import Summary

LATE: Final = timedelta(hours=12)
"""So long after its hour a summary is still told: of a service that was away over night it is wanted, and of one that
was away for days it is not."""
MOST_NAMED: Final = 5
NOISY: Final = 3
"""So often an alert begins to fire in a day until it is called noisy."""
NAME: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A day that can be summed up.

    Attributes:
        day: The date on which it is told, by the clocks of the settings; it names the summary.
        since: Begin of what is counted.
        until: Its end, which is when it is told.
    """

    day: date
    since: datetime
    until: datetime


def slot_of(summary: Summary, now: datetime) -> Slot | None:
    """Give the newest day that is over and still worth telling; None where there is none.

    A day is as long as the clocks make it: 23 hours or 25 where they are changed.
    """
    today = summary.timezone.local(now).date()
    until = _hour(summary, today)
    if until > now:
        today -= timedelta(days=1)
        until = _hour(summary, today)
    if now - until > LATE:
        return None
    return Slot(day=today, since=_hour(summary, today - timedelta(days=1)), until=until)


def key_of(slot: Slot, *, shadow: bool) -> str:
    """Name the summary of a day: equal keys are one message, ever, whatever the settings say by then."""
    key = f"summary:{slot.day.isoformat()}"
    return f"shadow:{key}" if shadow else key


def draft(lane: Lane, slot: Slot, day: Day, *, public_url: str | None, shadow: bool) -> Draft:
    """Make the summary of a day."""
    return Draft(
        place=lane.place,
        address=lane.address,
        act=Act.POST,
        key=key_of(slot, shadow=shadow),
        payload=render(slot.day, day, public_url=public_url),
        cause=f"summary of {slot.day - timedelta(days=1)}",
        priority=Priority.OVER,
    )


def render(told_on: date, day: Day, *, public_url: str | None) -> dict[str, Any]:
    """Make what Slack shows, as JSON values."""
    opened, fired = sum(day.opened.values()), sum(one.fired for one in day.alerts)
    title = f"📋 The day until {told_on:%A, %d %B}"
    lede = f"{_count(opened, 'incident')} from {_count(fired, 'alert')}, {day.healed:,} healed without anybody"
    noisy = [one for one in day.alerts if one.fired >= NOISY]
    untouched = [one for one in day.alerts if not one.acted_on]
    sections = [
        "\n".join(_amounts(day, opened, fired)),
        "\n".join(_list("Noisy", noisy, "nothing fired three times or more")),
        "\n".join(_list("Never acted upon", untouched, "somebody or something acted on all that fired")),
    ]
    span = f"{moment(day.since)} to {moment(day.until)}."
    link = slack_link(f"{public_url.rstrip('/')}/api/v1/stats", "figures") if public_url else "`receiver stats`"
    return bulletin(markup(f"{title}: {lede}", 500), title, sections, f"{span} {link}")


def _hour(summary: Summary, day: date) -> datetime:
    local = datetime.combine(day, time(summary.hour), ZoneInfo(summary.timezone))
    return local.astimezone(ZoneInfo("UTC"))


def _amounts(day: Day, opened: int, fired: int) -> Iterator[str]:
    yield f"*Fired* {_count(fired, 'alert')}, {_count(opened, 'incident')}{_named(day.opened)}"
    yield f"*Healed* {day.healed:,} of {day.closed:,} that ended, without anybody{_named(day.cures)}"
    yield f"*Woken* {_count(day.paged, 'page')}"
    yield f"*Still open* {_count(day.open_still, 'incident')}"


def _named(counts: Mapping[str, int]) -> str:
    """Name what is counted, the most frequent first."""
    shown = [f"{count:,} {markup(cut(clean(name), 40), 40) or 'without one'}" for name, count in counts.items()]
    return f" ({', '.join(shown[:MOST_NAMED])})" if shown else ""


def _list(name: str, alerts: Sequence[Noise], otherwise: str) -> Iterator[str]:
    yield f"*{name}*" if alerts else f"*{name}* {otherwise}"
    for one in alerts[:MOST_NAMED]:
        shown = markup(cut(clean(one.alertname), NAME), NAME) or "Alert without a name"
        yield f"• {shown}: {_times(one.fired)} in {_count(one.incidents, 'incident')}"
    if len(alerts) > MOST_NAMED:
        yield f"and {len(alerts) - MOST_NAMED:,} more"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"
