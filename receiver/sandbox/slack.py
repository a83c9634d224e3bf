"""Slack's Web API as a server on loopback: one workspace, as strict as Slack, with a memory of every message and edit.

It knows `auth.test`, `chat.postMessage`, `chat.update`, `conversations.history` and `conversations.replies`, takes the
answers of apps to a press at its response URLs, has an incoming webhook, and sends presses of buttons over HTTP and
over sockets. Like Slack it answers most refusals with HTTP 200 and `ok: false`. Stricter than Slack: parameters and
blocks that it does not judge are refused.

Codes and rules from the page of each method beneath https://docs.slack.dev/reference/methods.
"""

import json
import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from receiver.sandbox import slack_socket, slack_webhook
from receiver.sandbox.loopback import LoopbackServer
from receiver.sandbox.slack_press import Press, deliver, press_payload
from receiver.sandbox.slack_room import BOT_ID, BOT_USER, TEAM_ID, SlackChannel, SlackMessage, SlackRoom
from receiver.sandbox.slack_rules import Fault, answer_fault, message_fault
from receiver.sandbox.slack_socket import Sockets
from receiver.sandbox.slack_webhook import IncomingWebhook

EXAMPLE_TOKEN = "xoxb-sandbox-token"  # noqa: S105 - opens nothing but a stand-in
EXAMPLE_SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105 - the same

EXAMPLE_APP_TOKEN = "xapp-sandbox-token"  # noqa: S105 - the same
EXAMPLE_WEBHOOK_SECRET = "sandboxWebhookSecret"  # noqa: S105 - the same

TEXT_CUT_AT = 40_000
"""Posted text beyond this is cut off; https://docs.slack.dev/reference/methods/chat.postMessage#truncating"""
UPDATED_TEXT = 4_000
"""Updated text beyond this is `msg_too_long`; https://docs.slack.dev/reference/methods/chat.update#errors"""
RESPONSE_URL_USES = 5
"""How often an app may answer at one response URL; https://docs.slack.dev/interactivity/handling-user-interaction"""

_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}")


class _RefusalError(Exception):
    def __init__(self, code: str, *, status: int = 200, wait: int | None = None, **details: object) -> None:
        super().__init__(code)
        self.answer = web.json_response({"ok": False, "error": code, **details}, status=status)
        if wait is not None:
            self.answer.headers["Retry-After"] = str(wait)


class _MalformedError(_RefusalError):
    """It could not be taken whatever stands in the channels: the app is at fault."""

    def __init__(self, code: str, messages: Iterable[str] = (), *, status: int = 200) -> None:
        told = list(messages)
        details = {"errors": told, "response_metadata": {"messages": [f"[ERROR] {one}" for one in told]}}
        super().__init__(code, status=status, wait=None, **(details if told else {}))
        self.text = ": ".join((code, *told))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verb:
    carry: Callable[[Mapping[str, Any]], dict[str, Any]]
    scope: str = ""
    parameters: frozenset[str] = frozenset()


