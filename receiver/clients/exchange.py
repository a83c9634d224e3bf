"""One question over HTTP and its answer, held to a length: nothing is followed, nothing is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL


class AnswerLost(aiohttp.ClientError):
    """The connection broke before an answer came."""


class AnswerTooLong(Exception):
    """The answer has more bytes than were allowed, so it was not read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        headers: Without regard to upper and lower case.
        body: All of it, or its begin.
        cut: Whether it was longer.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cut: bool = False


async def exchange(
    session: aiohttp.ClientSession, method: str, url: str | URL, *, most_bytes: int, cut: bool = False, **options: Any
) -> Answer:
    """Ask once.

    Args:
        session: Whose timeout holds from the start of the connection to the last byte.
        method: HTTP method.
        url: Absolute URL.
        most_bytes: Of the answer's body, after it was unpacked.
        cut: Whether a longer body is cut instead of refused.
        options: Of `aiohttp.ClientSession.request`.

    Raises:
        AnswerTooLong: The body is longer than that, and must not be cut.
        TimeoutError: It took too long.
        aiohttp.ClientError: No answer came.
        OSError: The same.
    """
    async with session.request(method, url, allow_redirects=False, middlewares=(_once,), **options) as answer:
        read, parts = 0, []
        async for part in answer.content.iter_any():
            read += len(part)
            parts.append(part)
            if read > most_bytes:
                break
        if read > most_bytes and not cut:
            raise AnswerTooLong(f"{url} answers more than {most_bytes} bytes")
        body = b"".join(parts)[:most_bytes]
        return Answer(status=answer.status, headers=answer.headers, body=body, cut=read > most_bytes)


async def _once(request: aiohttp.ClientRequest, ask: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Hide a broken connection from aiohttp, which asks again by itself where the method is PUT or DELETE."""
    try:
        return await ask(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
        raise AnswerLost(str(broken) or type(broken).__name__) from broken
