"""Wait for a condition."""

from datetime import timedelta
from typing import ClassVar, Literal

from receiver.model.duration import Duration, format_duration
from receiver.remediate.actions.action import Action, Complaint, Params
from receiver.remediate.expression import Expression


class WaitUntil(Params, frozen=True, kw_only=True):
    """Wait until a condition is true."""

    until: Expression
    """What is waited for."""
    timeout: Duration
    """How long, at most."""
    on_timeout: Literal["fail", "go_on"] = "fail"
    """`go_on` takes the next step all the same."""


class AwaitCondition(Action[WaitUntil]):
    """The verb `wait`."""

    name: ClassVar[str] = "wait"
    params = WaitUntil

    def say(self, params: WaitUntil, target: str) -> str:
        """Say what it waits for."""
        del target
        return f"wait until {params.until.shown}, at most {format_duration(params.timeout)}"

    def complain(self, params: WaitUntil) -> Complaint | None:
        """Refuse a time in which nothing can come true."""
        return None if params.timeout else Complaint(key="timeout", reason="timeout is 0, so it could only time out")

    def longest(self, params: WaitUntil) -> timedelta:
        """Give its limit."""
        return params.timeout
