"""A Receiver elsewhere, asked through its own API: questions, wishes, and what happens as it happens."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec

from receiver.model.errors import QueryRefused, RemoteError

T = TypeVar("T")

_OK: Final = 200
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_REFUSED: Final = {
    401: "it wants a token; give one in RECEIVER_TOKEN or by --token-file",
    403: "the token has no role that may do this",
}
_PATIENCE: Final = timedelta(seconds=60)
"""With one answer: old history that lies on S3 takes a while."""
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


class _Reason(msgspec.Struct, frozen=True, kw_only=True):
    parameter: str = ""
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says that is no answer; see RFC 9457."""

    detail: str = ""
    errors: tuple[_Reason, ...] = ()


class ReceiverClient:
    """One service, as the holder of one token.

    Args:
        url: Where it answers, such as `https://receiver.example.org`.
        token: A bearer token with the role that is needed; empty for a service on this machine that has none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=_PATIENCE.total_seconds())
        )

    async def get(self, path: str, shape: type[T], **wanted: object) -> T | None:
        """Ask a question.

        Args:
            path: Below the address of the service, such as `/api/v1/alerts`.
            shape: What the answer is.
            wanted: Parameters of the question; those that are None are left out, and each item of a list is one.

        Returns:
            The answer; None where there is no such thing.

        Raises:
            QueryRefused: It cannot be answered as it was asked.
            RemoteError: The service refuses, does not answer, or says something else.
        """
        return await self._ask("GET", path, shape, params=list(_parameters(wanted)))

    async def read(self, path: str, shape: type[T], **wanted: object) -> T:
        """Ask a question that always has an answer; see `get` for what is given and raised."""
        found = await self.get(path, shape, **wanted)
        if found is None:
            raise self._unknown(path)
        return found

    async def post(self, path: str, shape: type[T], wish: Mapping[str, Any]) -> T | None:
        """Ask for something to be done; see `get` for what is given and raised."""
        return await self._ask("POST", path, shape, json=dict(wish))

    async def order(self, path: str, shape: type[T], wish: Mapping[str, Any]) -> T:
        """Ask for something that can always be done; see `get` for what is given and raised."""
        found = await self.post(path, shape, wish)
        if found is None:
            raise self._unknown(path)
        return found

    def _unknown(self, path: str) -> RemoteError:
        return RemoteError(f"{self._url} does not know {path}: it is another version than this command")

    async def _ask(self, method: str, path: str, shape: type[T], **more: Any) -> T | None:
        url = f"{self._url}{path}"
        try:
            async with self._session.request(method, url, allow_redirects=False, **more) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise RemoteError(f"{url} does not answer: {str(error) or type(error).__name__}") from error
        if status == _NOT_FOUND and _is_problem(answer):
            return None
        if status not in range(_OK, _OK + 100):
            raise _refusal(url, status, body)
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.MsgspecError as error:
            raise RemoteError(
                f"{url} answered something else than Receiver of this version does: {error}; compare the versions"
            ) from error

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


def _parameters(wanted: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, given in wanted.items():
        for value in given if isinstance(given, list | tuple) else [given]:
            match value:
                case None:
                    continue
                case datetime():
                    yield name, value.isoformat()
                case Enum():
                    yield name, str(value.value)
                case _:
                    yield name, str(value)


def _is_problem(answer: aiohttp.ClientResponse) -> bool:
    return answer.content_type == "application/problem+json"


def _refusal(url: str, status: int, body: bytes) -> RemoteError | QueryRefused:
    try:
        said = msgspec.json.decode(body, type=_Problem)
    except msgspec.MsgspecError:
        said = _Problem()
    if status == _BAD_REQUEST and said.errors:
        return QueryRefused(said.errors[0].reason, parameter=said.errors[0].parameter)
    reason = _REFUSED.get(status) or said.detail or "is this the address of a Receiver?"
    return RemoteError(f"{url} answered {status}: {reason}")
