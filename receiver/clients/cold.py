"""Alerts and timelines of months that lie on S3 alone: brought into a bounded folder by boto3, asked with DuckDB.

DuckDB never sees the network: it may open files of that one folder and nothing else, loads no extension, and cannot be
told otherwise. One question is answered at a time, in bounded memory and time.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from receiver.clients.parquet import rows_of
from receiver.clients.s3 import S3
from receiver.model.errors import QueryRefused, S3Damaged, S3Error, S3Unreachable
from receiver.model.history import AlertFilter, Export, Key, Stretch
from receiver.model.incident import clipped
from receiver.model.matcher import Matcher, Operator

CACHE: Final = 2 * 1024**3
"""Bytes of the folder: a year of a million alerts a month, and room on the smallest volume."""

_BRING: Final = timedelta(seconds=20)
"""Longest time to bring one month: a person waits for it."""
_WAIT: Final = timedelta(seconds=20)
"""Longest time to wait for another question."""
_ASK: Final = timedelta(seconds=10)
"""Longest time of one question to one month."""
_AGAIN: Final = timedelta(milliseconds=100)

_OPENED: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "384MB",
    "threads": "2",
    "temp_directory": "",
    "preserve_insertion_order": "false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What DuckDB is asked.

    Attributes:
        text: In its SQL; every value that others chose is a parameter.
        values: The parameters by name.
        expressions: The regular expressions among them.
    """

    text: str
    values: dict[str, Any]
    expressions: tuple[str, ...] = ()


_EQUAL: Final = ("status", "alertname", "severity", "namespace", "workflow", "fingerprint")
"""Columns that a filter compares as they are; labels, words and times are asked below."""


class ColdHistory:
    """Months of alerts on S3, as a question sees them.

    Args:
        s3: The bucket that they were exported to.
        folder: A folder of our own for copies of them.
        most: Bytes that the folder may hold.
    """

    def __init__(self, s3: S3, folder: Path, *, most: int = CACHE) -> None:
        self._s3 = s3
        self._folder = folder.absolute()
        self._most = most
        self._turn = asyncio.Lock()
        self._duckdb: duckdb.DuckDBPyConnection | None = None

    async def read(self, export: Export, wanted: AlertFilter, stretch: Stretch) -> list[dict[str, Any]]:
        """Read a stretch of one month's alerts, nearest first.

        Raises:
            QueryRefused: An expression cannot be used, or the search takes too long.
            S3Error: The month cannot be brought here, or is not what was exported.
        """
        return await self._in_turn(export, lambda path: _stretch(path, wanted, stretch))

    async def find(self, export: Export, number: int) -> dict[str, Any] | None:
        """Find one alert of a month by its number; None when there is none of that number.

        Raises:
            S3Error: The month cannot be brought here, or is not what was exported.
        """
        found = await self._in_turn(export, lambda path: _single(path, number))
        return found[0] if found else None

    async def about(self, export: Export, alert_id: str, stretch: Stretch) -> list[dict[str, Any]]:
        """Read what a month of the timeline tells of one alert, nearest first; *stretch* begins with the oldest.

        Raises:
            S3Error: The month cannot be brought here, or is not what was exported.
        """
        return await self._in_turn(export, lambda path: _about(path, alert_id, stretch))

    async def close(self) -> None:
        """Forget what is open; the copies stay for the next time."""
        if self._duckdb is not None:
            self._duckdb.close()

    async def _in_turn(self, export: Export, write: Callable[[Path], _Question]) -> list[dict[str, Any]]:
        if export.bucket != self._s3.bucket:
            raise S3Error(f"{export.name} lies in bucket {export.bucket}, and archive.bucket is {self._s3.bucket}")
        try:
            async with asyncio.timeout(_WAIT.total_seconds()):
                await self._turn.acquire()
        except TimeoutError as error:
            raise S3Unreachable("other questions about old history take too long; ask again") from error
        try:
            path = await self._bring(export)
            return await asyncio.to_thread(self._ask, path, write(path))
        finally:
            self._turn.release()

    async def _bring(self, export: Export) -> Path:
        """Have a month in the folder; what was not asked for longest makes room."""
        path = self._folder / f"{export.sha256}.parquet"
        if not await asyncio.to_thread(_touched, path):
            await asyncio.to_thread(_make_room, self._folder, self._most - export.size)
            coming = path.with_suffix(".coming")
            try:
                await self._s3.fetch(export.key, coming, within=_BRING)
                await asyncio.to_thread(_admit, coming, path, export)
            finally:
                coming.unlink(missing_ok=True)
        return path

    def _ask(self, path: Path, question: _Question) -> list[dict[str, Any]]:
        if self._duckdb is None:
            self._duckdb = _open(self._folder)
        with _translated(path), self._duckdb.cursor() as connection, _interrupted_after(connection, _ASK):
            for expression in question.expressions:
                _try_expression(connection, expression)
            return rows_of(connection.sql(question.text, params=question.values).to_arrow_table())


