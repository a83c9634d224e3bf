"""The limits that a playbook may set itself: the key `guards` of the language, read and checked.

What is written here is only what is allowed; `receiver.remediate.guards` compares it with what is measured.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Final, Self

import msgspec

from receiver.model.duration import Duration
from receiver.model.hours import Span, Zone

_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3})?) *%")


class Share(str):
    """A part of a whole as text, such as `20%`: more than nothing, at most `100%`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text first."""
        found = _SHARE.fullmatch(text)
        if found is None or not 0 < Fraction(found[1]) <= 100:  # noqa: PLR2004 - of a hundred
            raise ValueError(f"{text!r} is not a share; write one such as 20%, up to 100%")
        return super().__new__(cls, text)

    def of(self, whole: int) -> int:
        """Take the share of a number, rounded down."""
        return int(Fraction(self.removesuffix("%").strip()) * whole / 100)


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A branch of `guards`."""


class Storm(_Part, frozen=True, kw_only=True):
    """When so many targets match at once that their cause is a common one, and none of them is acted on."""

    targets: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Most workflows, or deployments, that may match at once."""
    within: Duration = msgspec.field(default_factory=lambda: Duration(minutes=5))
    """What counts as at once."""


class Attempts(_Part, frozen=True, kw_only=True):
    """How often a playbook may act on one lineage."""

    max: Annotated[int, msgspec.Meta(ge=1)]
    """Most runs on one lineage."""
    per: Duration
    """Within which they are counted, back from now."""


class Budget(_Part, frozen=True, kw_only=True):
    """How often a playbook may act at all, on whatever lineage."""

    max: Annotated[int, msgspec.Meta(ge=1)]
    """Most runs on all lineages together."""
    per: Duration
    """Within which they are counted, back from now."""


class BlastRadius(_Part, frozen=True, kw_only=True):
    """How much of a namespace may be acted on within an hour, by all playbooks together."""

    share: Share
    """Lineages that were acted on, of the unfinished workflows of the namespace."""
    min: Annotated[int, msgspec.Meta(ge=1)] = 1
    """So many are allowed in any case: of three workflows, 20% is none."""


class Window(_Part, frozen=True, kw_only=True):
    """When a playbook may begin, or may not: exactly one of `allow` and `deny`."""

    allow: Span | None = None
    """When it may begin, such as `Mon-Fri 09:00-17:00`."""
    deny: Span | None = None
    """When it may not, such as `Fri 18:00-23:59`."""
    timezone: Zone = msgspec.field(default_factory=lambda: Zone("UTC"))
    """By whose clocks it is meant."""

    def __post_init__(self) -> None:
        """Refuse a window that says nothing, or two things."""
        if (self.allow is None) == (self.deny is None):
            raise ValueError("a window has exactly one of allow and deny")

    def covers(self, now: datetime) -> bool:
        """Answer whether a time lies in it. At the edges it is in a `deny` and outside an `allow`."""
        local = self.timezone.local(now)
        if self.deny is not None:
            return self.deny.covers(local, end_included=True)
        return self.allow is not None and self.allow.covers(local, end_included=False)


class Breaker(_Part, frozen=True, kw_only=True):
    """After how many failures in a row a playbook stops by itself, until a person closes the breaker."""

    failures: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Runs that did not help, one after the other on whatever lineage."""


class Guards(_Part, frozen=True, kw_only=True):
    """Limits. Beside these, some guards always stand. A lineage is a workflow and all its resubmits."""

    storm: Storm | bool = msgspec.field(default_factory=Storm)
    """`false` switches the storm brake off."""
    cooldown: Duration | None = None
    """Least time between two runs on one lineage."""
    attempts: Attempts | None = None
    budget: Budget | None = None
    blast_radius: str | BlastRadius | None = None
    """`20%`, or `{share: 20%, min: 1}`."""
    concurrency: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Most unfinished runs of this playbook; one that waits for a person counts."""
    windows: tuple[Window, ...] = ()
    """Outside every `deny`, and inside one `allow` where there is any."""
    breaker: Breaker | bool = msgspec.field(default_factory=Breaker)
    """`false` switches the breaker off."""
    recurrence: Duration = msgspec.field(default_factory=lambda: Duration(days=1))
    """An alert that fires anew on a lineage so soon after this playbook has helped says that the fix did not hold."""

    def __post_init__(self) -> None:
        """Refuse a share that is none, where it is written alone."""
        if isinstance(self.blast_radius, str):
            Share(self.blast_radius)

    @property
    def storm_limit(self) -> Storm | None:
        """The storm brake; None where it is switched off."""
        return self.storm if isinstance(self.storm, Storm) else Storm() if self.storm else None

    @property
    def breaker_limit(self) -> Breaker | None:
        """The breaker; None where it is switched off."""
        return self.breaker if isinstance(self.breaker, Breaker) else Breaker() if self.breaker else None

    @property
    def radius(self) -> BlastRadius | None:
        """The blast radius, in its long form; None where there is no limit."""
        return BlastRadius(share=Share(self.blast_radius)) if isinstance(self.blast_radius, str) else self.blast_radius

    @property
    def lookback(self) -> timedelta:
        """How far back runs on one lineage count."""
        return max(self.cooldown or timedelta(), self.attempts.per if self.attempts else timedelta())


SCHEMAS: Final[Mapping[type, Mapping[str, Any]]] = {
    Share: {"type": "string", "description": "A share such as 20%.", "pattern": f"^{_SHARE.pattern}$"},
    Zone: {"type": "string", "description": "A time zone such as Europe/Berlin."},
    Span: {"type": "string", "description": "Days and hours such as Mon-Fri 09:00-17:00."},
}
"""What JSON Schema says of the kinds of text that are read here."""
