"""History that has left the database: what was asked for, where a month lies, and how it is proved to be whole."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import msgspec

from receiver.model.alert import AlertStatus
from receiver.model.matcher import Matcher

HistoryRow = Mapping[str, Any]
"""One row of history by column: numbers, texts, aware times; labels and annotations as mappings, other JSON as text."""

Key = tuple[datetime, int]
"""Where a row stands in its relation: its time, then its number."""


class Relation(Enum):
    """What is exported month by month."""

    ALERTS = "alerts"
    TIMELINE = "timeline"

    @property
    def time(self) -> str:
        """Name the column that decides to which month a row belongs."""
        return "starts_at" if self is Relation.ALERTS else "at"

    def key(self, row: HistoryRow) -> Key:
        """Say where a row stands."""
        return row[self.time], row["id"]


class Step(Enum):
    """Length of one step of time, in UTC."""

    HOUR = "1h"
    DAY = "1d"

    @property
    def length(self) -> timedelta:
        """Give it as a length."""
        return timedelta(hours=1) if self is Step.HOUR else timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A month of history on S3.

    Attributes:
        month: Its first moment.
        key: The object that holds all rows of the month.
        rows: How many they are.
        size: Bytes of the object.
        sha256: Of the object's bytes, in hex.
        content: Of what the rows say, in hex; see `Digest`. The same rows have the same, whatever the file looks like.
        versions: What the rows in Postgres were when they were exported; only to be compared with the same at another
            time.
        verified_at: When it was last read back and found to be what was written; None when that failed since.
        pruned_at: When the month was dropped from Postgres.
    """

    relation: Relation
    month: datetime
    bucket: str
    key: str
    rows: int
    size: int
    sha256: str
    content: str
    versions: str
    exported_at: datetime
    verified_at: datetime | None
    pruned_at: datetime | None

    @property
    def name(self) -> str:
        """Name it for people: `alerts 2026-03`."""
        return f"{self.relation.value} {self.month:%Y-%m}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts are wanted; what is None is not asked.

    Attributes:
        labels: Conditions on any labels; an absent label counts as empty.
        since: Earliest `starts_at`.
        until: First `starts_at` that is not wanted any more.
        q: Words, each of which stands in a value of a label or an annotation, in capitals or not.
    """

    status: AlertStatus | None = None
    alertname: str | None = None
    severity: str | None = None
    namespace: str | None = None
    workflow: str | None = None
    fingerprint: str | None = None
    labels: tuple[Matcher, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A piece of a list that is ordered by key, newest first.

    Attributes:
        beyond: The rows lie beyond this key in the direction of reading; None begins at the end of the list.
        backwards: Whether the direction of reading is towards newer rows.
        upto: The last key that is wanted, itself included; None for no bound.
        count: Most rows.
    """

    beyond: Key | None
    backwards: bool
    upto: Key | None
    count: int


_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


@dataclass(slots=True)
class Digest:
    """A hash over what rows say, in order; taken once from the database and once from the file, it proves the file.

    Attributes:
        rows: How many were added.
        first: Key of the first row.
        last: Key of the last row.
    """

    relation: Relation
    rows: int = 0
    first: Key | None = None
    last: Key | None = None
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, rows: Iterable[HistoryRow]) -> None:
        """Take rows in; order counts."""
        for row in rows:
            key = self.relation.key(row)
            self.first = self.first or key
            self.last = key
            self.rows += 1
            self._hash.update(_ENCODER.encode(row))
            self._hash.update(b"\n")

    @property
    def content(self) -> str:
        """Give the hash of all rows so far, in hex."""
        return str(self._hash.hexdigest())


def next_month(month: datetime) -> datetime:
    """Give the begin of the month after a time; after the last month that there is, the last moment."""
    if (month.year, month.month) == (_LAST_MOMENT.year, _LAST_MOMENT.month):
        return _LAST_MOMENT
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
