"""How a cluster is followed: a list in small pages, then a watch of what changes after it. It changes nothing.

Objects are turned into what the caller wants in the thread that reads them, one page or one line at a time, so that a
fleet of thousands is never held as JSON.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from kubernetes import client

from receiver.clients.kubernetes import reading
from receiver.clients.kubernetes.asking import WORKFLOWS, Asking
from receiver.clients.kubernetes.names import check_namespace
from receiver.clients.kubernetes.reading import part, text, texts
from receiver.clients.kubernetes.refusals import ListExpired, translated
from receiver.model.errors import ClusterBusy, ClusterError
from receiver.model.workflow import Pod, Workflow

T = TypeVar("T")

EVERYWHERE: Final = ""
"""In place of a namespace: all of them."""

_WORKFLOW_LABEL: Final = "workflows.argoproj.io/workflow"
_PAGE: Final = 50
"""Objects; a workflow may be a megabyte of JSON, and ten times that once it is read."""
_WATCH_FOR: Final = timedelta(minutes=2)
"""After which the server ends a watch and is asked anew: so often at least it shows that it is alive."""
_GONE: Final = 410
_QUERY: Final = {
    "_continue": "continue",
    "label_selector": "labelSelector",
    "resource_version": "resourceVersion",
    "allow_watch_bookmarks": "allowWatchBookmarks",
    "timeout_seconds": "timeoutSeconds",
}
"""What the API calls what the `kubernetes` package calls otherwise."""

FOLLOWING: Final = (
    ("list", "argoproj.io", "workflows"),
    ("watch", "argoproj.io", "workflows"),
    ("list", "", "pods"),
    ("watch", "", "pods"),
)
"""What following needs: verb, API group, resource."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen(Generic[T]):
    """One object of a list or a watch.

    Attributes:
        namespace: Where it lives; empty with a bookmark.
        name: Its name; empty with a bookmark.
        version: State of the cluster from which a later watch may go on.
        found: What was made of it; None once it is deleted, and with a bookmark.
    """

    namespace: str
    name: str
    version: str
    found: T | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed(Generic[T]):
    """A whole list, and the state of the cluster that it shows."""

    version: str
    items: list[Seen[T]]