class SlackStandIn(LoopbackServer):
    """`async with SlackStandIn() as slack:` and give `slack.url` and `slack.token` to a client.

    Args:
        channels: The channels of the workspace.
        token: The one bot token that is valid.
        signing_secret: With what presses are signed.
        scopes: What the token may do.
        post_every: Shortest time between two posts to one channel; sooner ones are answered 429. None for no limit.
        port: Where to listen; 0 for any free port.
        clock: Seconds of a clock that never goes back, for the limit.
    """

    def __init__(
        self,
        *,
        channels: Iterable[SlackChannel] = (SlackChannel(id="C0ALERTS", name="taskmaster-alerts"),),
        token: str = EXAMPLE_TOKEN,
        signing_secret: str = EXAMPLE_SIGNING_SECRET,
        scopes: Collection[str] = ("chat:write", "channels:history"),
        post_every: timedelta | None = None,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        routes = [
            web.post("/api/apps.connections.open", self._open_socket),
            web.get(f"{slack_socket.PATH}/", self._keep_socket),
            web.route("*", "/api/{verb}", self._serve),
            web.post("/actions/{press}", self._take_response),
            web.post(slack_webhook.PATH, self._take_by_webhook),
        ]
        super().__init__(routes, port=port)
        self.token = token
        self.signing_secret = signing_secret
        self.responses: list[tuple[str, Mapping[str, Any]]] = []
        """What apps answered at response URLs: the press and the answer."""
        self.malformed: list[str] = []
        """What no app should have sent: the verb, and what Slack says of it."""
        self._rooms = [SlackRoom(channel) for channel in channels]
        self._scopes = frozenset(scopes)
        self._post_every = post_every
        self._clock = clock
        self._last_post: dict[str, float] = {}
        self._presses: set[str] = set()
        self.sockets = Sockets()
        self.webhook = IncomingWebhook(self._rooms[0], EXAMPLE_WEBHOOK_SECRET, self._wait_of)
        self._verbs = self._list_verbs()

    def _list_verbs(self) -> dict[str, _Verb]:
        paging = "channel cursor limit oldest latest inclusive include_all_metadata"
        styles = "channel text blocks metadata parse link_names reply_broadcast"
        return {
            "auth.test": _Verb(carry=self._auth_test),
            "chat.postMessage": _Verb(
                carry=self._post,
                scope="chat:write",
                parameters=frozenset(f"{styles} thread_ts unfurl_links unfurl_media mrkdwn".split()),
            ),
            "chat.update": _Verb(carry=self._update, scope="chat:write", parameters=frozenset(f"{styles} ts".split())),
            "conversations.history": _Verb(
                carry=self._history, scope="channels:history", parameters=frozenset(paging.split())
            ),
            "conversations.replies": _Verb(
                carry=self._replies, scope="channels:history", parameters=frozenset(f"{paging} ts".split())
            ),
        }

    @property
    def webhook_url(self) -> str:
        """An incoming webhook that posts to the first channel."""
        return self.origin + slack_webhook.PATH.format(secret=EXAMPLE_WEBHOOK_SECRET)

    @property
    def url(self) -> str:
        """What stands in for `https://slack.com/api/`."""
        return f"{self.origin}/api/"

    def room(self, channel: str) -> SlackRoom:
        """Return what happened in a channel, by its ID or its name with or without `#`.

        Raises:
            LookupError: There is no such channel.
        """
        for room in self._rooms:
            if channel in {room.channel.id, room.channel.name, f"#{room.channel.name}"}:
                return room
        raise LookupError(f"There is no channel {channel!r}")

    def messages(self, channel: str) -> list[SlackMessage]:
        """Return the messages that stand in a channel itself, oldest first, as they are now."""
        return [message for message in self.room(channel).messages if message.is_in_channel]

    def replies(self, channel: str, thread_ts: str) -> list[SlackMessage]:
        """Return the replies to a message, oldest first, as they are now."""
        return [message for message in self.room(channel).messages if message.thread_ts == thread_ts]

    async def press(self, url: str, message: SlackMessage, action_id: str, user: str, *, value: str = "") -> Press:
        """Press a button of `message`, or choose `value` in its menu, as `user`, and tell the app at `url`.

        The request is signed and sent as Slack does, and given up after 3 seconds.

        Raises:
            LookupError: The message has no such button.
        """
        return await deliver(url, self.pressed(message, action_id, user, value=value), self.signing_secret)

    def pressed(self, message: SlackMessage, action_id: str, user: str, *, value: str = "") -> dict[str, Any]:
        """Return what Slack tells of such a press, to be handed over by `sockets`.

        Raises:
            LookupError: The message has no such button.
        """
        number = str(len(self._presses) + 1)
        payload = press_payload(
            message,
            action_id,
            user,
            value=value,
            channel_name=self.room(message.channel_id).channel.name,
            response_url=f"{self.origin}/actions/{number}",
        )
        self._presses.add(number)
        return payload

    async def _open_socket(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {EXAMPLE_APP_TOKEN}":
            return _RefusalError("invalid_auth").answer
        return web.json_response({"ok": True, "url": self.sockets.ticket(self.origin)})

    async def _keep_socket(self, request: web.Request) -> web.StreamResponse:
        return await self.sockets.serve(request)

    async def _take_response(self, request: web.Request) -> web.Response:
        number = request.match_info["press"]
        if number not in self._presses:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        if sum(known == number for known, _ in self.responses) >= RESPONSE_URL_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        try:
            answer = _json_object(await request.read())
            _accept(answer_fault(answer), status=400)
        except _MalformedError as refusal:
            self.malformed.append(f"response_url: {refusal.text}")
            return refusal.answer
        self.responses.append((number, answer))
        return web.json_response({"ok": True})

    async def _take_by_webhook(self, request: web.Request) -> web.Response:
        return await self.webhook.serve(request)

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            return web.json_response({"ok": True, **await self._carry(request)})
        except _RefusalError as refusal:
            if isinstance(refusal, _MalformedError):
                self.malformed.append(f"{request.match_info['verb']}: {refusal.text}")
            return refusal.answer

    async def _carry(self, request: web.Request) -> dict[str, Any]:
        verb = self._verbs.get(request.match_info["verb"])
        if verb is None:
            raise _RefusalError("unknown_method", req_method=request.match_info["verb"])
        self._authenticate(request, verb)
        parameters = await _parameters(request)
        if unknown := sorted(parameters.keys() - verb.parameters):
            raise _MalformedError("invalid_arg_name", unknown)
        return verb.carry(parameters)

    def _authenticate(self, request: web.Request, verb: _Verb) -> None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise _RefusalError("not_authed")
        if token != self.token:
            raise _RefusalError("invalid_auth")
        if verb.scope and verb.scope not in self._scopes:
            raise _RefusalError("missing_scope", needed=verb.scope, provided=",".join(sorted(self._scopes)))

    def _auth_test(self, _: Mapping[str, Any]) -> dict[str, Any]:
        who = {"user": "receiver", "user_id": BOT_USER, "bot_id": BOT_ID}
        return {"url": self.origin, "team": "Sandbox", "team_id": TEAM_ID, **who, "is_enterprise_install": False}

    def _post(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _accept(message_fault(asked))
        room = self._open_room(asked, by_name=True)
        thread_ts = _thread(room, asked.get("thread_ts"))
        self._take_turn(room.channel.id)
        message = room.add(
            user=BOT_USER,
            text=asked.get("text", "")[:TEXT_CUT_AT],
            blocks=tuple(asked.get("blocks", ())),
            thread_ts=thread_ts,
            is_broadcast=bool(asked.get("reply_broadcast")),
            metadata=asked.get("metadata") or None,
        )
        return {"channel": room.channel.id, "ts": message.ts, "message": message.document(with_metadata=True)}

    def _update(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        _accept(message_fault(asked))
        room = self._open_room(asked, by_name=False)
        message = room.find(asked.get("ts"))
        if message is None:
            raise _RefusalError("message_not_found")
        if message.user != BOT_USER:
            raise _RefusalError("cant_update_message")
        whole = {"text": message.text, "blocks": list(message.blocks), **asked}
        if len(whole["text"]) > UPDATED_TEXT:
            raise _MalformedError("msg_too_long")
        kept = asked.get("metadata", message.metadata) or None
        changed = room.edit(message, text=whole["text"], blocks=tuple(whole["blocks"]), metadata=kept)
        document = changed.document(with_metadata=True)
        return {"channel": room.channel.id, "ts": changed.ts, "text": changed.text, "message": document}

    def _history(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        room = self._open_room(asked, by_name=False)
        within = _within(asked, [message for message in room.messages if message.is_in_channel])
        return _page(within[::-1], asked)

    def _replies(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        room = self._open_room(asked, by_name=False)
        parent = room.find(asked.get("ts"))
        if parent is None:
            raise _RefusalError("thread_not_found")
        replies = [message for message in room.messages if message.thread_ts == parent.ts]
        return _page([parent, *_within(asked, replies)], asked)

    def _open_room(self, asked: Mapping[str, Any], *, by_name: bool) -> SlackRoom:
        channel = asked.get("channel")
        found = [room for room in self._rooms if room.channel.id == channel]
        if by_name and not found:
            found = [room for room in self._rooms if channel in {room.channel.name, f"#{room.channel.name}"}]
        if not found:
            raise _RefusalError("channel_not_found")
        if found[0].channel.is_archived:
            raise _RefusalError("is_archived")
        if not found[0].channel.is_member:
            raise _RefusalError("not_in_channel")
        return found[0]

    def _take_turn(self, channel_id: str) -> None:
        wait = self._wait_of(channel_id)
        if wait:
            raise _RefusalError("ratelimited", status=429, wait=wait)

    def _wait_of(self, channel_id: str) -> int:
        """Say how many seconds a post has to wait, and count it where it need not."""
        if self._post_every is None:
            return 0
        now = self._clock()
        wait = self._last_post.get(channel_id, -math.inf) + self._post_every.total_seconds() - now
        if wait > 0:
            return math.ceil(wait)
        self._last_post[channel_id] = now
        return 0


async def _parameters(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "application/json":
        return _json_object(await request.read())
    return {**request.query, **await request.post()}


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        raise _MalformedError("invalid_json") from None
    if not isinstance(document, dict):
        raise _MalformedError("json_not_object")
    return document


def _accept(fault: Fault | None, *, status: int = 200) -> None:
    if fault is not None:
        raise _MalformedError(fault.code, fault.messages, status=status)


def _thread(room: SlackRoom, thread_ts: Any) -> str | None:
    if thread_ts is None:
        return None
    if not isinstance(thread_ts, str) or not _TS.fullmatch(thread_ts):
        raise _MalformedError("invalid_thread_ts")
    parent = room.find(thread_ts)
    if parent is None:
        raise _RefusalError("thread_not_found")
    if parent.thread_ts is not None:
        raise _RefusalError("cannot_reply_to_message")
    return parent.ts


def _within(asked: Mapping[str, Any], messages: Iterable[SlackMessage]) -> list[SlackMessage]:
    oldest, latest = _moment(asked.get("oldest"), -math.inf), _moment(asked.get("latest"), math.inf)
    edges = {oldest, latest} if _is_true(asked.get("inclusive")) else set()
    return [message for message in messages if oldest < float(message.ts) < latest or float(message.ts) in edges]


def _moment(text: Any, otherwise: float) -> float:
    try:
        return otherwise if text is None else float(text)
    except ValueError:
        raise _RefusalError("invalid_ts_oldest") from None


def _is_true(value: Any) -> bool:
    return value in (True, "1", "true")


def _page(messages: list[SlackMessage], asked: Mapping[str, Any]) -> dict[str, Any]:
    limit, cursor = str(asked.get("limit", 100)), str(asked.get("cursor") or "0")
    if not limit.isdigit() or not 1 <= int(limit) <= 999:  # noqa: PLR2004 - the limit of the limit
        raise _RefusalError("invalid_limit")
    if not cursor.isdigit():
        raise _RefusalError("invalid_cursor")
    end = int(cursor) + int(limit)
    has_more = end < len(messages)
    shown = [message.document(with_metadata=_is_true(asked.get("include_all_metadata"))) for message in messages]
    return {
        "messages": shown[int(cursor) : end],
        "has_more": has_more,
        "response_metadata": {"next_cursor": str(end) if has_more else ""},
    }
