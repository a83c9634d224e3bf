"""A package that adds one action to Receiver, as another project would write it: it pauses a queue of its own."""

from typing import ClassVar

from receiver.remediate.actions import Effect, Means, Need, Params, Performed, Turn

PAUSED: dict[str, str] = {}
"""The queues that do not hand out work, each with the operation that paused it."""


class Pause(Params, frozen=True, kw_only=True):
    """Let a queue hand out no more work."""

    queue: str


class QueuePause(Effect[Pause]):
    """The verb `queue.pause`."""

    name: ClassVar[str] = "queue.pause"
    params = Pause
    needs: ClassVar[frozenset[Need]] = frozenset()

    def say(self, params: Pause, target: str) -> str:
        """Say which queue."""
        return f"pause queue {params.queue} for {target}"

    def recover(self, turn: Turn[Pause]) -> Performed | None:
        """See whether this step has paused it."""
        return _done(turn) if PAUSED.get(turn.params.queue) == turn.operation else None

    def refusal(self, turn: Turn[Pause]) -> str:
        """Leave alone what somebody else has paused."""
        return "somebody else has paused the queue" if turn.params.queue in PAUSED else ""

    async def perform(self, means: Means, turn: Turn[Pause]) -> Performed:
        """Pause it."""
        del means
        PAUSED[turn.params.queue] = turn.operation
        return _done(turn)


def _done(turn: Turn[Pause]) -> Performed:
    return Performed(text=f"Queue {turn.params.queue} is paused.", vars=turn.kept)
