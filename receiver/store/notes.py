"""What the timeline says of a change of an occurrence."""

from collections.abc import Mapping
from typing import Final

from receiver.model.alert import Change
from receiver.model.timeline import Kind

_EVENTS: Final = {
    Change.FIRED: (Kind.ALERT_FIRED, "{name} fires"),
    Change.REWORDED: (Kind.ALERT_REWORDED, "{name} still fires, with other annotations"),
    Change.RESOLVED: (Kind.ALERT_RESOLVED, "{name} is resolved"),
    Change.RESOLVED_FIRST: (Kind.ALERT_RESOLVED_FIRST, "{name} was first heard of when it was resolved already"),
    Change.LATE: (Kind.ALERT_LATE, "{name}: a firing came after its own resolve; recorded, nothing reopened"),
    Change.OVERTAKEN: (
        Kind.ALERT_OVERTAKEN,
        "{name}: a resolve came that a later firing had overtaken; it fires",
    ),
    Change.REFIRED: (Kind.ALERT_REFIRED, "{name} fires again after it was resolved"),
    Change.CONFIRMED: (Kind.ALERT_CONFIRMED, "{name} is resolved; Alertmanager confirms what had been inferred"),
}


def is_noted(change: Change) -> bool:
    """Answer whether the timeline tells of such a change."""
    return change in _EVENTS


def note(change: Change, labels: Mapping[str, str]) -> tuple[Kind, str]:
    """Say it: the kind of event, and its sentence.

    Args:
        change: One that is noted.
        labels: Those of the alert.
    """
    kind, sentence = _EVENTS[change]
    return kind, sentence.format(name=labels.get("alertname") or "an alert without a name")
