"""Slack's Web API in our verbs and with our errors.

The SDK is told to retry nothing. Retries belong to the outbox, which survives a restart and knows what else waits for
the same channel; the SDK would sleep inside the call and, after a lost answer, post twice. Slack has no idempotency
key: a message carries an identity of ours in its metadata instead, by which `SlackClient.find_message` recognises it.
"""

import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from receiver.clients.connections import Connections
from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.errors import (
    SettingsError,
    SlackAnswerLost,
    SlackBlocksRefused,
    SlackChannelUnknown,
    SlackError,
    SlackMessageGone,
)

API_URL = "https://slack.com/api/"

EVENT_TYPE = "receiver_message"
"""`event_type` of the metadata of every message of ours."""
EVENT_ID = "event_id"
"""Key of the metadata's payload under which the caller's identity of a message stands."""

CLOCK_ALLOWANCE = timedelta(minutes=1)
"""How far Slack's clock, which makes the `ts` of messages, may lag behind ours."""
PAGE_SIZE = 200
"""Messages asked for at once; https://docs.slack.dev/apis/web-api/pagination recommends at most 200."""
LONGEST_SEARCH = 10
"""Pages that a search reads before it gives up."""

_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
_CHANNEL_UNKNOWN = "channel_not_found"
_MESSAGE_GONE = frozenset(
    {
        "cannot_reply_to_message",
        "cant_update_message",
        "edit_window_closed",
        "invalid_thread_ts",
        "message_not_found",
        "thread_not_found",
    }
)
_NOTHING_HAPPENED = frozenset({"rate_limited", "ratelimited", "team_added_to_org"})
"""Transient, and Slack says that it did not act."""
_PERHAPS_HAPPENED = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
"""Transient, and some of the work may have been done; https://docs.slack.dev/reference/methods/chat.postMessage#errors"""

_REMEDIES = {
    "account_inactive": "the app was removed or disabled: install it again and renew slack.bot_token",
    _CHANNEL_UNKNOWN: "check the channel's name or ID, and invite the app when the channel is private",
    "invalid_auth": "slack.bot_token does not hold a token of this workspace",
    "is_archived": "the channel is archived: choose another one",
    "missing_scope": "grant the app the scope and install it again",
    "not_authed": "slack.bot_token holds no token",
    "not_in_channel": "invite the app to the channel",
    "token_expired": "renew slack.bot_token",
    "token_revoked": "renew slack.bot_token",
}
"""What a person can do about the errors that a person causes."""

_RESPONSE_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})

_TOO_MANY_REQUESTS = 429
_SERVER_FAILED = 500
_REFUSED = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class PostedMessage:
    """Where a message stands: what `SlackClient.update` and replies in its thread need."""

    channel_id: str
    """ID of the channel as Slack answered it. A name, by which one may post, is not accepted for updates."""
    ts: str
    """Slack's identity of the message inside its channel, such as `1503435956.000247`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlackIdentity:
    """Who the token makes us."""

    team: str
    """Name of the workspace."""
    team_id: str
    user_id: str
    bot_id: str
    """Empty for a token that is not a bot's."""


