"""What stands in a channel of the Slack stand-in: messages, threads and the history of edits."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

TEAM_ID = "T0SANDBOX"
BOT_USER = "U0RECEIVER"
BOT_ID = "B0RECEIVER"
APP_ID = "A0RECEIVER"

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackChannel:
    """A channel, and how the app stands to it."""

    id: str
    name: str
    """Without `#`."""
    is_member: bool = True
    is_archived: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackEdit:
    """What a message said before it was changed."""

    text: str
    blocks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackMessage:
    """A message as it is now."""

    channel_id: str
    ts: str
    user: str
    text: str
    blocks: tuple[Mapping[str, Any], ...] = ()
    thread_ts: str | None = None
    """`ts` of the message to which it replies."""
    is_broadcast: bool = False
    metadata: Mapping[str, Any] | None = None
    edits: tuple[SlackEdit, ...] = ()
    """What it said before, oldest first."""

    @property
    def is_in_channel(self) -> bool:
        """Whether it is seen in the channel itself, not in a thread only."""
        return self.thread_ts is None or self.is_broadcast

    def document(self, *, with_metadata: bool) -> dict[str, Any]:
        """Return the message as Slack's API shows it."""
        shown: dict[str, Any] = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        if self.user == BOT_USER:
            shown |= {"bot_id": BOT_ID, "app_id": APP_ID, "team": TEAM_ID}
        if self.blocks:
            shown["blocks"] = [{"block_id": f"b{place}", **block} for place, block in enumerate(self.blocks)]
        if self.thread_ts is not None:
            shown["thread_ts"] = self.thread_ts
        if self.edits:
            shown["edited"] = {"user": self.user, "ts": self.ts}
        if self.metadata is not None and with_metadata:
            shown["metadata"] = dict(self.metadata)
        return shown


class SlackRoom:
    """A channel with all that was said in it, in order."""

    def __init__(self, channel: SlackChannel) -> None:
        self.channel = channel
        self._messages: dict[str, SlackMessage] = {}
        self._last = 0

    @property
    def messages(self) -> list[SlackMessage]:
        """All messages with their replies, oldest first."""
        return list(self._messages.values())

    def find(self, ts: Any) -> SlackMessage | None:
        """Return the message with this `ts`, if there is one."""
        return self._messages.get(ts) if isinstance(ts, str) else None

    def add(
        self,
        *,
        user: str,
        text: str,
        blocks: tuple[Mapping[str, Any], ...] = (),
        thread_ts: str | None = None,
        is_broadcast: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> SlackMessage:
        """Let somebody say something."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        message = SlackMessage(
            channel_id=self.channel.id,
            ts=f"{self._last // _MICROSECONDS}.{self._last % _MICROSECONDS:06d}",
            user=user,
            text=text,
            blocks=blocks,
            thread_ts=thread_ts,
            is_broadcast=is_broadcast,
            metadata=metadata,
        )
        self._messages[message.ts] = message
        return message

    def edit(
        self,
        message: SlackMessage,
        *,
        text: str,
        blocks: tuple[Mapping[str, Any], ...],
        metadata: Mapping[str, Any] | None,
    ) -> SlackMessage:
        """Change what a message says, and remember what it said."""
        before = SlackEdit(text=message.text, blocks=message.blocks)
        changed = replace(message, text=text, blocks=blocks, metadata=metadata, edits=(*message.edits, before))
        self._messages[message.ts] = changed
        return changed

    def delete(self, ts: str) -> None:
        """Take a message away, as a person may.

        Raises:
            KeyError: There is no such message.
        """
        del self._messages[ts]
