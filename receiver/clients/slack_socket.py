"""Slack's Socket Mode: presses of buttons over a connection that we open, so that Slack need not reach us.

By https://docs.slack.dev/apis/events-api/using-socket-mode. The connection is aiohttp's own and not the client of
slack_sdk: that one (read in 3.47) reconnects for ever to an address that is good for one connection only, writes a
traceback for each try, and takes a proxy from the environment even for hosts that NO_PROXY names.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from receiver.clients.outward import checked_url
from receiver.clients.slack import judged
from receiver.model.errors import ReceiverError, SettingsError, SlackError

log = structlog.get_logger()

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Slack allows a handful of new connections a minute; a token that is wrong stays wrong until somebody changes it."""
HEARTBEAT: Final = timedelta(seconds=20)
"""After so long without a sign of life a ping is sent; half of it later the connection is given up."""
MOST_AT_ONCE: Final = 32
"""Envelopes that are worked on at once; more wait in the connection."""
_LARGEST: Final = 1024 * 1024
"""Bytes of one envelope: it quotes the whole message."""

Token = Callable[[], str]
"""Gives the app-level token as it is now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """One thing that Slack hands over, until it is acknowledged.

    Attributes:
        id: The same wherever Slack hands it over again.
        kind: `interactive` for a press; anything else is nothing of ours.
        payload: What it says, as JSON.
    """

    id: str
    kind: str
    payload: bytes


Take = Callable[[Envelope], Awaitable[None]]
"""Writes an envelope down; it is acknowledged once that returned. Raises ReceiverError where it could not."""


class SlackSocket:
    """A connection to Slack that is opened anew whenever it ends; a new one before the old one has ended.

    Args:
        token: Gives the app-level token (`xapp-...`). It is sent to `api_url` and shown nowhere.
        api_url: Address of the API, https; plain http on loopback only.
        timeout: How long the opening of one connection may take.
        proxy: Address of the proxy on the way, if there is one.

    Raises:
        SettingsError: The token cannot be one, or the address cannot be used.
    """

    def __init__(
        self,
        *,
        token: Token,
        api_url: str,
        timeout: timedelta = timedelta(seconds=15),
        proxy: str | None = None,
    ) -> None:
        checked_url(api_url, setting="slack.api_url")
        if not token().strip().startswith("xapp-"):
            raise SettingsError("slack.app_token does not hold an app-level token: one begins with xapp-")
        self._token = token
        self._url = f"{api_url.rstrip('/')}/apps.connections.open"
        self._proxy = proxy
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._open = 0
        self.trouble = "Slack was not reached yet"
        """Why no press can come this way at the moment; empty while one can."""

    async def follow(self, take: Take) -> None:
        """Take whatever Slack hands over, until cancelled."""
        failures = 0
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session, asyncio.TaskGroup() as group:
            while True:
                try:
                    connection = await self._connect(session)
                except SlackError as error:
                    failures += 1
                    pause = max(_pause(failures), error.retry_after or timedelta())
                    self.trouble = str(error)
                    log.warning("slack_socket", action="not_connected", error=str(error), again_in=str(pause))
                    await asyncio.sleep(pause.total_seconds())
                    continue
                replaced = asyncio.Event()
                began = asyncio.get_running_loop().time()
                group.create_task(self._read(connection, take, group, replaced))
                await replaced.wait()
                # A connection that ends at once is as good as none.
                lasted = timedelta(seconds=asyncio.get_running_loop().time() - began)
                failures = 0 if lasted > LONGEST_PAUSE else failures + 1
                if failures > 1:
                    await asyncio.sleep(_pause(failures - 1).total_seconds())

    async def address(self) -> str:
        """Ask for the address of a connection without opening it: the cheapest proof that the token works.

        Raises:
            SlackError: Slack refused or failed.
        """
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await self._address(session)

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        address = await self._address(session)
        try:
            async with asyncio.timeout(self._timeout.total):
                return await session.ws_connect(
                    address, heartbeat=HEARTBEAT.total_seconds(), proxy=self._proxy, max_msg_size=_LARGEST
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            # What aiohttp says of a request shows its address, which is a ticket.
            raise SlackError(f"Slack's socket could not be opened ({type(exc).__name__})", retryable=True) from None

    async def _address(self, session: aiohttp.ClientSession) -> str:
        about = "apps.connections.open"
        try:
            token = self._token().strip()
        except SettingsError as error:
            raise SlackError(str(error)) from error
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with session.post(
                self._url, headers=headers, timeout=self._timeout, allow_redirects=False, proxy=self._proxy
            ) as response:
                status, body = response.status, _object(await response.content.read(_LARGEST))
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise SlackError(f"{about}: Slack cannot be reached ({type(exc).__name__})", retryable=True) from None
        address = body.get("url")
        if body.get("ok") is not True or not isinstance(address, str):
            raise judged(about, status=status, body=body, wait=None, secret=token)
        try:
            checked_url(address.replace("ws", "http", 1), setting="the address of Slack's socket")
        except SettingsError as error:
            raise SlackError(str(error)) from None
        return address

    async def _read(
        self,
        connection: aiohttp.ClientWebSocketResponse,
        take: Take,
        group: asyncio.TaskGroup,
        replaced: asyncio.Event,
    ) -> None:
        """Read a connection to its end; it is to be replaced as soon as Slack says so, or it has ended."""
        self._open += 1
        try:
            async for message in connection:
                said = _object(message.data.encode()) if message.type is aiohttp.WSMsgType.TEXT else {}
                if said.get("type") == "hello":
                    self.trouble = ""
                    log.info("slack_socket", action="connected")
                elif said.get("type") == "disconnect":
                    log.info("slack_socket", action="to_be_replaced", reason=str(said.get("reason", ""))[:100])
                    replaced.set()
                elif isinstance(said.get("envelope_id"), str):
                    await self._at_once.acquire()
                    group.create_task(self._take(connection, take, said))
        finally:
            self._open -= 1
            if self._open == 0:
                self.trouble = "the connection to Slack has ended; it is opened anew"
            await connection.close()
            replaced.set()

    async def _take(self, connection: aiohttp.ClientWebSocketResponse, take: Take, said: Mapping[str, Any]) -> None:
        number = str(said["envelope_id"])
        envelope = Envelope(id=number, kind=str(said.get("type", "")), payload=msgspec.json.encode(said.get("payload")))
        try:
            await take(envelope)
            await connection.send_str(msgspec.json.encode({"envelope_id": number}).decode())
        except ReceiverError as error:
            # Without an acknowledgement whoever pressed sees that it did not work.
            log.warning("slack_socket", action="not_taken", envelope=number, error=str(error))
        except (aiohttp.ClientError, OSError) as error:
            log.warning("slack_socket", action="not_acknowledged", envelope=number, error=type(error).__name__)
        finally:
            self._at_once.release()


def _pause(failures: int) -> timedelta:
    pause = min(FIRST_PAUSE * (1 << min(failures - 1, 10)), LONGEST_PAUSE)
    return pause * random.uniform(0.5, 1)  # noqa: S311 - it spreads load and keeps no secret


def _object(text: bytes) -> Mapping[str, Any]:
    """Read a JSON object; an empty one for anything else."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
