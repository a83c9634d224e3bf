"""Alerts, and what happened to one, of both tiers on one page: what Postgres holds, and months that lie on S3 alone.

A question that names `since` or `until` is about a span of time, and months on S3 within it are read as far as the page
reaches: the nearest first, one after the other, until the page is full. A question that names neither is about what is
at hand, and Postgres answers it alone.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import msgspec

from receiver.model.errors import HistoryAway, S3Error
from receiver.model.history import AlertFilter, Export, HistoryRow, Key, Relation, Stretch, next_month
from receiver.model.incident import Occurrence
from receiver.model.timeline import Event
from receiver.store import exports
from receiver.store.database import Database
from receiver.store.history import alerts, timeline
from receiver.store.history.alerts import ORDER
from receiver.store.history.page import LARGEST, Page, checked
from receiver.store.rows import Row, event, occurrence, parse_public_id

T = TypeVar("T")

_MONTHS: Final = 6
"""On S3 that one page reads; it is cut short there, and the next page goes on."""

_PATIENCE: Final = timedelta(seconds=20)
"""After which a page does not begin another month."""

_STEP: Final = timedelta(microseconds=1)

_BEFORE: Final = timedelta(days=1)
_AFTER: Final = timedelta(days=31)
"""How long before its first telling and after its last one lines about an alert are looked for on S3."""


class Cold(Protocol):
    """Reads months that lie on S3; raises `S3Error` when it cannot, `QueryRefused` when it will not."""

    async def read(self, export: Export, wanted: AlertFilter, stretch: Stretch) -> Sequence[HistoryRow]:
        """Read a stretch of a month, nearest first."""

    async def find(self, export: Export, number: int) -> HistoryRow | None:
        """Find one row of a month."""

    async def about(self, export: Export, alert_id: str, stretch: Stretch) -> Sequence[HistoryRow]:
        """Read the lines of a month of the timeline that are about one alert, nearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredPage(Generic[T]):
    """A page, and where it was read.

    Attributes:
        tiers: `postgres`, and `s3` where months there were asked as well.
    """

    page: Page[T]
    tiers: tuple[str, ...]


