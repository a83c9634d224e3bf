"""Ask a person."""

from typing import Annotated, ClassVar

import msgspec

from receiver.model.duration import Duration, format_duration
from receiver.remediate.actions.action import Action, Complaint, Params


class Approve(Params, frozen=True, kw_only=True):
    """Ask a person, and go on only when one agrees."""

    timeout: Duration
    """Who has not agreed by then will not be waited for."""
    people: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    """How many different people have to agree. One who rejects is enough to end it."""


class AskApproval(Action[Approve]):
    """The verb `approve`."""

    name: ClassVar[str] = "approve"
    params = Approve

    def say(self, params: Approve, target: str) -> str:
        """Say that it waits."""
        del target
        whose = "a person's approval" if params.people == 1 else f"the approval of {params.people} people"
        return f"wait for {whose}, at most {format_duration(params.timeout)}"

    def complain(self, params: Approve) -> Complaint | None:
        """Refuse a time in which nobody can answer."""
        return None if params.timeout else Complaint(key="timeout", reason="timeout is 0, so it could only time out")
