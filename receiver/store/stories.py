"""The incidents that one recording touches: locked, begun where a firing needs one, counted, written back."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from receiver.model.alert import AlertStatus, Change
from receiver.model.incident import IncidentState, title_of, worst
from receiver.store.telling import Columns, Key, Known, Telling, fold

LOOK_LEASE: Final = timedelta(seconds=30)
"""By when somebody must have looked at a changed incident; then the sweep asks again."""

DELTA: Final = {Change.FIRED: 1, Change.REFIRED: 1, Change.RESOLVED: -1}
"""How a change of an occurrence changes the number of alerts that fire in its incident."""

Send = Callable[[str, Columns], Awaitable[psycopg.AsyncCursor[dict[str, Any]]]]
"""Sends a named statement in the recording's transaction; its rows are fetched where there are any."""


class Contended(Exception):
    """Another replica changed the same rows in between: the transaction is to be tried again."""


@dataclass(slots=True, kw_only=True)
class Count:
    """An incident as far as a recording changes it.

    Attributes:
        firing: How many of its alerts fire.
        opened: Begun by this recording.
        reopened: Began to fire again within its linger.
        changed_at: Receipt of the newest change; None while nothing changed.
        asked: A job to look at it is in the queue already and has not begun.
    """

    id: int
    key: str
    severity: str
    firing: int
    quiet_since: datetime | None
    flaps: int
    asked: bool = False
    opened: bool = False
    reopened: bool = False
    changed_at: datetime | None = None

    def take(self, telling: Telling, change: Change) -> None:
        """Count one change of one of its alerts."""
        delta = DELTA.get(change, 0)
        if not delta:
            return
        self.changed_at = max(telling.at, self.changed_at or telling.at)
        self.firing = max(0, self.firing + delta)
        if delta > 0:
            self.severity = worst([self.severity, telling.alert.labels.get("severity", "")])
            if self.quiet_since is not None:
                self.flaps += 1
                self.reopened = True
            self.quiet_since = None
        elif not self.firing:
            self.quiet_since = telling.at


class Stories:
    """The incidents of one recording, locked in the order of their numbers before any occurrence is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._all: dict[int, Count] = {}
        self._open: dict[str, Count] = {}

    @property
    def ids(self) -> dict[str, int]:
        """Number of each open incident, by its key and by those of the incidents that were merged into it."""
        return {key: count.id for key, count in self._open.items()}

    def open(self, key: str) -> Count | None:
        """Find the open incident of a key, or the one into which that of the key was merged."""
        return self._open.get(key)

    async def find(self, tellings: Mapping[Key, Sequence[Telling]], known: Mapping[Key, Known]) -> None:
        """Lock the incidents that will change, and begin those that a firing needs and nobody has begun.

        Raises:
            Contended: Another replica began one of them at this moment.
        """
        ids: set[int] = set()
        joinable: set[str] = set()
        needed: dict[str, Telling] = {}
        for key, said in tellings.items():
            before = known.get(key)
            _, changes = fold(before.standing if before else None, said)
            if before and before.incident_id and any(change in DELTA for change in changes):
                ids.add(before.incident_id)
            if not said[0].incident_key:
                continue
            if not before or Change.REFIRED in changes:
                joinable.add(said[0].incident_key)
            if Change.FIRED in changes or Change.REFIRED in changes:
                needed.setdefault(said[0].incident_key, _first_firing(said))
        if ids or joinable:
            await self._lock(ids, joinable)
        missing = [one for key, one in sorted(needed.items()) if key not in self._open]
        if missing:
            await self._begin(missing)

    def of(self, before: Known, said: Sequence[Telling], changes: Sequence[Change]) -> Count | None:
        """Find the incident of an occurrence that was known, as it counts now that its row is locked.

        Raises:
            Contended: The occurrence changed since the incidents were locked, and another one is concerned.
        """
        own = self._all.get(before.incident_id) if before.incident_id else None
        joins = bool(said[0].incident_key) and Change.REFIRED in changes
        if joins and (own is None or self._open.get(own.key) is not own):
            own = self._open.get(said[0].incident_key)
            if own is None:
                raise Contended
        elif own is None and before.incident_id and any(change in DELTA for change in changes):
            raise Contended
        return own

    async def write(self) -> list[Count]:
        """Write the counts back, and take back what was begun in vain; returns the incidents that changed."""
        unneeded = [one.id for one in self._all.values() if one.opened and one.changed_at is None]
        if unneeded:
            await self._send("drop_incidents", {"id": unneeded})
        changed = [one for one in self._all.values() if one.changed_at is not None]
        if changed:
            await self._send(
                "change_incidents",
                {
                    "id": [one.id for one in changed],
                    "severity": [one.severity for one in changed],
                    "firing": [one.firing for one in changed],
                    "quiet_since": [one.quiet_since for one in changed],
                    "flaps": [one.flaps for one in changed],
                    "look_at": [one.changed_at + LOOK_LEASE for one in changed if one.changed_at],
                },
            )
        return changed

    async def _lock(self, ids: Iterable[int], keys: AbstractSet[str]) -> None:
        merged = False
        locked = await self._send("lock_incidents", {"id": ids, "key": keys})
        for row in await locked.fetchall():
            state = IncidentState(row.pop("state"))
            merged = merged or state is IncidentState.MERGED
            count = self._all[row["id"]] = Count(**row)
            if state is IncidentState.OPEN:
                self._open[count.key] = count
        if merged:
            # Alerts of merged incidents belong to the survivor; whoever finds one here looked before the merger.
            raise Contended
        elsewhere = keys - self._open.keys()
        if self._open and elsewhere:
            held = {one.id for one in self._open.values()}
            asking = await self._send("merged_keys", {"id": held, "key": elsewhere})
            for row in await asking.fetchall():
                self._open[row["key"]] = self._all[row["merged_into"]]

    async def _begin(self, missing: Sequence[Telling]) -> None:
        opening = await self._send(
            "open_incidents",
            {
                "key": [one.incident_key for one in missing],
                "cluster": [one.subject.cluster for one in missing],
                "namespace": [one.subject.namespace for one in missing],
                "workflow": [one.subject.workflow for one in missing],
                "agent": [one.subject.agent for one in missing],
                "title": [title_of(one.alert, one.subject) for one in missing],
                "severity": [one.alert.labels.get("severity", "") for one in missing],
                "opened_at": [one.at for one in missing],
            },
        )
        begun = await opening.fetchall()
        if len(begun) < len(missing):
            raise Contended
        for row in begun:
            count = Count(id=row["id"], key=row["key"], severity="", firing=0, quiet_since=None, flaps=0, opened=True)
            self._all[count.id] = self._open[count.key] = count


def _first_firing(said: Sequence[Telling]) -> Telling:
    return next(one for one in said if one.alert.status is AlertStatus.FIRING)