class TieredAlerts:
    """The alerts of both tiers; without *cold*, what lies on S3 cannot be had and is said to be away."""

    def __init__(self, database: Database, cold: Cold | None) -> None:
        self._database = database
        self._cold = cold

    async def page(self, wanted: AlertFilter, *, limit: int = 50, cursor: str | None = None) -> TieredPage[Occurrence]:
        """Read the newest alerts that a filter wants; a page may be short, and have a `next` all the same.

        Raises:
            QueryRefused: The cursor, the limit or an expression cannot be used, or the search takes too long.
            HistoryAway: Months on S3 are concerned and cannot be read.
            StoreUnavailable: Postgres does not answer.
        """
        position, count = ORDER.position(cursor), checked(limit) + 1
        async with self._database.transaction() as tx:
            rows, edge = await alerts.stretch(tx, wanted, position, count)
            # Asked after the rows: a month that is dropped in between is then found in both tiers, not in none.
            months = await exports.pruned(tx, Relation.ALERTS, since=wanted.since, until=wanted.until)
        # Postgres has told all there is up to here; what S3 has beyond belongs to a later page.
        upto = ORDER.key(rows[-1]) if len(rows) >= count else edge
        stretch = Stretch(beyond=_key(position.key), backwards=position.backwards, upto=_key(upto), count=count)
        reading = _Reading(self._cold, wanted, stretch, rows, _key(edge))
        if wanted.since is not None or wanted.until is not None:
            await reading.months(months)
        page = ORDER.page(reading.rows, position, limit, occurrence, edge=reading.edge)
        return TieredPage(page=page, tiers=("postgres", "s3") if reading.asked else ("postgres",))

    async def get(self, public_id: str) -> Occurrence | None:
        """Read one alert by its public id, wherever it lies; None when there is none of that id.

        Raises:
            HistoryAway: It would lie on S3, which cannot be read.
            StoreUnavailable: Postgres does not answer.
        """
        async with self._database.transaction() as tx:
            found = await alerts.get(tx, public_id)
            if found is not None:
                return found
            try:
                month, _, number = parse_public_id(public_id)
            except ValueError:
                return None
            export = await exports.find(tx, Relation.ALERTS, month)
        if export is None or export.pruned_at is None:
            return None
        try:
            row = await _there(self._cold, export).find(export, number)
        except S3Error as error:
            raise _away(export, error) from error
        return None if row is None else occurrence(_row(row))

    async def timeline(
        self, public_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> TieredPage[Event] | None:
        """Read what happened to one alert, oldest first, wherever it lies; None when there is no such alert.

        Raises:
            QueryRefused: The cursor or the limit is none.
            HistoryAway: Some of it would lie on S3, which cannot be read.
            StoreUnavailable: Postgres does not answer.
        """
        found = await self.get(public_id)
        if found is None:
            return None
        position, count = timeline.ORDER.position(cursor), checked(limit) + 1
        since, until = found.first_seen_at - _BEFORE, found.last_seen_at + _AFTER
        async with self._database.transaction() as tx:
            rows = await timeline.stretch(tx, found.id, position, count)
            months = await exports.pruned(tx, Relation.TIMELINE, since=since, until=until)
        stretch = Stretch(beyond=_key(position.key), backwards=position.backwards, upto=None, count=count)
        joined = {timeline.ORDER.key(row): row for row in rows}
        for export in months:
            try:
                told = await _there(self._cold, export).about(export, found.id, stretch)
            except S3Error as error:
                raise _away(export, error) from error
            joined = {Relation.TIMELINE.key(row): _line(row) for row in told} | joined
        ordered = [joined[key] for key in sorted(joined, reverse=position.backwards)]
        page = timeline.ORDER.page(ordered[:count], position, limit, event)
        return TieredPage(page=page, tiers=("postgres", "s3") if months else ("postgres",))


class _Reading:
    """One page in the making."""

    def __init__(
        self, cold: Cold | None, wanted: AlertFilter, stretch: Stretch, rows: list[Row], edge: Key | None
    ) -> None:
        self.rows = rows
        self.edge = edge
        self.asked = 0
        self._cold = cold
        self._wanted = wanted
        self._stretch = stretch
        self._backwards = stretch.backwards
        self._count = stretch.count

    async def months(self, found: Sequence[Export]) -> None:
        """Join in what months on S3 have, newest of them first as they are given."""
        until = time.monotonic() + _PATIENCE.total_seconds()
        for export in reversed(found) if self._backwards else found:
            if not self._concerns(export):
                continue
            if self._is_full_before(export):
                return
            if self.asked and (self.asked == _MONTHS or time.monotonic() > until):
                self._stop_before(export)
                return
            self._join(await self._read(export))
            self.asked += 1

    async def _read(self, export: Export) -> Sequence[HistoryRow]:
        try:
            return await _there(self._cold, export).read(export, self._wanted, self._stretch)
        except S3Error as error:
            raise _away(export, error) from error

    def _concerns(self, export: Export) -> bool:
        """Say whether a month reaches into the stretch that the page is cut from."""
        first, after = export.month, next_month(export.month)
        near, far = self._stretch.beyond, self._stretch.upto
        if self._backwards:
            return (near is None or near < (after - _STEP, LARGEST)) and (far is None or first <= far[0])
        return (near is None or near > (first, 0)) and (far is None or after > far[0])

    def _is_full_before(self, export: Export) -> bool:
        return len(self.rows) >= self._count and not self._is_beyond(self._key(self.rows[self._count - 1]), export)

    def _stop_before(self, export: Export) -> None:
        """End the page where a month that is not read any more begins, seen from here."""
        self.rows = [row for row in self.rows if not self._is_beyond(self._key(row), export)]
        self.edge = (export.month - _STEP, LARGEST) if self._backwards else (next_month(export.month), 0)

    def _is_beyond(self, key: Key, export: Export) -> bool:
        """Say whether a key lies in a month or farther away."""
        return key[0] >= export.month if self._backwards else key[0] < next_month(export.month)

    def _join(self, found: Iterable[HistoryRow]) -> None:
        """Bring rows of both tiers into one order; of a row that is in both, Postgres has the newest version."""
        joined = {Relation.ALERTS.key(row): _row(row) for row in found}
        joined |= {self._key(row): row for row in self.rows}
        self.rows = [joined[key] for key in sorted(joined, reverse=not self._backwards)]

    def _key(self, row: Row) -> Key:
        return row.starts_at, row.id


def _key(key: tuple[Any, ...] | None) -> Key | None:
    return cast("Key | None", key)


def _there(cold: Cold | None, export: Export) -> Cold:
    if cold is None:
        raise HistoryAway(f"{export.name} lies on S3, and archive.bucket is not configured here")
    return cold


def _away(export: Export, error: S3Error) -> HistoryAway:
    again = "; ask again, or for a later time" if error.retryable else "; ask for a later time"
    return HistoryAway(f"{export.name} lies on S3 and cannot be read at the moment{again}")


def _row(row: HistoryRow) -> Any:
    """Make a row that looks like one of the table's."""
    return SimpleNamespace(**row)


def _line(row: HistoryRow) -> Any:
    """Make a line of the timeline that looks like one of the table's: an export holds its detail as text."""
    detail = row["detail"]
    return SimpleNamespace(**{**row, "detail": msgspec.json.decode(detail) if isinstance(detail, str) else detail})
