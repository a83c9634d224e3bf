"""The incoming webhook of the Slack stand-in: as strict as Slack, or stricter where Slack passes over what it reads.

From https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from receiver.sandbox.blocks import TOTAL_CHARACTERS, block_errors, total_characters
from receiver.sandbox.slack_room import BOT_USER, SlackRoom

PATH: Final = "/services/T0SANDBOX/B0WEBHOOK/{secret}"
_KNOWN: Final = frozenset({"text", "blocks", "unfurl_links", "unfurl_media", "mrkdwn"})


class IncomingWebhook:
    """An address that posts to one channel.

    Args:
        room: The channel.
        secret: The last part of the address.
        take_turn: Says how many seconds a post has to wait; 0 where it may go.
    """

    def __init__(self, room: SlackRoom, secret: str, take_turn: Callable[[str], int]) -> None:
        self.room = room
        self._secret = secret
        self._take_turn = take_turn

    async def serve(self, request: web.Request) -> web.Response:
        """Take a message; the answer is `ok`, or the name of what is wrong."""
        if request.match_info["secret"] != self._secret:
            return web.Response(status=403, text="invalid_token")
        if self.room.channel.is_archived:
            return web.Response(status=410, text="channel_is_archived")
        asked = _read(await request.read()) if request.content_type == "application/json" else {}
        text, blocks = asked.get("text", ""), asked.get("blocks", [])
        fault = _fault(text, blocks) if asked else "invalid_payload"
        if fault:
            return web.Response(status=400, text=fault)
        wait = self._take_turn(self.room.channel.id)
        if wait:
            return web.Response(status=429, text="rate_limited", headers={"Retry-After": str(wait)})
        self.room.add(user=BOT_USER, text=text, blocks=tuple(blocks))
        return web.Response(text="ok")


def _read(body: bytes) -> dict[str, Any]:
    """Read a message; nothing where it is none, or has parts that are not known."""
    try:
        asked = json.loads(body)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) and not asked.keys() - _KNOWN else {}


def _fault(text: Any, blocks: Any) -> str:
    if not isinstance(text, str) or not isinstance(blocks, list):
        return "invalid_payload"
    if not text and not blocks:
        return "no_text"
    if not all(isinstance(block, dict) for block in blocks) or block_errors(blocks):
        return "invalid_blocks"
    return "invalid_blocks" if total_characters(blocks) > TOTAL_CHARACTERS else ""
