"""The story of one incident as a trace: a span for each room that it went through, made of what the rows say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened at one time."""

    at: datetime
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the story.

    Attributes:
        key: What it is about, such as `run/7`; one in a trace.
        parent: The key of the span that it is a part of; None for the whole.
        name: What was done; few different ones.
        attributes: What else is known; hostile text where it quotes an alert.
        trouble: Why it went wrong; empty when it did not.
    """

    key: str
    parent: str | None
    name: str
    begun_at: datetime
    ended_at: datetime
    attributes: Mapping[str, str | int | bool]
    moments: Sequence[Moment] = field(default=())
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One incident from its first alert to its end.

    Attributes:
        key: Names the incident apart from those of all other databases.
        spans: The whole first.
    """

    key: str
    spans: Sequence[Span]
