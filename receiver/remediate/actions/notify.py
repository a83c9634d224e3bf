"""Tell people something in between: a line in the incident's thread and in its timeline."""

from typing import ClassVar, Final

from receiver.remediate.actions.action import Complaint, Effect, Params, Performed, Turn
from receiver.remediate.actions.means import Need

_LONGEST: Final = 500


class Tell(Params, frozen=True, kw_only=True):
    """Write a line into the incident's thread and timeline."""

    text: str
    """The line, as it stands."""


class Notify(Effect[Tell]):
    """The verb `notify`. Its effect is the journal itself, which people are told from."""

    name: ClassVar[str] = "notify"
    params = Tell
    needs: ClassVar[frozenset[Need]] = frozenset()
    on_target: ClassVar[bool] = False

    def say(self, params: Tell, target: str) -> str:
        """Say what is told."""
        del target
        return f"tell people: {params.text}"

    def complain(self, params: Tell) -> Complaint | None:
        """Refuse what is no line."""
        if 0 < len(params.text.strip()) <= len(params.text) <= _LONGEST and params.text.isprintable():
            return None
        return Complaint(key="text", reason=f"text is one line of at most {_LONGEST} characters")

    def recover(self, turn: Turn[Tell]) -> None:
        """What was not written down has not been told."""
        del turn

    def refusal(self, turn: Turn[Tell]) -> str:
        """Nothing stands against a word."""
        del turn
        return ""

    async def perform(self, means: object, turn: Turn[Tell]) -> Performed:
        """Give the line; it is written down with the step."""
        del means
        return Performed(text=turn.params.text, vars=turn.kept)