def _open(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_OPENED)
    quoted = str(folder).replace("'", "''")
    connection.execute(f"set allowed_directories = ['{quoted}/']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


@contextmanager
def _interrupted_after(connection: duckdb.DuckDBPyConnection, length: timedelta) -> Iterator[None]:
    """Interrupt what a connection does for too long; again and again, since one before it begins would be lost."""
    over = threading.Event()

    def watch() -> None:
        pause = length
        while not over.wait(pause.total_seconds()):
            connection.interrupt()
            pause = _AGAIN

    watcher = threading.Thread(target=watch, name="duckdb-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _try_expression(connection: duckdb.DuckDBPyConnection, expression: str) -> None:
    """Ask whether DuckDB knows an expression, apart from any file: its errors do not tell the two apart."""
    try:
        connection.sql("select regexp_full_match('', $expression, 's')", params={"expression": expression}).fetchall()
    except duckdb.InvalidInputException as error:
        raise QueryRefused(f"old history cannot use the regular expression: {error}", parameter="label") from error


def _single(path: Path, number: int) -> _Question:
    values = {"path": str(path), "number": number}
    return _Question(text="select * from read_parquet($path) where id = $number", values=values)


def _stretch(path: Path, wanted: AlertFilter, stretch: Stretch) -> _Question:
    asking = _Asking()
    conditions = [*asking.columns(wanted), *asking.labels(wanted.labels), *asking.words(wanted.q)]
    older = "<" if not stretch.backwards else ">"
    if stretch.beyond is not None:
        conditions.append(asking.key(stretch.beyond, older))
    if stretch.upto is not None:
        conditions.append(f"not {asking.key(stretch.upto, older)}")
    direction = "asc" if stretch.backwards else "desc"
    text = (
        f"select * from read_parquet({asking.value(str(path))}) where {' and '.join(conditions) or 'true'} "  # noqa: S608 - names and parameters of ours
        f"order by starts_at {direction}, id {direction} limit {stretch.count:d}"
    )
    operators = {Operator.REGEX, Operator.NOT_REGEX}
    expressions = tuple(matcher.value for matcher in wanted.labels if matcher.operator in operators)
    return _Question(text=text, values=asking.values, expressions=expressions)


def _about(path: Path, alert_id: str, stretch: Stretch) -> _Question:
    asking = _Asking()
    conditions = [f"alert_id = {asking.value(alert_id)}"]
    if stretch.beyond is not None:
        conditions.append(asking.key(stretch.beyond, "<" if stretch.backwards else ">", time='"at"'))
    direction = "desc" if stretch.backwards else "asc"
    text = (
        f"select * from read_parquet({asking.value(str(path))}) where {' and '.join(conditions)} "  # noqa: S608 - names and parameters of ours
        f'order by "at" {direction}, id {direction} limit {stretch.count:d}'
    )
    return _Question(text=text, values=asking.values)


class _Asking:
    """Conditions in DuckDB's words, and the values that they name. They mean what Postgres' conditions mean."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def value(self, given: Any) -> str:
        """Name a value."""
        name = f"v{len(self.values)}"
        self.values[name] = given.replace("\0", "\ufffd") if isinstance(given, str) else given
        return f"${name}"

    def columns(self, wanted: AlertFilter) -> Iterator[str]:
        for name in _EQUAL:
            given = getattr(wanted, name)
            if given is not None:
                yield f"{name} = {self.value(clipped(given) if isinstance(given, str) else given.value)}"
        if wanted.since is not None:
            yield f"starts_at >= {self.value(wanted.since)}"
        if wanted.until is not None:
            yield f"starts_at < {self.value(wanted.until)}"

    def labels(self, matchers: Iterable[Matcher]) -> Iterator[str]:
        for matcher in matchers:
            label = f"coalesce(labels[{self.value(matcher.name)}], '')"
            value = self.value(matcher.value)
            if matcher.operator in {Operator.EQUAL, Operator.NOT_EQUAL}:
                met = f"{label} = {value}"
            else:
                # In Postgres a dot is any character, the end of a line included.
                met = f"regexp_full_match({label}, {value}, 's')"
            yield met if matcher.operator in {Operator.EQUAL, Operator.REGEX} else f"not ({met})"

    def words(self, q: str | None) -> Iterator[str]:
        for word in (q or "").replace("\0", "\ufffd").split():
            texts = "list_concat(map_values(labels), map_values(annotations))"
            yield f"len(list_filter({texts}, lambda v: contains(lower(v), lower({self.value(word)})))) > 0"

    def key(self, key: Key, older: str, *, time: str = "starts_at") -> str:
        """Say that a row lies beyond a key; the time alone comes first, by which whole row groups are left out."""
        moment, number = self.value(key[0]), self.value(key[1])
        return f"({time} {older}= {moment} and ({time} {older} {moment} or id {older} {number}))"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what DuckDB raises into errors of ours."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryRefused(
            "the search took too long; narrow it with since, until, alertname or a label", parameter="q"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise QueryRefused("the search needs too much memory; ask for a smaller page", parameter="limit") from error
    except duckdb.Error as error:
        path.unlink(missing_ok=True)
        raise S3Damaged(f"the local copy {path.name} cannot be read, and was removed: {error}") from error


def _touched(path: Path) -> bool:
    """Mark a file as used now; False when it is not there."""
    try:
        path.touch(exist_ok=True) if path.exists() else None
    except OSError as error:
        raise S3Error(f"{path} cannot be used: {error.strerror}") from error
    return path.exists()


def _make_room(folder: Path, most: int) -> None:
    """Remove what was not used for longest, until the rest holds no more bytes than that."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = sorted(((one.stat(), one) for one in folder.iterdir()), key=lambda found: found[0].st_mtime_ns)
        total = sum(stat.st_size for stat, _ in files)
        for stat, file in files:
            if total <= most:
                break
            file.unlink(missing_ok=True)
            total -= stat.st_size
    except OSError as error:
        raise S3Error(f"{folder} cannot be used for copies of old history: {error.strerror}") from error
    if most < 0:
        raise S3Error(f"a month of old history is larger than {folder} may become")


def _admit(coming: Path, path: Path, export: Export) -> None:
    """Give a file that arrived its name, once it is what was exported."""
    with coming.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != export.sha256:
        raise S3Damaged(f"{export.key} is not what was exported as {export.name}")
    coming.replace(path)
