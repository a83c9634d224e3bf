"""A Receiver elsewhere, asked through its own API: what happened, as it happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from receiver.model.errors import RemoteError

_OK: Final = 200
_NEEDED: Final = ("database", "migrations")
_QUIET: Final = timedelta(seconds=60)
"""Longest silence of a stream: the service sends a comment more often than that."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline, as the stream of events tells it."""

    id: int
    at: datetime
    kind: str
    text: str
    incident_id: int | None = None
    alert_id: str | None = None
    run_id: int | None = None
    detail: dict[str, Any] = {}


class _Condition(msgspec.Struct, frozen=True, kw_only=True):
    state: str


class _Readiness(msgspec.Struct, frozen=True, kw_only=True):
    checks: dict[str, _Condition]


class ReceiverClient:
    """One service, as the holder of one token.

    Args:
        url: Where it answers, such as `https://receiver.example.org`.
        token: A bearer token with the role of viewer or more.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})

    async def is_ready(self) -> bool:
        """Ask whether questions are answered and deliveries recorded at once, for which a spool is not enough."""
        try:
            async with self._session.get(f"{self._url}/readyz") as answer:
                found = msgspec.json.decode(await answer.read(), type=_Readiness)
        except (aiohttp.ClientError, msgspec.MsgspecError):
            return False
        return all(name in found.checks and found.checks[name].state == "ok" for name in _NEEDED)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[AsyncIterator[Happening]]:
        """Follow the timeline: what happens after this was entered is told, until it is left.

        Raises:
            RemoteError: The service refuses, does not answer, or ends the stream.
        """
        patience = aiohttp.ClientTimeout(total=None, sock_read=_QUIET.total_seconds())
        try:
            async with self._session.get(f"{self._url}/api/v1/events/stream", timeout=patience) as answer:
                if answer.status != _OK:
                    raise RemoteError(f"{self._url} answered {answer.status} to the request for its events")
                yield self._happenings(answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RemoteError(f"{self._url} cannot be followed: {str(error) or type(error).__name__}") from error

    async def _happenings(self, answer: aiohttp.ClientResponse) -> AsyncIterator[Happening]:
        async for line in answer.content:
            if line.startswith(b"data:"):
                yield msgspec.json.decode(line.removeprefix(b"data:"), type=Happening)
        raise RemoteError(f"{self._url} ended the stream of its events")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
