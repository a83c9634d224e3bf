"""What holds playbooks back beside their own limits: a pause that a person set, and what their results made of them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which no playbook begins anything.

    Attributes:
        reason: Why, in the words of whoever set it.
        paused_by: Who set it, for people.
        expires_at: When it is over by itself; None when only a person ends it.
    """

    id: int
    reason: str
    paused_by: str
    paused_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a playbook's own results have made of it.

    Attributes:
        opened_at: Since when its breaker is open; None while it is closed.
        opened_because: What failed, for people.
        demoted_at: Since when it only proposes, though its mode is `live`; None while it does what its mode says.
        demoted_because: Which fix did not hold, for people.
        closed_at: When a person last made both good; only what failed later counts. None when nobody ever did.
        closed_by: Who that was.
    """

    playbook: str
    opened_at: datetime | None = None
    opened_because: str = ""
    demoted_at: datetime | None = None
    demoted_because: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
