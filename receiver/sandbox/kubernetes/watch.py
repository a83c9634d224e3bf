"""A watch: the changes of a list, told one by one as they happen."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json, Kind
from receiver.sandbox.kubernetes.selector import Selector
from receiver.sandbox.kubernetes.storage import Change, Storage

_LONGEST = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What a watch shows: a kind, in one namespace or (empty) in all, as far as a selector picks it."""

    kind: Kind
    namespace: str
    selector: Selector


class Watches:
    """All watches that are open.

    Args:
        storage: What is watched.
        bookmarks_every: How often a quiet watch that allows bookmarks is sent one.
    """

    def __init__(self, storage: Storage, *, bookmarks_every: timedelta) -> None:
        self._storage = storage
        self._bookmarks_every = bookmarks_every.total_seconds()
        self._generation = 0

    def cut(self) -> None:
        """End every open watch, as a restarted API server or a proxy in between does."""
        self._generation += 1
        self._storage.wake()

    async def stream(self, request: web.Request, view: View, query: Mapping[str, str]) -> web.StreamResponse:
        """Answer a request for a watch, until its time is over, its caller has gone, or it is cut."""
        since = _revision(query.get("resourceVersion", ""))
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        try:
            if not since:
                since = await self._tell_present_state(answer, view)
            await self._follow(answer, view, query, since)
        except refusal.Refusal as refused:
            await _send(answer, "ERROR", refused.status())
        except ConnectionResetError:
            return answer  # Its caller has gone; nobody is left to be told.
        with suppress(ConnectionResetError):
            await answer.write_eof()
        return answer

    async def _tell_present_state(self, answer: web.StreamResponse, view: View) -> int:
        since, found = self._storage.revision, self._storage.every(view.kind, view.namespace)
        for one in found:
            if view.selector.picks(one):
                await _send(answer, "ADDED", one)
        return since

    async def _follow(self, answer: web.StreamResponse, view: View, query: Mapping[str, str], since: int) -> None:
        generation, clock = self._generation, asyncio.get_running_loop().time
        bookmarks = query.get("allowWatchBookmarks") in {"true", "1"}
        end = clock() + int(query.get("timeoutSeconds") or _LONGEST.total_seconds())
        with self._storage.listening() as changed:
            while generation == self._generation:
                changed.clear()
                for change in self._storage.changes(view.kind, since):
                    event = _event(change, view)
                    if event is not None:
                        await _send(answer, *event)
                since = max(since, self._storage.revision)
                try:
                    async with asyncio.timeout(min(self._bookmarks_every, max(0.0, end - clock()))):
                        await changed.wait()
                except TimeoutError:
                    if bookmarks:
                        await _send(answer, "BOOKMARK", _bookmark(view.kind, since))
                    if clock() >= end:
                        return


def _revision(text: str) -> int:
    if text and not text.isdecimal():
        raise refusal.bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
    return int(text or 0)


def _event(change: Change, view: View) -> tuple[str, Json] | None:
    """Say what a change means to one who watches a part: what leaves the part is told as deleted."""
    found = change.after or change.before
    if found is None or view.namespace not in {"", found["metadata"].get("namespace", "")}:
        return None
    was = change.before is not None and view.selector.picks(change.before)
    now = change.after is not None and view.selector.picks(change.after)
    if change.after is not None and now:
        return ("MODIFIED" if was else "ADDED"), change.after
    if change.before is not None and was:
        metadata = change.before["metadata"] | {"resourceVersion": str(change.revision)}
        return "DELETED", (change.after or change.before) | {"metadata": metadata}
    return None


def _bookmark(kind: Kind, revision: int) -> Json:
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {"resourceVersion": str(revision)}}


async def _send(answer: web.StreamResponse, event: str, found: Json) -> None:
    await answer.write(json.dumps({"type": event, "object": found}).encode() + b"\n")
