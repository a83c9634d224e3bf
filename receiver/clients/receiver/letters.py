"""What people were told, and what came in that was not understood."""

from typing import Final

from receiver.clients.receiver.questions import API, Questions
from receiver.model.message import MessageState, Place
from receiver.model.shapes.deadletters import DeadLetterShape, ReplayedShape, WholeLetterShape
from receiver.model.shapes.messages import MessageShape
from receiver.model.shapes.parts import Items

_OUTBOX: Final = f"{API}/outbox"
_DEAD: Final = f"{API}/deadletters"


class Outbox:
    """The messages of a service."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self,
        *,
        state: MessageState | None = None,
        place: Place | None = None,
        incident: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[MessageShape]:
        """List messages that all filters want, newest first."""
        wanted = {"state": state, "place": place, "incident": incident, "limit": limit, "cursor": cursor}
        return await self._questions.read(_OUTBOX, Items[MessageShape], **wanted)

    async def get(self, number: int) -> MessageShape | None:
        """Give one message."""
        return await self._questions.get(f"{_OUTBOX}/{number}", MessageShape)

    async def replay(self, number: int) -> MessageShape | None:
        """Let a message be sent once more; gives how it stands."""
        return await self._questions.post(f"{_OUTBOX}/{number}/replay", MessageShape)


class DeadLetters:
    """The bodies that a service did not understand."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def page(
        self, *, settled: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[DeadLetterShape]:
        """List dead letters, newest first; `settled` tells those of which somebody decided from the others."""
        wanted = {"settled": settled, "limit": limit, "cursor": cursor}
        return await self._questions.read(_DEAD, Items[DeadLetterShape], **wanted)

    async def get(self, number: int) -> WholeLetterShape | None:
        """Give one dead letter with its body."""
        return await self._questions.get(f"{_DEAD}/{number}", WholeLetterShape)

    async def replay(self, number: int) -> ReplayedShape | None:
        """Parse a dead letter again and record it."""
        return await self._questions.post(f"{_DEAD}/{number}/replay", ReplayedShape)

    async def discard(self, number: int) -> DeadLetterShape | None:
        """Note that nobody wants a dead letter."""
        return await self._questions.post(f"{_DEAD}/{number}/discard", DeadLetterShape)
