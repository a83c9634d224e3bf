"""Slack's incoming webhook: an address that posts to one channel, and no more.

What it answers is from https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: `ok` in plain text,
or a status with the name of what is wrong. It gives no identity of a message: nothing can be changed or replied to.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from receiver.clients.connections import Connections
from receiver.clients.outward import checked_url, quoted, retry_after
from receiver.model.errors import SettingsError, SlackAnswerLost, SlackBlocksRefused, SlackError

_ANSWER_BYTES: Final = 4_096
_BLOCKS_REFUSED: Final = frozenset({"invalid_blocks", "invalid_blocks_format"})
_REMEDY: Final = "make a new incoming webhook for the channel and set slack.webhook_url to it"
_REMEDIES: Final[Mapping[str, str]] = {
    "invalid_token": _REMEDY,
    "no_service": _REMEDY,
    "no_service_id": _REMEDY,
    "no_team": _REMEDY,
    "channel_not_found": _REMEDY,
    "channel_is_archived": "bring the channel back, or " + _REMEDY,
    "action_prohibited": "an administrator of the workspace forbids it",
    "posting_to_general_channel_denied": "an administrator of the workspace forbids it",
}


class SlackWebhook(Connections):
    """One incoming webhook. Opens its connections at the first message; `close` ends them.

    Args:
        url: Its address, which is the secret: it is shown nowhere. https; plain http on loopback only.
        timeout: How long one message may take from connecting to the answer.
        proxy: Address of the proxy on the way, if there is one.

    Raises:
        SettingsError: The address cannot be used.
    """

    def __init__(self, url: str, *, timeout: timedelta = timedelta(seconds=15), proxy: str | None = None) -> None:
        self._url = url.strip()
        parts = checked_url(self._url, setting="slack.webhook_url")
        if len(parts.path.strip("/")) == 0:
            raise SettingsError(
                "slack.webhook_url has no path; a whole one is https://hooks.slack.com/services/T…/B…/…"
            )
        self._secret = parts.path
        self._proxy = proxy
        super().__init__(timeout=timeout)

    def __repr__(self) -> str:
        return "SlackWebhook()"

    async def post(self, text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> None:
        """Post a message.

        Args:
            text: The message where there are no blocks, and its notification where there are; mrkdwn, already escaped.
            blocks: Block Kit; left out when empty.

        Raises:
            SlackBlocksRefused: The blocks were refused; the text alone may pass.
            SlackAnswerLost: The message may or may not have been posted; nothing could tell.
            SlackError: Anything else.
        """
        body: dict[str, Any] = {"text": text, "unfurl_links": False, "unfurl_media": False}
        if blocks:
            body["blocks"] = [dict(block) for block in blocks]
        try:
            status, answer, wait = await self._hand_over(body)
        except TimeoutError as exc:
            seconds = self._timeout.total_seconds()
            raise SlackAnswerLost(f"the incoming webhook did not answer within {seconds:g} s") from exc
        except aiohttp.ClientConnectorError as exc:
            raise SlackError(f"the incoming webhook cannot be reached: {exc}", retryable=True) from exc
        except (aiohttp.ClientError, OSError) as exc:
            # What aiohttp says of a request shows its address, which is the secret.
            raise SlackAnswerLost(f"the incoming webhook broke off before an answer ({type(exc).__name__})") from None
        if status != HTTPStatus.OK or answer != "ok":
            raise judged(status, answer, wait, secret=self._secret)

    async def _hand_over(self, body: Mapping[str, Any]) -> tuple[int, str, timedelta | None]:
        async with self._opened().post(self._url, json=body, allow_redirects=False, proxy=self._proxy) as response:
            answer = (await response.content.read(_ANSWER_BYTES)).decode("utf-8", "replace").strip()
            return response.status, answer, retry_after(response.headers, now=datetime.now(UTC))


def judged(status: int, answer: str, wait: timedelta | None, *, secret: str) -> SlackError:
    """Decide what any answer but `ok` means: whether the same message may pass later."""
    said = quoted(answer, without=secret)
    message = f"the incoming webhook answered HTTP {status}" + (f" ({said})" if said else "")
    if answer in _BLOCKS_REFUSED:
        return SlackBlocksRefused(message)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return SlackError(message, retryable=True, retry_after=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return SlackAnswerLost(message, retry_after=wait)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return SlackAnswerLost(f"{message}, which is not Slack's; is there a proxy in between?")
    remedy = _REMEDIES.get(answer, "check slack.webhook_url" if not answer or status < HTTPStatus.BAD_REQUEST else "")
    return SlackError(f"{message}; {remedy}" if remedy else message)
