"""The incidents that one recording touches: locked, begun where a firing needs one, counted, written back."""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from receiver.model.alert import AlertStatus, Change, Standing
from receiver.model.incident import IncidentState, title_of, worst
from receiver.store.memory import Key
from receiver.store.rows import Row
from receiver.store.statements import document
from receiver.store.telling import Known, Telling

LOOK_LEASE: Final = timedelta(seconds=30)
"""By when somebody must have looked at a changed incident; then the sweep asks again."""

DELTA: Final = {Change.FIRED: 1, Change.REFIRED: 1, Change.RESOLVED: -1}
"""How a change of an occurrence changes the number of alerts that fire in its incident."""


class Ask(Protocol):
    """Runs a named statement in the recording's transaction."""

    async def __call__(self, name: str, /, **parameters: Any) -> Sequence[Row]:
        """Run it with its parameters; returns its rows."""


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

    @property
    def vain(self) -> bool:
        """Whether it was begun, and nothing came of it."""
        return self.opened and self.changed_at is None

    def take(self, telling: Telling, change: Change) -> None:
        """Count one change of one of its alerts."""
        delta = DELTA.get(change, 0)
        if not delta:
            return
        if self.changed_at is None or telling.at > self.changed_at:
            self.changed_at = telling.at
        self.firing = max(0, self.firing + delta)
        if delta > 0:
            severity = telling.alert.labels.get("severity", "")
            if severity != self.severity:
                self.severity = worst([self.severity, severity])
            if self.quiet_since is not None:
                self.flaps += 1
                self.reopened = True
            self.quiet_since = None
        elif not self.firing:
            self.quiet_since = telling.at


class ChangedStory(msgspec.Struct):
    """One row of an incident that changed."""

    id: int
    severity: str
    firing: int
    quiet_since: datetime | None
    flaps: int
    look_at: datetime


class OpenedStory(msgspec.Struct, kw_only=True):
    """One row of an incident that begins."""

    key: str
    cluster: str
    namespace: str
    workflow: str
    agent: str
    title: str
    severity: str
    opened_at: datetime


Folded = Mapping[Key, tuple[Standing, Sequence[Change]]]
"""What becomes of each occurrence, and by which changes."""


class Stories:
    """The incidents of one recording, locked in the order of their numbers before any occurrence is."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._all: dict[int, Count] = {}
        self._open: dict[str, Count] = {}
        self._locked = False

    def open(self, key: str) -> Count | None:
        """Find the open incident of a key, or the one into which that of the key was merged."""
        return self._open.get(key)

    @property
    def burning(self) -> list[str]:
        """Names of those that are open and fire."""
        return [key for key, one in self._open.items() if key == one.key and one.quiet_since is None]

    async def take(self, locked: Sequence[Row], keys: AbstractSet[str]) -> None:
        """Take over incidents that were locked.

        Args:
            locked: Their rows.
            keys: Those that were asked for by key; every one that the tellings name is among them.

        Raises:
            Contended: One of them was merged into another a moment ago.
        """
        self._locked = True
        merged = False
        for row in locked:
            count = self._all[row.id] = Count(
                id=row.id,
                key=row.key,
                severity=row.severity,
                firing=row.firing,
                quiet_since=row.quiet_since,
                flaps=row.flaps,
                asked=row.asked,
            )
            if row.state == IncidentState.OPEN.value:
                self._open[row.key] = count
            merged = merged or row.state == IncidentState.MERGED.value
        if merged:
            # Alerts of merged incidents belong to the survivor; whoever finds one here looked before the merger.
            raise Contended
        elsewhere = keys - self._open.keys()
        if self._open and elsewhere:
            held = [one.id for one in self._open.values()]
            for row in await self._ask("merged_keys", id=held, key=list(elsewhere)):
                self._open[row.key] = self._all[row.merged_into]

    async def find(self, tellings: Mapping[Key, Sequence[Telling]], known: Mapping[Key, Known], folded: Folded) -> None:
        """Lock the incidents that will change, and begin those that a firing needs and nobody has begun.

        Where some were taken already, all of the tellings were among them.

        Raises:
            Contended: Another replica began one of them at this moment.
        """
        ids: set[int] = set()
        joinable: set[str] = set()
        needed: dict[str, Telling] = {}
        for key, said in tellings.items():
            before = known.get(key)
            changes = folded[key][1]
            if before and before.incident_id and any(change in DELTA for change in changes):
                ids.add(before.incident_id)
            name = said[0].incident_key
            if not name:
                continue
            if not before or Change.REFIRED in changes:
                joinable.add(name)
            if name not in needed and (Change.FIRED in changes or Change.REFIRED in changes):
                needed[name] = _first_firing(said)
        if not self._locked and (ids or joinable):
            await self.take(await self._ask("lock_incidents", id=list(ids), key=list(joinable)), joinable)
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

    async def settle(self) -> list[Count]:
        """Take back what was begun in vain; returns the incidents that changed."""
        unneeded = [one for one in self._all.values() if one.vain]
        if unneeded:
            await self._ask("drop_incidents", id=[one.id for one in unneeded])
            for one in unneeded:
                del self._all[one.id], self._open[one.key]
        return [one for one in self._all.values() if one.changed_at is not None]

    async def _begin(self, missing: Sequence[Telling]) -> None:
        begun = await self._ask(
            "open_incidents",
            rows=document(
                [
                    OpenedStory(
                        key=one.incident_key,
                        cluster=one.subject.cluster,
                        namespace=one.subject.namespace,
                        workflow=one.subject.workflow,
                        agent=one.subject.agent,
                        title=title_of(one.alert, one.subject),
                        severity=one.alert.labels.get("severity", ""),
                        opened_at=one.at,
                    )
                    for one in missing
                ]
            ),
        )
        if len(begun) < len(missing):
            raise Contended
        for row in begun:
            count = Count(id=row.id, key=row.key, severity="", firing=0, quiet_since=None, flaps=0, opened=True)
            self._all[count.id] = self._open[count.key] = count


def changed_story(count: Count, at: datetime) -> ChangedStory:
    """Make the row of an incident that changed at a time."""
    return ChangedStory(count.id, count.severity, count.firing, count.quiet_since, count.flaps, at + LOOK_LEASE)


def _first_firing(said: Sequence[Telling]) -> Telling:
    return next(one for one in said if one.alert.status is AlertStatus.FIRING)