class SlackClient(Connections):
    """One workspace, seen with one bot token. Opens its connections at the first call; `close` ends them.

    Every method raises `SlackError` or one of its kinds; `retryable` says whether the same call may succeed later, and
    `retry_after` how long Slack asked to wait.

    Args:
        token: Bot token (`xoxb-...`). It is sent to `api_url` and shown nowhere.
        api_url: Address of the API, https; plain http on loopback only.
        timeout: How long one call may take from connecting to the last byte of the answer.
        proxy: Address of the proxy on the way, if there is one; see `receiver.clients.outward.proxy_for`.

    Raises:
        SettingsError: The token cannot be one, or the address cannot be used.
    """

    def __init__(
        self,
        *,
        token: str,
        api_url: str = API_URL,
        timeout: timedelta = timedelta(seconds=15),
        proxy: str | None = None,
    ) -> None:
        if not token.strip() or not token.strip().isascii() or not token.strip().isprintable():
            raise SettingsError("slack.bot_token does not hold a token: it is empty or has unprintable characters")
        checked_url(api_url, setting="slack.api_url")
        self._token = token.strip()
        self._api_url = api_url
        self._proxy = proxy
        super().__init__(timeout=timeout)
        self._web: AsyncWebClient | None = None

    def __repr__(self) -> str:
        return f"SlackClient(api_url={self._api_url!r})"

    async def close(self) -> None:
        """Close the connections. The next call would open new ones."""
        self._web = None
        await super().close()

    async def auth_test(self) -> SlackIdentity:
        """Ask who we are: the cheapest proof that the token works."""
        answer = await self._answer("auth.test", self._open().auth_test())
        return SlackIdentity(
            team=str(answer.get("team", "")),
            team_id=str(answer.get("team_id", "")),
            user_id=str(answer.get("user_id", "")),
            bot_id=str(answer.get("bot_id", "")),
        )

    async def post(
        self,
        channel: str,
        text: str,
        blocks: Sequence[Mapping[str, Any]] = (),
        *,
        thread_ts: str | None = None,
        broadcast: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PostedMessage:
        """Post a message. Links in it are not unfolded.

        Args:
            channel: ID or name of the channel.
            text: The message where there are no blocks, and its notification where there are; mrkdwn, already escaped.
            blocks: Block Kit; left out when empty.
            thread_ts: `ts` of the message to reply to.
            broadcast: Show a reply in the channel as well.
            metadata: Facts to be kept with the message, unseen by people; `EVENT_ID` among them makes it findable.
                Every app of the workspace can read them.

        Raises:
            SlackBlocksRefused: The blocks were refused; the text alone may pass.
            SlackMessageGone: There is no message `thread_ts` any more.
            SlackChannelUnknown: There is no such channel (any more).
            SlackAnswerLost: The message may or may not have been posted.
            SlackError: Anything else.
        """
        call = self._open().chat_postMessage(
            channel=channel,
            text=text,
            blocks=[dict(block) for block in blocks] or None,
            thread_ts=thread_ts,
            reply_broadcast=(broadcast or None) if thread_ts else None,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": EVENT_TYPE, "event_payload": dict(metadata)} if metadata else None,
        )
        return self._posted("chat.postMessage", await self._answer("chat.postMessage", call, place=channel))

    async def update(
        self, channel_id: str, ts: str, text: str, blocks: Sequence[Mapping[str, Any]] = ()
    ) -> PostedMessage:
        """Replace text and blocks of a message of ours; metadata stays.

        Blocks are always sent, since Slack would keep the old ones: an empty sequence takes them away.

        Raises:
            SlackBlocksRefused: The blocks were refused; the text alone may pass.
            SlackMessageGone: The message cannot be changed any more; post a new one.
            SlackAnswerLost: The message may or may not have been changed; the same update can be sent again.
            SlackError: Anything else.
        """
        call = self._open().chat_update(
            channel=channel_id, ts=ts, text=text, blocks=[dict(block) for block in blocks], parse="none"
        )
        return self._posted("chat.update", await self._answer("chat.update", call, place=channel_id))

    async def respond(self, response_url: str, answer: Mapping[str, Any]) -> None:
        """Answer a press of a button; Slack takes it for half an hour.

        Args:
            response_url: As the press named it.
            answer: A message as https://docs.slack.dev/interactivity/handling-user-interaction describes it.

        Raises:
            SlackError: The address is not Slack's, so nothing was sent there; or Slack did not take it.
        """
        where, own = urlsplit(response_url), urlsplit(self._api_url)
        slacks = where.scheme == "https" and where.netloc in _RESPONSE_HOSTS
        if not slacks and (where.scheme, where.netloc) != (own.scheme, own.netloc):
            raise SlackError("the response_url of a press is not at Slack: nothing was sent there")
        session = self._open().session
        if session is None:
            raise SlackError("the connections to Slack are closed", retryable=True)
        try:
            async with session.post(response_url, json=answer, proxy=self._proxy, allow_redirects=False) as took:
                if took.status >= _REFUSED:
                    again = took.status == _TOO_MANY_REQUESTS or took.status >= _SERVER_FAILED
                    text = f"Slack answered {took.status} to what a press was to be told"
                    raise SlackError(text, retryable=again)
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise SlackAnswerLost(f"what a press was to be told did not arrive ({type(exc).__name__})") from None

    async def find_message(
        self, channel_id: str, event_id: str, *, oldest: datetime, thread_ts: str | None = None
    ) -> PostedMessage | None:
        """Look for a message whose answer was lost, by the `EVENT_ID` in its metadata.

        Needs the scope `channels:history` (`groups:history` for private channels); the ID of the channel, since its
        name is not accepted here; and `thread_ts` for a reply, since a channel's history does not hold the replies.

        Args:
            channel_id: ID of the channel.
            event_id: What the message was given as `EVENT_ID`.
            oldest: When it was first tried to post it; aware.
            thread_ts: `ts` of the message that was replied to.

        Returns:
            None where no such message was posted since `oldest`.
        """
        verb = "conversations.replies" if thread_ts else "conversations.history"
        since = f"{(oldest - CLOCK_ALLOWANCE).timestamp():.6f}"
        cursor: str | None = None
        for _ in range(LONGEST_SEARCH):
            call = self._page(channel_id, since=since, cursor=cursor, thread_ts=thread_ts)
            answer = await self._answer(verb, call, place=channel_id)
            messages = answer.get("messages")
            if not isinstance(messages, list):
                raise SlackAnswerLost(f"{verb} for {channel_id}: Slack agreed without sending any messages")
            for message in messages:
                if _is_ours(message, event_id):
                    return self._posted(verb, {"channel": channel_id, "ts": _at(message, "ts")})
            cursor = _at(answer, "response_metadata", "next_cursor")
            if not cursor:
                return None
        raise SlackError(
            f"{verb} for {channel_id}: not among the {LONGEST_SEARCH * PAGE_SIZE} newest messages, and it may be older"
        )

    def _page(
        self, channel_id: str, *, since: str, cursor: str | None, thread_ts: str | None
    ) -> Awaitable[AsyncSlackResponse]:
        web = self._open()
        if thread_ts is None:
            return web.conversations_history(
                channel=channel_id, oldest=since, cursor=cursor, include_all_metadata=True, limit=PAGE_SIZE
            )
        return web.conversations_replies(
            channel=channel_id, ts=thread_ts, oldest=since, cursor=cursor, include_all_metadata=True, limit=PAGE_SIZE
        )

    def _open(self) -> AsyncWebClient:
        if self._web is None:
            self._web = AsyncWebClient(
                token=self._token,
                base_url=self._api_url,
                session=self._opened(),
                retry_handlers=[],
                logger=_sdk_log(),
            )
            # The SDK would take a proxy from the environment, even for hosts that NO_PROXY names.
            self._web.proxy = self._proxy
        return self._web

    async def _answer(
        self, verb: str, call: Awaitable[AsyncSlackResponse], *, place: str = "the workspace"
    ) -> Mapping[str, Any]:
        about = f"{verb} for {quoted(place, without=self._token)}"
        try:
            answer = (await call).data
        except SlackApiError as exc:
            # Its text is the whole answer, whatever stands in it; the refusal quotes what matters in one safe line.
            raise self._refusal(about, exc) from None
        except TimeoutError as exc:
            seconds = self._timeout.total_seconds()
            raise SlackAnswerLost(f"{about}: Slack did not answer within {seconds:g} s") from exc
        except aiohttp.ClientConnectorError as exc:
            raise SlackError(f"{about}: Slack cannot be reached: {exc}", retryable=True) from exc
        except aiohttp.ClientResponseError as exc:
            # Its repr shows the request's headers, token included, so it must not travel on as the cause.
            raise SlackAnswerLost(f"{about}: the answer was not proper HTTP ({type(exc).__name__})") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise SlackAnswerLost(f"{about}: the connection broke before an answer came") from exc
        except (AttributeError, LookupError, ValueError) as exc:
            # The SDK reads whatever a 200 brings as a JSON object in UTF-8.
            raise SlackAnswerLost(f"{about}: the answer is not Slack's; is there a proxy in between?") from exc
        return answer if isinstance(answer, dict) else {}

    def _refusal(self, about: str, error: SlackApiError) -> SlackError:
        response = error.response
        # Where the body is not JSON, the SDK hands over aiohttp's response instead of its own.
        status = response.status_code if isinstance(response, AsyncSlackResponse) else response.status
        body = response.data if isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict) else {}
        wait = retry_after(response.headers, now=datetime.now(UTC))
        return judged(about, status=status, body=body, wait=wait, secret=self._token)

    def _posted(self, verb: str, answer: Mapping[str, Any]) -> PostedMessage:
        channel_id, ts = answer.get("channel"), answer.get("ts")
        if not isinstance(channel_id, str) or not isinstance(ts, str):
            raise SlackAnswerLost(f"{verb}: Slack agreed without saying where the message stands")
        return PostedMessage(channel_id=channel_id, ts=ts)


