"""The connections of a client: opened at its first question, closed with it, and no cookie is kept."""

from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import aiohttp


class Connections:
    """What a client of somebody else's web API is made on; to be used as a context, or ended by `close`.

    Args:
        timeout: Of one question, from connecting to the last byte of the answer.
        headers: Sent with each question.
    """

    def __init__(self, *, timeout: timedelta, headers: Mapping[str, str] | None = None) -> None:
        self._timeout: Final = timeout
        self._headers: Final = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The next question would open new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout.total_seconds()),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
