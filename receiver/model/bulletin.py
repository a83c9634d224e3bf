"""What is told of many incidents at once: the digest of a channel, and the summary of a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from receiver.model.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One incident of a digest, as it stands when the digest is written.

    Attributes:
        firing: How many of its alerts fire.
        healed_by: Playbook of the newest live run on it that succeeded; empty where none did.
    """

    incident: Incident
    firing: int
    healed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What one alert did in a day.

    Attributes:
        fired: How often it began to fire.
        incidents: How many incidents it was part of.
        acted_on: Whether a playbook or a person did anything about any of them.
    """

    alertname: str
    fired: int
    incidents: int
    acted_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a day amounted to.

    Attributes:
        since: Its begin.
        until: Its end.
        opened: How many incidents began, by severity, the most frequent first.
        open_still: How many incidents are open at its end.
        closed: How many ended.
        healed: How many of those a playbook healed without any person.
        paged: How often PagerDuty was told to wake somebody.
        cures: Live runs that succeeded, by playbook, the most frequent first.
        alerts: Every alert that fired, the most frequent first.
    """

    since: datetime
    until: datetime
    opened: Mapping[str, int]
    open_still: int
    closed: int
    healed: int
    paged: int
    cures: Mapping[str, int]
    alerts: Sequence[Noise]
