"""The warnings that Kubernetes recorded about the workflow and its pods."""

from collections.abc import Sequence
from typing import Final

from receiver.model.finding import Finding, FindingState
from receiver.model.workflow import WarningEvent

SOURCE: Final = "events"

MOST_EVENTS: Final = 20
LONGEST_MESSAGE: Final = 1000
"""Characters of one message."""


def describe(events: Sequence[WarningEvent]) -> Finding:
    """Tell the warnings, newest first, as they come."""
    if not events:
        return Finding(source=SOURCE, state=FindingState.EMPTY, summary="there are no warnings")
    newest = events[0]
    counted = "1 warning" if len(events) == 1 else f"{len(events)} warnings"
    return Finding(
        source=SOURCE,
        state=FindingState.FOUND,
        summary=f"{counted}, newest: {newest.reason} of {newest.object}: {newest.message[:LONGEST_MESSAGE]}",
        detail={"events": [_told(event) for event in events[:MOST_EVENTS]]},
    )


def _told(event: WarningEvent) -> dict[str, object]:
    return {
        "reason": event.reason,
        "message": event.message[:LONGEST_MESSAGE],
        "count": event.count,
        "last_at": event.last_at and event.last_at.isoformat(),
        "object": event.object,
    }
