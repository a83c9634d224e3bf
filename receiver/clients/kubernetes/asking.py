"""How anything is asked of the API server: once, within the timeout, in a thread; the `kubernetes` package blocks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from kubernetes import client

from receiver.clients.kubernetes import connection
from receiver.clients.kubernetes.refusals import ListExpired, translated

T = TypeVar("T")

WORKFLOWS: Final = {"group": "argoproj.io", "version": "v1alpha1", "plural": "workflows"}
MERGE_PATCH: Final = "application/merge-patch+json"

_PAGE: Final = 500
_PIECE: Final = 64 * 1024
_QUESTIONS_AT_ONCE: Final = 16


class Asking:
    """One connection, as one account.

    Args:
        configuration: As whom and to where; see `connection`.
        timeout: How long one question may take, from the start of the connection to the last byte it waits for.
    """

    def __init__(self, configuration: client.Configuration, *, timeout: timedelta) -> None:
        self._api = client.ApiClient(configuration)
        self._custom = client.CustomObjectsApi(self._api)
        # Threads of its own: an API server that answers nothing must not hold up who else needs one.
        self._threads = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix="kubernetes")
        self._seconds = timeout.total_seconds()
        self.url: str = configuration.host

    @classmethod
    def connect(
        cls, kubeconfig: Path | None, context: str | None, *, timeout: timedelta = timedelta(seconds=10)
    ) -> Self:
        """Return the cluster of a kubeconfig and context, or without a kubeconfig the one that we run in.

        The ambient kubeconfig of whoever starts us is never read. Nothing is asked of the cluster yet.

        Raises:
            SettingsError: There is no such file, context or in-cluster account.
        """
        configuration = connection.in_cluster() if kubeconfig is None else connection.from_file(kubeconfig, context)
        return cls(configuration, timeout=timeout)

    @classmethod
    def at(cls, url: str, token: str, *, timeout: timedelta = timedelta(seconds=10)) -> Self:
        """Return the cluster at an address of our own, such as the sandbox's."""
        return cls(connection.at(url, token), timeout=timeout)

    # What the package has for these takes 80 MB as soon as it is there, and an exporter needs none of it.
    @cached_property
    def _pods(self) -> "client.CoreV1Api":
        return client.CoreV1Api(self._api)

    @cached_property
    def _deployments(self) -> "client.AppsV1Api":
        return client.AppsV1Api(self._api)

    @cached_property
    def _jobs(self) -> "client.BatchV1Api":
        return client.BatchV1Api(self._api)

    @cached_property
    def _reviews(self) -> "client.AuthorizationV1Api":
        return client.AuthorizationV1Api(self._api)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._api.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _every(self, action: str, call: Callable[..., Any], **arguments: Any) -> list[dict[str, Any]]:
        """Return all objects of a list, page by page; begin once more if the later pages expire meanwhile."""
        return await self._each(action, call, lambda raw: raw, **arguments)

    async def _each(
        self, action: str, call: Callable[..., Any], read: Callable[[dict[str, Any]], T], **arguments: Any
    ) -> list[T]:
        """Return what *read* makes of each object of a list, of which no more than a page is held at a time."""
        try:
            return [read(one) async for page in self._pages(action, call, arguments) for one in page]
        except ListExpired:
            return [read(one) async for page in self._pages(action, call, arguments) for one in page]

    async def _count(self, action: str, call: Callable[..., Any], **arguments: Any) -> int:
        """Count the objects of a list, of which no more than a page is held at a time."""
        try:
            return sum([len(page) async for page in self._pages(action, call, arguments)])
        except ListExpired:
            return sum([len(page) async for page in self._pages(action, call, arguments)])

    async def _pages(
        self, action: str, call: Callable[..., Any], arguments: dict[str, Any]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        token: str | None = None
        while token != "":
            page = await self._json(action, call, limit=_PAGE, _continue=token, **arguments)
            yield page["items"]
            token = page["metadata"].get("continue") or ""

    async def _json(self, action: str, call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        body = await self._bytes(action, call, **arguments)
        with translated(action):
            answer = json.loads(body)
            if not isinstance(answer, dict):
                raise ValueError(action)  # noqa: TRY004 (caught one line above, as any other garbled answer)
        return answer

    async def _bytes(self, action: str, call: Callable[..., Any], **arguments: Any) -> bytes:
        def ask() -> bytes:
            with translated(action):
                # The package's own models refuse whole answers for one unexpected field: read the bytes instead.
                answer = call(**arguments, _preload_content=False, _request_timeout=self._seconds)
                return bytes(answer.data)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def _end(self, action: str, call: Callable[..., Any], most: int, **arguments: Any) -> tuple[bytes, int]:
        """Return the last *most* bytes of an answer, and how many it had, without ever holding more of it."""

        def ask() -> tuple[bytes, int]:
            with translated(action):
                answer = call(**arguments, _preload_content=False, _request_timeout=self._seconds)
                end, size = b"", 0
                for piece in answer.stream(_PIECE):
                    end, size = (end + piece)[-most:], size + len(piece)
                return end, size

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
