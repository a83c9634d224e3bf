"""Silences: made, listed, ended. Alertmanager gives each an id of its own, so ours carry a mark in their comment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final
from uuid import UUID

import msgspec

from receiver.clients.alertmanager.asking import Asking
from receiver.model.errors import AlertmanagerError
from receiver.model.matcher import Matcher, Operator

_REGEX: Final = frozenset({Operator.REGEX, Operator.NOT_REGEX})
_EQUAL: Final = frozenset({Operator.EQUAL, Operator.REGEX})
_OPERATORS: Final = {(one in _REGEX, one in _EQUAL): one for one in Operator}


class SilenceState(Enum):
    """Whether a silence holds."""

    PENDING = "pending"
    """It begins later."""
    ACTIVE = "active"
    EXPIRED = "expired"
    """Its time is over, or somebody ended it. Alertmanager forgets it after some days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence as an Alertmanager has it.

    Attributes:
        id: By which it is ended.
        matchers: Which alerts nobody is told about: those that meet all of them. One that we cannot read is left out.
        starts_at: When it begins.
        ends_at: When it ends, or has ended.
        state: Whether it holds.
        creator: Who made it.
        comment: Why.
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    state: SilenceState
    creator: str
    comment: str


class _Matcher(msgspec.Struct, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class _State(msgspec.Struct):
    state: SilenceState


class _Silence(msgspec.Struct, rename="camel"):
    id: str
    status: _State
    matchers: list[_Matcher]
    starts_at: str
    ends_at: str
    created_by: str
    comment: str


class _Made(msgspec.Struct):
    id: str = msgspec.field(name="silenceID")


class Silencing(Asking):
    """The silences of one peer, which tells them to the others of its cluster."""

    async def silences(self) -> list[Silence]:
        """List all silences, those among them that have expired and are not forgotten yet.

        Raises:
            AlertmanagerUnreachable: No answer came.
            AlertmanagerError: It refused, or the answer is none.
        """
        return [self._silence(one) for one in await self._ask("silences", (), list[_Silence])]

    async def silence(
        self, matchers: Sequence[Matcher], *, comment: str, creator: str, ends_at: datetime, operation: str
    ) -> Silence:
        """Let nobody be told about some alerts from now on. Repeating it under one operation is safe.

        Where the operation has made one already, that one is returned, also when somebody has ended it since: it is
        not made again.

        Args:
            matchers: Which alerts: those that meet all of them. One of them must not match an empty label.
            comment: Why, for people; the mark is added to it.
            creator: Who, for people.
            ends_at: Until when; in the future.
            operation: Who asks, for the mark by which a repeated request is recognised.

        Raises:
            AlertmanagerUnreachable: No answer came; there may be a silence now.
            AlertmanagerError: It refused.
        """
        mark = f"[{operation}]"
        made = await self._marked(creator, mark)
        if made is not None:
            return made
        body = {
            "matchers": [
                {
                    "name": one.name,
                    "value": one.value,
                    "isRegex": one.operator in _REGEX,
                    "isEqual": one.operator in _EQUAL,
                }
                for one in matchers
            ],
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": ends_at.astimezone(UTC).isoformat(),
            "createdBy": creator,
            "comment": f"{comment} {mark}".strip(),
        }
        about = f"{self.url}/api/v2/silences"
        answer = await self._exchange(about, "POST", json=body)
        try:
            number = msgspec.json.decode(answer.body, type=_Made).id
        except msgspec.MsgspecError as error:
            raise AlertmanagerError(f"{about} did not answer as an Alertmanager does: {error}") from error
        return await self._one(number)

    async def expire(self, number: str) -> Silence:
        """End a silence. One that has ended stays as it is, so repeating it is safe.

        Args:
            number: Its id.

        Raises:
            AlertmanagerUnreachable: No answer came; it may have ended.
            AlertmanagerError: There is none of that id, or it refused.
        """
        found = await self._one(number)
        if found.state is SilenceState.EXPIRED:
            return found
        await self._exchange(f"{self.url}/api/v2/silence/{found.id}", "DELETE")
        return await self._one(number)

    async def _one(self, number: str) -> Silence:
        try:
            checked = UUID(number)
        except ValueError as error:
            raise AlertmanagerError(
                f"{number[:80]!r} is no id of a silence: nothing was asked of {self.url}"
            ) from error
        return self._silence(await self._ask(f"silence/{checked}", (), _Silence))

    async def _marked(self, creator: str, mark: str) -> Silence | None:
        found = await self.silences()
        return next((one for one in found if one.creator == creator and one.comment.endswith(mark)), None)

    def _silence(self, raw: _Silence) -> Silence:
        return Silence(
            id=raw.id,
            matchers=tuple(one for one in map(_read, raw.matchers) if one is not None),
            starts_at=self._moment(raw.starts_at),
            ends_at=self._moment(raw.ends_at),
            state=raw.status.state,
            creator=raw.created_by,
            comment=raw.comment,
        )


def _read(raw: _Matcher) -> Matcher | None:
    """Read a matcher; None for an expression of Go's that is none of Python's."""
    try:
        return Matcher(name=raw.name, operator=_OPERATORS[raw.is_regex, raw.is_equal], value=raw.value)
    except ValueError:
        return None
