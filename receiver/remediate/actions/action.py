"""What every action of the playbook language can say, and what one with an effect can do.

An action is one object. It holds nothing: what it was told in the playbook, the run and what was read a moment ago come
with each question, as a `Turn`. All but `look` and `perform` are pure.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from receiver.model.remediation import Run, Target
from receiver.model.workflow import Workflow
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.facts import Facts, lasting, operation_of


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an action takes in a playbook; its docstring says what the action does, for people who write playbooks.

    Fields may be of any type that msgspec decodes, and also `Duration`, `Matcher` and `Expression`.
    """


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Why parameters cannot be meant as they are written.

    Attributes:
        key: Which of them; empty for all of them together.
    """

    reason: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the cluster must allow us where the action works.

    Attributes:
        group: API group; empty for the core.
        resource: Plural, with its subresource: `workflows`, `pods/log`.
        verbs: Such as `get` and `patch`.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[P]):
    """One look at the present step of a run.

    Attributes:
        run: The run with its journal.
        target: What the run acts on.
        facts: What is known now; `facts.seen` is what this action's own `look` returned.
        params: What the playbook says.
    """

    run: Run
    target: Target
    facts: Facts
    params: P

    @property
    def operation(self) -> str:
        """Name of the effect; the same at each attempt, and no other's."""
        return operation_of(self.run, self.target)

    @property
    def kept(self) -> dict[str, Any]:
        """Variables of the run that outlast this step."""
        return lasting(self.run.vars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """An effect that was taken.

    Attributes:
        vars: All variables of the run from now on.
        result: What is worth keeping about it, as JSON values; fit to be shown.
        under_way: It was begun, and `recover` will say when it has ended: the step is not over yet.
    """

    text: str
    vars: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    under_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An effect that was taken and came to nothing, such as a Job that failed. Taking it again is another decision."""

    text: str


class Action(ABC, Generic[P]):
    """One verb of the language."""

    name: ClassVar[str]
    """As it stands in a playbook: small letters, with at most one dot."""
    params: type[P]
    unfolds: ClassVar[tuple[str, ...]] = ()
    """Names of the actions that it may stand for; empty where it stands for itself."""

    @abstractmethod
    def say(self, params: P, target: str) -> str:
        """Say in words what a step does, to go on with "it is going to"."""

    def complain(self, params: P) -> Complaint | None:
        """Say why parameters of the right types still cannot be meant; None when they can."""
        del params
        return None

    def unfold(self, params: P, workflow: Workflow | None) -> Sequence[tuple[str, Params]]:
        """Give the steps that this one stands for, for a workflow as it is when it is decided upon; else itself."""
        del workflow
        return ((self.name, params),)

    def longest(self, params: P) -> timedelta:
        """Say how long the step may take at most, where it waits for something that is not a person."""
        del params
        return timedelta()


class Effect(Action[P]):
    """An action that changes something outside of Receiver."""

    needs: ClassVar[frozenset[Need]]
    """What has to be configured."""
    grants: ClassVar[tuple[Grant, ...]] = ()
    """What the cluster must allow us, beside reading workflows and pods."""
    made_good_by: ClassVar[str] = ""
    """Name of the action that must follow, since this one alone leaves something ended; empty when it leaves nothing.

    Where it follows, nothing may stop the run in between.
    """
    destructive: ClassVar[bool] = False
    """Whether something is lost by it that only the cluster holds, so that evidence has to be kept before."""
    removes: ClassVar[bool] = False
    """Whether it ends only once what the run acts on is gone, so that nothing is left to verify."""
    on_target: ClassVar[bool] = True
    """Whether it changes what the run acts on. Until one does, everything is confirmed anew before each effect."""

    def repeatable(self, params: P) -> bool:
        """Answer whether an attempt whose answer was lost may be made once more. Else people are told instead."""
        del params
        return True

    async def look(self, means: Means, turn: Turn[P]) -> object:
        """Read what shows whether the effect is there, for `Turn.facts.seen`; what else is known stands in *turn*.

        Changes nothing.

        Raises:
            ClusterError: It could not be read, so the run waits.
            ActionError: The same.
        """
        del means, turn
        return None

    def intent(self, turn: Turn[P]) -> Mapping[str, Any]:
        """Give what `recover` has to know again after a crash, as JSON values: the result of the journal's entry."""
        del turn
        return {}

    @abstractmethod
    def recover(self, turn: Turn[P]) -> Performed | Failed | None:
        """See whether the effect is there already, from whichever attempt; None when it is not."""

    def moot(self, turn: Turn[P]) -> str:
        """Say why there is nothing left to do and nothing to worry about; empty when there is."""
        del turn
        return ""

    @abstractmethod
    def refusal(self, turn: Turn[P]) -> str:
        """Say why it must not be done, as everything is now; empty when it may."""

    @abstractmethod
    async def perform(self, means: Means, turn: Turn[P]) -> Performed:
        """Do it, once. Where it is repeatable, doing it again under the same operation does nothing more.

        Raises:
            ClusterError: It was refused, or no answer came.
            ActionError: The same.
        """
