"""One question to a service: asked once, within a time limit, and its answer read as the shape that it has."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from receiver.clients.connections import Connections
from receiver.model.errors import QueryRefused, RemoteError

T = TypeVar("T")

API: Final = "/api/v1"

_OK: Final = 200
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_REFUSED: Final = {
    401: "it wants a token; give one in RECEIVER_TOKEN or by --token-file",
    403: "the token has no role that may do this; ask whoever sets `auth.tokens` there for one that has",
}
_PATIENCE: Final = timedelta(seconds=60)
"""With one answer: old history that lies on S3 takes a while."""
_QUIET: Final = timedelta(seconds=60)
"""Longest silence of a stream: the service sends a comment more often than that."""


class _Reason(msgspec.Struct, frozen=True, kw_only=True):
    parameter: str = ""
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says that is no answer; see RFC 9457."""

    detail: str = ""
    errors: tuple[_Reason, ...] = ()


class Questions(Connections):
    """Questions to one service, by the holder of one token.

    Args:
        url: Where it answers, without a slash at its end.
        token: A bearer token; empty where none is needed.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        super().__init__(timeout=_PATIENCE, headers={"Authorization": f"Bearer {token}"} if token else {})

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
        return self._read(path, shape, await self._ask("GET", path, params=list(_parameters(wanted))))

    async def read(self, path: str, shape: type[T], **wanted: object) -> T:
        """Ask a question that always has an answer; see `get` for what is given and raised."""
        found = await self.get(path, shape, **wanted)
        if found is None:
            raise self._unknown(path)
        return found

    async def text(self, path: str) -> str | None:
        """Ask for something that is a text; see `get` for what is given and raised."""
        body = await self._ask("GET", path)
        return None if body is None else body.decode(errors="replace")

    async def post(self, path: str, shape: type[T], wish: msgspec.Struct | None = None) -> T | None:
        """Ask for something to be done; see `get` for what is given and raised."""
        body = {} if wish is None else msgspec.to_builtins(wish)
        return self._read(path, shape, await self._ask("POST", path, json=body))

    async def order(self, path: str, shape: type[T], wish: msgspec.Struct | None = None) -> T:
        """Ask for something that can always be done; see `get` for what is given and raised."""
        found = await self.post(path, shape, wish)
        if found is None:
            raise self._unknown(path)
        return found

    async def peek(self, path: str) -> bytes | None:
        """Give whatever is answered, also as a refusal; None where nothing is."""
        try:
            async with self._opened().get(f"{self.url}{path}") as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return None

    @asynccontextmanager
    async def lines(self, path: str, *, after: str = "") -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        """Follow a stream of server-sent events: gives the id and the data of each, until it is left.

        Args:
            path: Below the address of the service.
            after: The id of the event that was heard last, what came after it is told first; empty for none.

        Raises:
            RemoteError: The service refuses, does not answer, or ends the stream.
        """
        patience = aiohttp.ClientTimeout(total=None, sock_read=_QUIET.total_seconds())
        headers = {"Last-Event-ID": after} if after else {}
        try:
            async with self._opened().get(f"{self.url}{path}", timeout=patience, headers=headers) as answer:
                if answer.status != _OK:
                    raise _refusal(f"{self.url}{path}", answer.status, await answer.read())
                yield self._payloads(answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._silent("its events", error) from error

    async def _payloads(self, answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, bytes]]:
        number = ""
        async for line in answer.content:
            if line.startswith(b"id:"):
                number = line.removeprefix(b"id:").decode(errors="replace").strip()
            elif line.startswith(b"data:"):
                yield number, line.removeprefix(b"data:")
        raise RemoteError(f"{self.url} ended the stream of its events; it was stopped, or begins anew: ask again")

    async def _ask(self, method: str, path: str, **more: Any) -> bytes | None:
        url = f"{self.url}{path}"
        try:
            async with self._opened().request(method, url, allow_redirects=False, **more) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._silent(path, error) from error
        if status == _NOT_FOUND and _is_problem(answer):
            return None
        if status not in range(_OK, _OK + 100):
            raise _refusal(url, status, body)
        return body

    def _read(self, path: str, shape: type[T], body: bytes | None) -> T | None:
        if body is None:
            return None
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.MsgspecError as error:
            raise RemoteError(
                f"{self.url}{path} answered something else than Receiver of this version does: {error}; "
                "compare the versions"
            ) from error

    def _silent(self, what: str, error: Exception) -> RemoteError:
        return RemoteError(
            f"{self.url} does not answer, asked for {what}: {str(error) or type(error).__name__}; "
            "does `receiver serve` run there, and can it be reached from here?"
        )

    def _unknown(self, path: str) -> RemoteError:
        return RemoteError(f"{self.url} does not know {path}: it is another version than this command")


def _parameters(wanted: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, given in wanted.items():
        for value in given if isinstance(given, list | tuple) else [given]:
            match value:
                case None:
                    continue
                case bool():
                    yield name, str(value).lower()
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
