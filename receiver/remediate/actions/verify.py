"""Check that it helped."""

from datetime import timedelta
from typing import ClassVar

import msgspec

from receiver.model.duration import Duration, format_duration
from receiver.remediate.actions.action import Action, Complaint, Params
from receiver.remediate.expression import Expression


class Verify(Params, frozen=True, kw_only=True):
    """Check that it helped: a condition that must be true without a break for `hold`."""

    that: Expression
    """What must be true of the workflow as it is now; after a resubmit, of the new run."""
    hold: Duration = msgspec.field(default_factory=Duration)
    """Choose it longer than any limit on `workflow.idle` in `that`: otherwise the check cannot fail in time."""
    within: Duration
    """When the check must have held at the latest, from its begin."""


class CheckHelped(Action[Verify]):
    """The verb `verify`."""

    name: ClassVar[str] = "verify"
    params = Verify

    def say(self, params: Verify, target: str) -> str:
        """Say what is checked."""
        del target
        hold, within = format_duration(params.hold), format_duration(params.within)
        return f"check that {params.that.shown} for {hold}, within {within}"

    def complain(self, params: Verify) -> Complaint | None:
        """Refuse a hold that cannot be reached."""
        if params.hold < params.within:
            return None
        hold, within = format_duration(params.hold), format_duration(params.within)
        return Complaint(reason=f"hold ({hold}) is not shorter than within ({within}), so it could only fail")

    def longest(self, params: Verify) -> timedelta:
        """Give its limit."""
        return params.within
