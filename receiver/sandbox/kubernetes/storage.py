"""Where the objects are: one counter of revisions, the present state, and the latest changes for those who watch.

It knows nothing of rules (`registry`) or of HTTP (`routes`). Objects in it are never changed in place.
"""

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json, Kind

Key = tuple[str, str]
"""Namespace (empty for kinds that have none) and name; lists are in this order."""

_SNAPSHOTS_KEPT = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change: what was, and what is (None where there is nothing)."""

    revision: int
    kind: Kind
    before: Json | None
    after: Json | None


class Storage:
    """All objects of all kinds.

    Args:
        history: How many changes are remembered; a watch from before them is answered 410.
    """

    def __init__(self, *, history: int = 10_000) -> None:
        self.revision = 1
        self._objects: dict[Kind, dict[Key, Json]] = {}
        self._keys: dict[Kind, list[Key]] = {}
        self._changes: deque[Change] = deque()
        self._history = history
        self._compacted = 1
        self._snapshots: dict[tuple[Kind, str, int], list[Json]] = {}
        self._listeners: set[asyncio.Event] = set()

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return an object, or None."""
        return self._objects.get(kind, {}).get((namespace, name))

    def every(self, kind: Kind, namespace: str = "") -> list[Json]:
        """Return all objects of a kind, in one namespace or in all, in order."""
        objects = self._objects.get(kind, {})
        return [objects[key] for key in self._keys.get(kind, []) if namespace in {"", key[0]}]

    def put(self, kind: Kind, found: Json) -> Json:
        """Store an object under the next revision and return it as stored."""
        key = _key(kind, found)
        objects = self._objects.setdefault(kind, {})
        before = objects.get(key)
        stored = found | {"metadata": found["metadata"] | {"resourceVersion": str(self.revision + 1)}}
        if before is None:
            insort(self._keys.setdefault(kind, []), key)
        objects[key] = stored
        self._record(kind, before, stored)
        return stored

    def remove(self, kind: Kind, found: Json) -> Json:
        """Take an object away and return its last state."""
        key = _key(kind, found)
        before = self._objects[kind].pop(key)
        self._keys[kind].remove(key)
        self._record(kind, before, None)
        return before

    def snapshot(self, kind: Kind, namespace: str, revision: int | None = None) -> tuple[int, list[Json]]:
        """Return a state of a list with its revision: the present one, or the one that an earlier page was cut from.

        Raises:
            Refusal: 410; the earlier state is no longer known.
        """
        if revision is None:
            found = self.every(kind, namespace)
            self._snapshots[kind, namespace, self.revision] = found
            while len(self._snapshots) > _SNAPSHOTS_KEPT:
                self._snapshots.pop(next(iter(self._snapshots)))
            return self.revision, found
        try:
            return revision, self._snapshots[kind, namespace, revision]
        except KeyError:
            raise refusal.expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You can start a new list without the continue parameter."
            ) from None

    def compact(self) -> None:
        """Forget every earlier state, as etcd does each few minutes: older watches and pages are answered 410."""
        self._changes.clear()
        self._snapshots.clear()
        self._compacted = self.revision

    def changes(self, kind: Kind, since: int) -> list[Change]:
        """Return the changes of a kind after a revision.

        Raises:
            Refusal: 410; some of them are no longer known.
        """
        if since < self._compacted:
            raise refusal.expired(f"too old resource version: {since} ({self._compacted})")
        return [change for change in self._changes if change.revision > since and change.kind is kind]

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Give an event that is set at every change, until the block is left."""
        listener = asyncio.Event()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def wake(self) -> None:
        """Set the event of everyone who listens."""
        for listener in self._listeners:
            listener.set()

    def _record(self, kind: Kind, before: Json | None, after: Json | None) -> None:
        self.revision += 1
        self._changes.append(Change(revision=self.revision, kind=kind, before=before, after=after))
        while len(self._changes) > self._history:
            self._compacted = self._changes.popleft().revision
        self.wake()


def _key(kind: Kind, found: Json) -> Key:
    metadata = found["metadata"]
    return (metadata["namespace"] if kind.namespaced else "", metadata["name"])
