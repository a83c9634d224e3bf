"""A person presses a button: the signed request that Slack then sends to the app.

The form is that of https://docs.slack.dev/reference/interaction-payloads/block_actions-payload, the signature that of
https://docs.slack.dev/authentication/verifying-requests-from-slack.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

from receiver.sandbox.slack_room import APP_ID, TEAM_ID, SlackMessage

PATIENCE_SECONDS = 3.0
"""How long Slack waits for the app; https://docs.slack.dev/interactivity/handling-user-interaction"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Press:
    """A press that was told to the app, and what the app answered."""

    payload: Mapping[str, Any]
    status: int | None
    """HTTP status; None where the app did not answer in time or not at all, and the person sees a warning sign."""
    body: str = ""


def sign(signing_secret: str, timestamp: str, body: bytes) -> str:
    """Return the `X-Slack-Signature` of a request."""
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(signing_secret.encode(), signed, hashlib.sha256).hexdigest()


def press_payload(
    message: SlackMessage, action_id: str, user: str, *, value: str, channel_name: str, response_url: str
) -> dict[str, Any]:
    """Return what Slack tells about a press.

    Raises:
        LookupError: The message has no such button, or the menu no such value.
    """
    shown = message.document(with_metadata=False)
    now = f"{time.time():.6f}"
    place = {"type": "message", "message_ts": message.ts, "channel_id": message.channel_id, "is_ephemeral": False}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": TEAM_ID},
        "api_app_id": APP_ID,
        "container": place,
        "trigger_id": uuid4().hex,
        "team": {"id": TEAM_ID, "domain": "sandbox"},
        "channel": {"id": message.channel_id, "name": channel_name},
        "message": shown,
        "response_url": response_url,
        "actions": [{**_action(shown, action_id, value), "action_ts": now}],
    }


async def deliver(url: str, payload: Mapping[str, Any], signing_secret: str) -> Press:
    """Send a press to the app, signed, and wait for the answer as long as Slack does."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(signing_secret, timestamp, body),
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
    }
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return Press(payload=payload, status=response.status, body=await response.text())
    except (TimeoutError, aiohttp.ClientError):
        return Press(payload=payload, status=None)


def _action(shown: Mapping[str, Any], action_id: str, value: str) -> dict[str, Any]:
    for block_id, element in _elements(shown):
        if element.get("action_id") != action_id:
            continue
        action = {"action_id": action_id, "block_id": block_id, "type": element["type"]}
        if element["type"] == "button":
            return action | {name: element[name] for name in ("text", "value") if name in element}
        chosen = [option for option in element["options"] if option["value"] == value]
        if chosen:
            return action | {"selected_option": chosen[0]}
        raise LookupError(f"The menu {action_id!r} has no value {value!r}")
    raise LookupError(f"The message {shown['ts']} has no button {action_id!r}")


def _elements(shown: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for block in shown.get("blocks", ()):
        for element in (*block.get("elements", ()), block.get("accessory") or {}):
            yield block["block_id"], element