class Watching(Asking):
    """The verbs of following."""

    async def all_workflows(self, namespace: str, read: Callable[[Workflow], T | None]) -> Listed[T]:
        """List the workflows of a namespace, or of all; *read* makes something small of each, or None to leave it out.

        Raises:
            ClusterError: They could not be listed.
        """
        return await self._all(
            f"list the workflows of {namespace or 'all namespaces'}", "workflows", namespace, _of(read)
        )

    async def all_pods(self, namespace: str, read: Callable[[Pod, str], T | None]) -> Listed[T]:
        """List the pods of workflows, each with the name of its workflow.

        Raises:
            ClusterError: They could not be listed.
        """
        return await self._all(f"list the pods of {namespace or 'all namespaces'}", "pods", namespace, _of_pod(read))

    def follow_workflows(
        self, namespace: str, version: str, read: Callable[[Workflow], T | None]
    ) -> AsyncGenerator[Seen[T], None]:
        """Give what changes after *version*, until the server ends the watch.

        Raises:
            ListExpired: The state is too old: list anew.
            ClusterError: The watch was refused, or broke off.
        """
        return self._follow("watch the workflows", "workflows", namespace, version, _of(read))

    def follow_pods(
        self, namespace: str, version: str, read: Callable[[Pod, str], T | None]
    ) -> AsyncGenerator[Seen[T], None]:
        """Give what changes after *version* in the pods of workflows, until the server ends the watch.

        Raises:
            ListExpired: The state is too old: list anew.
            ClusterError: The watch was refused, or broke off.
        """
        return self._follow("watch the pods", "pods", namespace, version, _of_pod(read))

    async def _all(
        self, action: str, kind: str, namespace: str, read: Callable[[dict[str, Any]], T | None]
    ) -> Listed[T]:
        call, arguments = self._call(kind, namespace)
        token, version, items = "", "", list[Seen[T]]()
        while True:
            page = await self._json(action, call, limit=_PAGE, _continue=token or None, **arguments)
            items += await asyncio.to_thread(_all_seen, page["items"], read)
            version = version or text(part(page, "metadata"), "resourceVersion")
            token = text(part(page, "metadata"), "continue")
            if not token:
                return Listed(version=version, items=[one for one in items if one.found is not None])

    async def _follow(
        self, action: str, kind: str, namespace: str, version: str, read: Callable[[dict[str, Any]], T | None]
    ) -> AsyncGenerator[Seen[T], None]:
        call, arguments = self._call(kind, namespace)
        wire = _Wire(
            lambda: call(
                watch=True,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=int(_WATCH_FOR.total_seconds()),
                _preload_content=False,
                _request_timeout=(self._seconds, _WATCH_FOR.total_seconds() + self._seconds),
                **arguments,
            )
        )
        loop, told = asyncio.get_running_loop(), asyncio.Queue[Seen[T] | ClusterError | None]()

        def tell(one: Seen[T] | ClusterError | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody listens any more
                loop.call_soon_threadsafe(told.put_nowait, one)

        def listen() -> None:
            try:
                with translated(action):
                    for line in wire.lines():
                        tell(_event(action, json.loads(line), read))
            except ClusterError as error:
                tell(error)
            else:
                tell(None)

        # A thread of its own, since it waits nearly all of the time, and one that no end of the process waits for: an
        # API server that answers nothing may keep it for minutes.
        threading.Thread(target=listen, name=f"watch {kind}", daemon=True).start()
        try:
            while (one := await told.get()) is not None:
                if isinstance(one, ClusterError):
                    raise one
                yield one
        finally:
            wire.hang_up()

    def _call(self, kind: str, namespace: str) -> tuple[Callable[..., Any], dict[str, Any]]:
        if namespace != EVERYWHERE:
            check_namespace(namespace)
        where = {"namespace": namespace} if namespace else {}
        if kind == "workflows":
            custom = self._custom
            listing = custom.list_namespaced_custom_object if namespace else custom.list_cluster_custom_object
            return listing, {**where, **WORKFLOWS}
        return partial(self._list_pods, namespace), {"label_selector": _WORKFLOW_LABEL}

    def _list_pods(
        self,
        namespace: str,
        *,
        _preload_content: bool,
        _request_timeout: float | tuple[float, float],
        **asked: str | bool | int | None,
    ) -> Any:
        """List pods as `CoreV1Api` does, which would take more memory than all that is kept of a fleet."""
        del _preload_content  # what comes is read by the caller in any case
        query = [(_QUERY.get(name, name), value) for name, value in asked.items() if value is not None]
        request = self._api.param_serialize(
            method="GET",
            resource_path="/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods",
            path_params={"namespace": namespace} if namespace else {},
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        answer = self._api.call_api(*request, _request_timeout=_request_timeout)
        if answer.status != HTTPStatus.OK:
            body = answer.response.data.decode(errors="replace")
            raise client.ApiException.from_response(http_resp=answer, body=body, data=None)
        return answer.response


def _of(read: Callable[[Workflow], T | None]) -> Callable[[dict[str, Any]], T | None]:
    return lambda raw: read(reading.workflow(raw))


def _of_pod(read: Callable[[Pod, str], T | None]) -> Callable[[dict[str, Any]], T | None]:
    return lambda raw: read(reading.pod(raw), texts(part(raw, "metadata"), "labels").get(_WORKFLOW_LABEL, ""))


def _all_seen(raws: list[dict[str, Any]], read: Callable[[dict[str, Any]], T | None]) -> list[Seen[T]]:
    return [_seen(raw, read) for raw in raws]


def _seen(raw: dict[str, Any], read: Callable[[dict[str, Any]], T | None]) -> Seen[T]:
    metadata = part(raw, "metadata")
    return Seen(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        version=text(metadata, "resourceVersion"),
        found=read(raw),
    )


def _event(action: str, event: Any, read: Callable[[dict[str, Any]], T | None]) -> Seen[T]:
    """Read one line of a watch.

    Raises:
        ValueError: It is no event.
        ListExpired: It says that the state is too old.
        ClusterBusy: It says that the watch failed.
    """
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ValueError(action)  # noqa: TRY004 - told by the caller as any other garbled answer
    kind, raw = event.get("type"), event["object"]
    if kind == "ERROR":
        said = text(raw, "message") or "no reason given"
        refusal: type[ClusterError] = ListExpired if raw.get("code") == _GONE else ClusterBusy
        raise refusal(f"Could not {action}: {said}.")
    gone = kind in {"DELETED", "BOOKMARK"}
    return _seen(raw, (lambda _: None) if gone else read)


class _Wire:
    """The connection of one watch: a thread waits on it, and another lets go of it.

    Args:
        begin: Asks for the watch; gives the answer whose body is still to come.
    """

    def __init__(self, begin: Callable[[], Any]) -> None:
        self._begin = begin
        self._stream: Any = None
        self._left = False

    def lines(self) -> Iterator[bytes]:
        """Give what comes, which is in pieces of any size, line by line."""
        self._stream = self._begin()
        if self._left:
            self.hang_up()
        rest = b""
        for piece in self._stream.stream(amt=None, decode_content=False):
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line for line in whole if line.strip())

    def hang_up(self) -> None:
        """Let go of the connection, on which a thread may still wait."""
        self._left = True
        if self._stream is not None and not self._stream.closed:
            try:
                self._stream.shutdown()
            except (ValueError, RuntimeError, OSError):
                self._stream.close()  # nothing is open any more that could be shut down
