"""History as Parquet files: written and read row for row, and nothing lost on the way.

Labels and annotations are maps, so that DuckDB, Trino and Athena ask for `labels['team']`; other JSON stays the text
that it is. Times are microseconds in UTC, from year 1 to 9999. A file holds one month, sorted by time and number, in
small row groups: whoever writes or reads it holds one of them in memory, and a question about a day reads few of them.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from receiver.model.errors import S3Damaged
from receiver.model.history import HistoryRow, Relation

SCHEMA_VERSION: Final = 1
"""Of the columns below; it grows with each change that readers of older files must know of."""

ROW_GROUP: Final = 5_000
"""Rows that are in memory at once: some 10 MB of alerts."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TIME: Final = pa.timestamp("us", tz="UTC")
_TEXTS: Final = pa.map_(pa.string(), pa.string())


def _column(name: str, kind: Any, *, absent: bool = False) -> Any:
    return pa.field(name, kind, nullable=absent)


SCHEMAS: Final = {
    Relation.ALERTS: pa.schema(
        [
            _column("id", pa.int64()),
            _column("fingerprint", pa.string()),
            _column("starts_at", _TIME),
            _column("starts_at_text", pa.string()),
            _column("status", pa.string()),
            _column("inferred", pa.bool_()),
            _column("ends_at", _TIME, absent=True),
            _column("alertname", pa.string()),
            _column("severity", pa.string()),
            _column("cluster", pa.string()),
            _column("namespace", pa.string()),
            _column("workflow", pa.string()),
            _column("agent", pa.string()),
            _column("labels", _TEXTS),
            _column("annotations", _TEXTS),
            _column("generator_url", pa.string()),
            _column("group_key", pa.string()),
            _column("receiver", pa.string()),
            _column("first_seen_at", _TIME),
            _column("last_seen_at", _TIME),
            _column("resolved_seen_at", _TIME, absent=True),
            _column("deliveries", pa.int64()),
            _column("firings", pa.int64()),
            _column("incident_id", pa.int64(), absent=True),
        ]
    ),
    Relation.TIMELINE: pa.schema(
        [
            _column("id", pa.int64()),
            _column("at", _TIME),
            _column("kind", pa.string()),
            _column("text", pa.string()),
            _column("incident_id", pa.int64(), absent=True),
            _column("alert_id", pa.string(), absent=True),
            _column("run_id", pa.int64(), absent=True),
            _column("detail", pa.string()),
        ]
    ),
}
"""The columns of each relation: all of the table's."""


class ParquetWriter:
    """A file in the making; one row group for each call of `write`."""

    def __init__(self, path: Path, relation: Relation) -> None:
        self._schema = SCHEMAS[relation].with_metadata({"receiver.schema": str(SCHEMA_VERSION)})
        self._columns = self._schema.names
        self._file = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            write_page_index=True,
            sorting_columns=pq.SortingColumn.from_ordering(
                self._schema, [(relation.time, "ascending"), ("id", "ascending")]
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, rows: Sequence[HistoryRow]) -> None:
        """Append rows as one row group; at most `ROW_GROUP` of them keep the promise about memory."""
        columns = [pa.array([_plain(row[field.name]) for row in rows], type=field.type) for field in self._schema]
        self._file.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))


def read_parquet(path: Path, relation: Relation) -> Iterator[list[dict[str, Any]]]:
    """Read a file's rows, in order, a row group at a time.

    Raises:
        S3Damaged: It is no such file.
    """
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMAS[relation]):
                raise S3Damaged(f"{path.name} does not have the columns of {relation.value}")
            for number in range(file.num_row_groups):
                yield rows_of(file.read_row_group(number, use_threads=False))
    except (pa.ArrowException, OSError) as error:
        raise S3Damaged(f"{path.name} is no whole Parquet file: {error}") from error


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Read the rows of an Arrow table; times are aware, maps are dictionaries.

    Column by column: pyarrow's own way takes five times as long for times and maps.
    """
    columns = [_values(column.combine_chunks()) for column in table.columns]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        counts = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
        return [None if count is None else _EPOCH + timedelta(microseconds=count) for count in counts]
    if pa.types.is_map(column.type):
        names, texts, ends = column.keys.to_pylist(), column.items.to_pylist(), column.offsets.to_pylist()
        first = ends[0]
        spans = ((start - first, end - first) for start, end in pairwise(ends))
        return [dict(zip(names[start:end], texts[start:end], strict=True)) for start, end in spans]
    found: list[Any] = column.to_pylist()
    return found


def _plain(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value
