"""The settings of who is told what, when and how: routes, owners, and the mode of all notifications."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from receiver.model.duration import Duration
from receiver.model.hours import Span, Zone
from receiver.model.matcher import Matcher
from receiver.settings.part import Hidden, Part, Secret


class Route(Part, frozen=True):
    """Who is told about which incidents; the first route that matches wins, unless it says `continue`."""

    matchers: tuple[Matcher, ...]
    """What the labels of the incident's worst alert must be; none is met by everything."""
    to: tuple[Literal["slack", "pagerduty"], ...]
    """Where it is told."""
    channel: str | None = None
    """The Slack channel; null means that of the owner, else `slack.channel`."""
    severities: dict[str, Literal["critical", "error", "warning", "info"]] = msgspec.field(default_factory=dict)
    """What a label `severity` is called at PagerDuty; one that is not named keeps its own name, else is `error`."""
    active: tuple[Span, ...] = ()
    """Hours in which the route exists at all, such as `Mon-Fri 09:00-17:00`: outside them the next one is asked. Empty
    means always."""
    mute: tuple[Span, ...] = ()
    """Hours in which the route tells nothing: what still fires at their end is told then. A failed remediation that
    escalates is told all the same."""
    timezone: Zone = Zone("UTC")
    """By whose clocks the hours are meant."""
    goes_on: bool = msgspec.field(name="continue", default=False)
    """Whether the routes after it are asked as well."""
    template: str | None = None
    """A Jinja2 file with the words of this route's messages, read again when it changes; null means the built-in ones,
    which also stand in for a template that fails."""

    def is_active(self, at: datetime) -> bool:
        """Answer whether the route exists at a time."""
        return not self.active or _covered(self.active, self.timezone, at)

    def is_muted(self, at: datetime) -> bool:
        """Answer whether the route tells nothing at a time."""
        return _covered(self.mute, self.timezone, at)

    def muted_until(self, at: datetime) -> datetime | None:
        """Say when a mute that covers a time is over; None where it never is."""
        local = self.timezone.local(at)
        ends = sorted(end.astimezone(at.tzinfo) for span in self.mute for end in span.ends_after(local))
        return next((end for end in ends if not self.is_muted(end)), None)


class SlackUser(Part, frozen=True):
    """A person at Slack, and what he may do by buttons."""

    id: str
    """Slack's ID, such as `U012AB3CD`: whoever has it can neither change nor choose it, unlike a name."""
    name: str
    """By which the record and the messages call him."""
    role: Literal["viewer", "operator", "admin"]
    """`operator` and `admin` approve, reject, take on and silence; a `viewer` may only ask why, and is told so."""

    def __post_init__(self) -> None:
        """Refuse what is no ID: a name would match nobody."""
        if not re.fullmatch("[UW][A-Z0-9]{2,20}", self.id):
            raise ValueError(f"{self.id!r} is no ID of a Slack user; it begins with U or W, see the user's profile")


class Owner(Part, frozen=True):
    """To whom something belongs, and where they are told of it; the first owner that matches counts."""

    matchers: tuple[Matcher, ...] = ()
    """What the labels of the incident's worst alert must be, such as `namespace="team-a"`."""
    annotations: tuple[Matcher, ...] = ()
    """What the annotations of the workflow must be, such as `example.org/owner="team-a"`."""
    name: str | None = None
    """How the owner's key is called in the outbox; null means what is matched."""
    slack: str | None = None
    """The owner's Slack channel; null means `slack.channel`."""
    pagerduty_key: Hidden | None = None
    """Integration key of the owner's PagerDuty service; without one, `pagerduty.routing_key` is used."""
    pagerduty_key_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse an owner of everything: that is what `slack.channel` and `pagerduty.routing_key` are for."""
        if not (self.matchers or self.annotations):
            raise ValueError("an owner needs matchers or annotations, else everything belongs to it")

    @property
    def title(self) -> str:
        """Its name in the outbox and in sentences."""
        return self.name or ", ".join(str(matcher) for matcher in (*self.matchers, *self.annotations))

    @property
    def secret(self) -> Secret:
        """The integration key."""
        return Secret(self.pagerduty_key, self.pagerduty_key_file, name=f"owners[{self.title}].pagerduty_key")


class Digest(Part, frozen=True):
    """What is gathered and told together, channel by channel, instead of one by one."""

    severities: tuple[str, ...] = ("info", "none")
    """Incidents of these severities, as their worst alert says, where no route leads to PagerDuty: they are worth
    knowing and never worth looking up for."""
    every: Duration = Duration(hours=1)
    """How long the first of them waits for the message that tells of all; at least a minute."""

    def __post_init__(self) -> None:
        """Refuse a digest that would be no better than one message for each."""
        if self.every < timedelta(minutes=1):
            raise ValueError("notifications.digest.every is at least 1m; to gather nothing, say `digest: null`")

    @property
    def low(self) -> frozenset[str]:
        """The severities, in lower case."""
        return frozenset(name.strip().lower() for name in self.severities)


class Summary(Part, frozen=True):
    """The message that says once a day what the day before amounted to."""

    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 8
    """At which full hour it goes, and where its day begins and ends: before people begin to work."""
    timezone: Zone = Zone("UTC")
    """By whose clocks the hour is meant."""
    channel: str | None = None
    """The Slack channel; null means `slack.channel`."""


class Notifications(Part, frozen=True):
    """How all notifications go."""

    mode: Literal["live", "shadow"] = "live"
    """`shadow` decides and records everything and sends nothing: to compare with what a present set-up sends."""
    digest: Digest | None = Digest()
    """Null tells of everything by a message of its own."""
    summary: Summary | None = None
    """Null sends none: a channel gets a message every day only where somebody wants it."""


def _covered(spans: Sequence[Span], zone: Zone, at: datetime) -> bool:
    local = zone.local(at)
    return any(span.covers(local, end_included=False) for span in spans)