def judged(about: str, *, status: int, body: Mapping[str, Any], wait: timedelta | None, secret: str) -> SlackError:
    """Decide what an answer without `ok: true` means for whoever has to get the message out.

    A code that is on no list is permanent when Slack itself gave it: it names new refusals far more often than new
    transient conditions, and a person sees it at once instead of after the last retry.
    """
    code = quoted(str(body.get("error") or ""), without=secret)
    message = f"{about}: {_said(status, code, body, secret)}"
    if code in _BLOCKS_REFUSED:
        return SlackBlocksRefused(message)
    if code in _MESSAGE_GONE:
        return SlackMessageGone(message)
    if code == _CHANNEL_UNKNOWN:
        return SlackChannelUnknown(message)
    if code in _NOTHING_HAPPENED or status == _TOO_MANY_REQUESTS:
        return SlackError(message, retryable=True, retry_after=wait)
    if code in _PERHAPS_HAPPENED or status >= _SERVER_FAILED or (not code and status < _REFUSED):
        return SlackAnswerLost(message, retry_after=wait)
    return SlackError(message)


def _said(status: int, code: str, body: Mapping[str, Any], secret: str) -> str:
    if not code:
        return f"HTTP {status} without Slack's usual answer"
    details = body.get("errors") or _at(body, "response_metadata", "messages") or body.get("needed") or ""
    told = quoted("; ".join(map(str, details)) if isinstance(details, list) else str(details), without=secret)
    remedy = _REMEDIES.get(code, "")
    return f"Slack says {code}" + (f" ({told})" if told else "") + (f"; {remedy}" if remedy else "")


def _at(document: Any, *path: str) -> Any:
    """Return what stands at the end of a path of keys; None where the path breaks off."""
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _is_ours(message: Any, event_id: str) -> bool:
    metadata = _at(message, "metadata")
    return (_at(metadata, "event_type"), _at(metadata, "event_payload", EVENT_ID)) == (EVENT_TYPE, event_id)


def _sdk_log() -> logging.Logger:
    """Give the SDK a log of its own, since it would write whole messages into the debug log."""
    log = logging.getLogger("receiver.clients.slack.sdk")
    log.setLevel(logging.WARNING)
    return log
