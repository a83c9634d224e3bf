"""Bring one message to its place, exactly once as far as the place allows, and say when to try again."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any, Final

from receiver.clients.pagerduty import (
    EventAction,
    PagerDutyChange,
    PagerDutyClient,
    PagerDutyEvent,
    PagerDutyLink,
    PagerDutySeverity,
)
from receiver.clients.slack import EVENT_ID, PostedMessage, SlackClient
from receiver.clients.slack_webhook import SlackWebhook
from receiver.model.errors import PagerDutyError, ReceiverError, SlackBlocksRefused, SlackError, SlackMessageGone
from receiver.model.message import Act, Message, Place
from receiver.notify.words import clean, cut

FIRST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(minutes=15)
PATIENCE: Final = timedelta(hours=24)
"""How long a message is tried. What is a day old is seen by a person in the outbox, not by the channel."""

_CHANNEL_ID: Final = re.compile(r"[CGD][A-Z0-9]{7,}")
_LONGEST_CONSOLE_LINE: Final = 2000

_REMARKS: Final[Mapping[str, str]] = {
    "reposted": "as a new message, since there was none to change",
    "unthreaded": "in the channel itself, since its thread is gone",
    "moved": "{}",
    "blocks_refused": "by its text alone, since Slack refused the blocks: {}",
    "found": "an earlier try had brought it already, and its answer was lost",
    "not_searched": "perhaps for the second time, since it could not be seen whether an earlier try had brought it: {}",
}
"""What is said of each part of an answer that is not there when all goes well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where an incident's one message stands in Slack.

    Attributes:
        channel_id: ID of the channel, from the answer to any earlier post to it.
        ts: The message itself; empty while nothing was posted about this incident.
    """

    channel_id: str
    ts: str = ""


async def deliver(
    message: Message,
    *,
    slack: SlackClient | SlackWebhook | None,
    pagerduty: PagerDutyClient | None,
    console: Callable[[str], None],
    conversation: Conversation | None,
) -> Mapping[str, Any]:
    """Bring a message to its place.

    Args:
        message: The message as it was claimed; `attempts` counts this try, so it is 1 at the first one.
        slack: The workspace, or an incoming webhook; None where it is not configured.
        pagerduty: None where it is not configured.
        console: Says one line on the service's own log.
        conversation: Where the incident's message stands in Slack; None while nothing is known.

    Returns:
        What the place answered, as JSON values. Slack: `channel_id` and `ts` of the message; `anchor` with both where
        replies and updates of the incident belong to this message from now on, which is so for a post and for an update
        that had to be posted anew (`reposted`); `found` where an earlier try had brought it already; `blocks_refused`
        with Slack's reason where only the text was taken; `unthreaded` where a reply stands in the channel, since its
        thread is gone; `not_searched` with the reason where it could not be seen whether an earlier try had succeeded;
        `webhook` in place of all that where it went by an incoming webhook.
        PagerDuty: `dedup_key`; of a change event: `accepted`. Console: `console`.

    Raises:
        SlackChannelUnknown: Slack has no such channel any more; it may be known by another name.
        SlackError: Slack refused or failed, or is not configured any more; `retryable` says which.
        PagerDutyError: The same of PagerDuty.
    """
    match message.draft.place:
        case Place.CONSOLE:
            console(console_line(message))
            return {"console": True}
        case Place.PAGERDUTY:
            return await _send(message, pagerduty)
        case Place.CHANGES:
            return await _send_change(message, pagerduty)
        case Place.SLACK:
            if slack is None:
                raise SlackError("Slack is not configured here: set slack.bot_token", retryable=True)
            if isinstance(slack, SlackWebhook):
                return await _post_to(slack, message)
            return await _Chat(slack=slack, message=message, conversation=conversation).say()


def remarks(answer: Mapping[str, Any]) -> list[str]:
    """Say what was out of the ordinary about a delivery, for the story of the incident; mostly nothing.

    `moved` is added by whoever knew another name for the channel, with words for it.
    """
    return [said.format(answer[name]) for name, said in _REMARKS.items() if answer.get(name)]


def next_attempt(
    attempts: int, error: ReceiverError, *, now: datetime, first_at: datetime, jitter: float | None = None
) -> datetime | None:
    """Say when a message that could not be delivered is tried again.

    Args:
        attempts: How often it was tried, at least 1.
        error: Why the last try failed.
        now: The present time.
        first_at: When the message was recorded.
        jitter: From 0 to 1: which part of the second half of the pause is kept, so that what failed together does not
            come back together; drawn at random where it is not given.

    Returns:
        None when it is given up: the error is permanent, or the message is a day old. A pause that the place asks for
        is obeyed, also when it is longer than any of ours.
    """
    if not error.retryable:
        return None
    part = random.random() if jitter is None else jitter  # noqa: S311 - it spreads load and keeps no secret
    pause = min(FIRST_PAUSE * 2 ** min(max(attempts, 1) - 1, 16), LONGEST_PAUSE) * (0.5 + part / 2)
    asked = error.retry_after if isinstance(error, SlackError | PagerDutyError) else None
    due_at = now + (pause if asked is None else max(pause, asked + FIRST_PAUSE * part))
    return due_at if due_at < first_at + PATIENCE else None


def console_line(message: Message) -> str:
    """Say in one line what a place would have been told."""
    draft = message.draft
    words = draft.payload.get("summary") or unescape(str(draft.payload.get("text", "")))
    said = cut(clean(str(words)), _LONGEST_CONSOLE_LINE)
    about = "" if message.incident_id is None else f", incident {message.incident_id}"
    told = f"{draft.address} would be told ({draft.act.value}{about})"
    return f"{told}: {said}" if said else f"{told}."


async def _post_to(webhook: SlackWebhook, message: Message) -> Mapping[str, Any]:
    """Post whatever it is as a message of its own: an incoming webhook changes nothing and knows no threads."""
    payload = message.draft.payload
    text, blocks = payload["text"], payload.get("blocks", ())
    try:
        await webhook.post(text, blocks)
    except SlackBlocksRefused as refusal:
        await webhook.post(text)
        return {"webhook": True, "blocks_refused": str(refusal)}
    return {"webhook": True}


async def _send(message: Message, pagerduty: PagerDutyClient | None) -> Mapping[str, Any]:
    if pagerduty is None:
        raise PagerDutyError("PagerDuty is not configured here: set pagerduty.routing_key", retryable=True)
    event = event_of(message.draft.payload)
    await pagerduty.send(event)
    return {"dedup_key": event.dedup_key}


async def _send_change(message: Message, pagerduty: PagerDutyClient | None) -> Mapping[str, Any]:
    if pagerduty is None:
        raise PagerDutyError("PagerDuty is not configured here: set pagerduty.routing_key", retryable=True)
    await pagerduty.send_change(change_of(message.draft.payload))
    return {"accepted": True}


def change_of(payload: Mapping[str, Any]) -> PagerDutyChange:
    """Read a change event from the JSON values that `receiver.notify.changes` wrote."""
    return PagerDutyChange(
        summary=payload["summary"],
        timestamp=datetime.fromisoformat(payload["timestamp"]),
        source=payload["source"],
        custom_details=payload["custom_details"],
        links=[PagerDutyLink(href=link["href"], text=link["text"]) for link in payload.get("links", ())],
    )


def event_of(payload: Mapping[str, Any]) -> PagerDutyEvent:
    """Read an event from the JSON values that `receiver.notify.pagerduty` wrote."""
    began = payload.get("timestamp")
    return PagerDutyEvent(
        action=EventAction(payload["action"]),
        dedup_key=payload["dedup_key"],
        summary=payload.get("summary", ""),
        source=payload.get("source", ""),
        severity=PagerDutySeverity(payload.get("severity", PagerDutySeverity.CRITICAL.value)),
        timestamp=datetime.fromisoformat(began) if began else None,
        component=payload.get("component", ""),
        group=payload.get("group", ""),
        event_class=payload.get("event_class", ""),
        custom_details=payload.get("custom_details", {}),
        links=[PagerDutyLink(href=link["href"], text=link["text"]) for link in payload.get("links", ())],
        client=payload.get("client", ""),
        client_url=payload.get("client_url", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chat:
    """One message on its way to Slack."""

    slack: SlackClient
    message: Message
    conversation: Conversation | None

    async def say(self) -> Mapping[str, Any]:
        ts = self.conversation.ts if self.conversation else ""
        match self.message.draft.act:
            case Act.POST:
                return await self._begin()
            case Act.UPDATE if self.conversation and ts:
                return await self._update(self.conversation.channel_id, ts)
            case Act.UPDATE:
                return {**await self._begin(), "reposted": True}
            case Act.REPLY if ts:
                return await self._reply(ts)
            case Act.REPLY:
                raise SlackError("There is no message to reply to: the post of this incident did not arrive")
            case Act.TRIGGER | Act.ACKNOWLEDGE | Act.RESOLVE | Act.CHANGE:
                raise SlackError(f"Slack knows no {self.message.draft.act.value}")

    @property
    def _channel(self) -> str:
        return self.conversation.channel_id if self.conversation else self.message.draft.address

    async def _begin(self) -> Mapping[str, Any]:
        answer = await self._post_once()
        return {**answer, "anchor": {"channel_id": answer["channel_id"], "ts": answer["ts"]}}

    async def _update(self, channel_id: str, ts: str) -> Mapping[str, Any]:
        payload = self.message.draft.payload
        text, blocks = payload["text"], payload.get("blocks", ())
        try:
            try:
                return _stands(await self.slack.update(channel_id, ts, text, blocks))
            except SlackBlocksRefused as refusal:
                return {**_stands(await self.slack.update(channel_id, ts, text)), "blocks_refused": str(refusal)}
        except SlackMessageGone:
            return {**await self._begin(), "reposted": True}

    async def _reply(self, ts: str) -> Mapping[str, Any]:
        try:
            return await self._post_once(thread_ts=ts)
        except SlackMessageGone:
            if not self.message.draft.payload.get("broadcast"):
                raise
            # What everybody was to see is worth a message of its own where the thread is gone.
            return {**await self._post_once(), "unthreaded": True}

    async def _post_once(self, *, thread_ts: str | None = None) -> Mapping[str, Any]:
        """Post, unless an earlier try did and its answer was lost."""
        note: Mapping[str, Any] = {}
        if self.message.attempts > 1 and _CHANNEL_ID.fullmatch(self._channel):
            try:
                found = await self._find(thread_ts)
            except SlackMessageGone:
                raise
            except SlackError as error:
                if error.retryable:
                    raise
                # Without the right to look, twice is better than never.
                found, note = None, {"not_searched": str(error)}
            if found is not None:
                return {**_stands(found), "found": True}
        return {**await self._post(thread_ts), **note}

    async def _find(self, thread_ts: str | None) -> PostedMessage | None:
        message = self.message
        return await self.slack.find_message(
            self._channel, event_id(message), oldest=message.created_at, thread_ts=thread_ts
        )

    async def _post(self, thread_ts: str | None) -> Mapping[str, Any]:
        payload = self.message.draft.payload
        text, blocks = payload["text"], payload.get("blocks", ())
        try:
            return _stands(await self._post_with(text, blocks, thread_ts))
        except SlackBlocksRefused as refusal:
            return {**_stands(await self._post_with(text, (), thread_ts)), "blocks_refused": str(refusal)}

    async def _post_with(self, text: str, blocks: Any, thread_ts: str | None) -> PostedMessage:
        return await self.slack.post(
            self._channel,
            text,
            blocks,
            thread_ts=thread_ts,
            broadcast=bool(self.message.draft.payload.get("broadcast")),
            metadata={EVENT_ID: event_id(self.message)},
        )


def event_id(message: Message) -> str:
    """Name a message so that it is known again in the channel; also by another installation's messages."""
    anew = f":{message.replays}" if message.replays else ""
    return f"{message.draft.key}:{message.created_at.isoformat()}{anew}"


def _stands(posted: PostedMessage) -> dict[str, Any]:
    return {"channel_id": posted.channel_id, "ts": posted.ts}
