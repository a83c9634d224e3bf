"""Alerts by what they say, newest first.

Postgres guesses badly how many rows carry a label, and would now and then walk the whole time index for a rare one. So
the shape of the work is not left to it. A filter that an index answers in order of time is one plain statement. For any
other, a bounded number of the newest rows is looked at first, which is all that a frequent label needs, and some more
where the page should be full by then. Where hardly any of them has the label, the index over the labels is asked for
all that have it, up to a bounded number, which is all that a rare one needs. Else it answers in windows of time that
grow backwards, until the page is full; the first is as long as the page should need, by how often the label was met.
What no index can answer (a regular expression, a text) stops after a bounded number of rows and gives a cursor to go on
from there.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import psycopg
from sqlalchemy import ColumnElement, Integer, Select, and_, column, func, literal_column, select, text, true
from sqlalchemy.exc import DBAPIError

from receiver.model.errors import QueryRefused
from receiver.model.history import AlertFilter
from receiver.model.incident import Occurrence
from receiver.store.database import Transaction
from receiver.store.history.condition import Conditions, all_of, sort
from receiver.store.history.page import Key, Order, Page, Position, checked
from receiver.store.rows import Row, occurrence, parse_public_id
from receiver.store.tables import OccurrenceRow

__all__ = ["AlertFilter", "get", "page", "stretch"]

ORDER: Final = Order(columns=(OccurrenceRow.starts_at, OccurrenceRow.id))

_PROBE: Final = 1_000
"""Newest rows that are looked at before the index over the labels is asked: some 2 ms of work."""

_WALK: Final = 20_000
"""Rows that one page looks at where no index can answer, or would take longer: some 10 ms of work for a label, and
up to 0.2 s for words that none of them has."""

_DENSE: Final = _PROBE // 50
"""So many hits among the probed rows are too many to be fetched by the index over the labels and searched further."""

_SPARSE: Final = 1
"""At most so many hits among the probed rows are a sign of a label that is rare."""

_FEW: Final = 500
"""So few rows that have a label are fetched and sorted whole; more are searched in windows of time."""

_WINDOW: Final = timedelta(days=7)
"""How far back the index over the labels is asked first, where nobody knows how often they are met."""

_SHORTEST: Final = timedelta(hours=1)
_LONGEST: Final = timedelta(days=365)
"""Bounds of a window; what lies beyond the longest is asked for at once."""

_AMPLE: Final = 2
"""Times as far as the page should need."""

_GROWTH: Final = 10
"""Times as far as the window before it."""

_TIMEOUT: Final = timedelta(seconds=5)
"""Of one statement: a hostile regular expression costs no more than this."""

_TABLE: Final = OccurrenceRow.__table__.c
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)

_SHAPE: Final = {
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": str(int(_TIMEOUT.total_seconds() * 1000)),
}
_BY_INDEX: Final = {"enable_seqscan": "off", "enable_indexscan": "off", "enable_indexonlyscan": "off"}
"""Leaves only bitmaps, and so the index over the labels."""

_SET: Final = text(
    "with before as materialized ("
    " select name, value, current_setting(name) as was"
    " from unnest(cast(:names as text[]), cast(:values as text[])) as wanted (name, value)"
    ") select name, was, set_config(name, value, true) from before"
)
"""Sets settings for the rest of the transaction; returns what they were."""

_WALKED: Final = SimpleNamespace(**{one.name: column(one.name, one.type) for one in _TABLE})
"""The columns of a subquery that has those of the table: to ask the subquery for them costs SQLAlchemy milliseconds."""

_HITS: Final = SimpleNamespace(starts_at=literal_column("hits.starts_at"), id=literal_column("hits.id"))

Shape = Callable[[Mapping[str, str]], Awaitable[None]]
"""Changes settings of the transaction; what they were comes back at the end."""


async def page(tx: Transaction, wanted: AlertFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Occurrence]:
    """Read the newest alerts that a filter wants, by (`starts_at`, `id`).

    A page may hold fewer items than asked for, and still have a `next`: see the head of this module.

    Raises:
        QueryRefused: The cursor, the limit or an expression cannot be used, or the search takes too long.
    """
    position = ORDER.position(cursor)
    rows, edge = await stretch(tx, wanted, position, checked(limit) + 1)
    return ORDER.page(rows, position, limit, occurrence, edge=edge)


async def stretch(tx: Transaction, wanted: AlertFilter, position: Position, count: int) -> tuple[list[Row], Key | None]:
    """Read the rows that follow a position, nearest first, and where the search stopped if it stopped before the end.

    Raises:
        QueryRefused: An expression cannot be used, or the search takes too long.
    """
    reading = _Reading(tx=tx, conditions=sort(wanted), position=position, count=count)
    with _refusals():
        return await reading.rows()


async def get(tx: Transaction, public_id: str) -> Occurrence | None:
    """Read one alert by its public id; None when there is none of that id."""
    try:
        month, after, number = parse_public_id(public_id)
    except ValueError:
        return None
    within = and_(OccurrenceRow.starts_at >= month, OccurrenceRow.starts_at < after)
    found = await tx.execute(select(OccurrenceRow).where(OccurrenceRow.id == number, within))
    row = found.one_or_none()
    return None if row is None else occurrence(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The reading of one page; `count` is one row more than it holds, to know whether more follow."""

    tx: Transaction
    conditions: Conditions
    position: Position
    count: int

    async def rows(self) -> tuple[list[Row], Key | None]:
        """Read the rows, and where the search stopped if it stopped before the end."""
        if self.conditions.answered_in_order:
            found = await self.tx.execute(self._ordered(self.position.key).limit(_in_place(self.count)))
            return list(found), None
        if self.conditions.residual:
            async with _shaping(self.tx) as shape:
                await shape(_SHAPE)
                return await self._search(shape)
        rows, edge = await self._walk(_PROBE)
        if edge is not None and len(rows) * _WALK >= (self.count - len(rows)) * _PROBE * _AMPLE:
            rows, edge = await self._walk_on(rows, edge)
        if edge is None:
            return rows, None
        async with _shaping(self.tx) as shape:
            await shape(_SHAPE | _BY_INDEX)
            return rows + await self._ask_index(rows, edge), None

    async def _search(self, shape: Shape) -> tuple[list[Row], Key | None]:
        """Read what no index answers alone."""
        if not self.conditions.indexed:
            return await self._walk(_WALK)
        rows, edge = await self._walk(_PROBE)
        if edge is None:
            return rows, None
        if await self._hits(_PROBE) >= _DENSE:
            return await self._walk_on(rows, edge)
        await shape(_BY_INDEX)
        return rows + await self._by_index(rows, edge), None

    async def _ask_index(self, rows: Sequence[Row], edge: Key) -> list[Row]:
        """Read what lies beyond an edge, where the index over the labels answers; after the rows that were met."""
        if len(rows) <= _SPARSE:
            few = await self._few(edge, self.count - len(rows))
            if few is not None:
                return few
        return await self._by_index(rows, edge)

    def _ordered(self, key: Key | None) -> Select[Any]:
        statement = select(OccurrenceRow).where(*all_of(self.conditions.ordered, _TABLE))
        return ORDER.cut(statement, Position(key=key, backwards=self.position.backwards))

    async def _walk(self, reach: int, *, met: int = 0, beyond: Key | None = None) -> tuple[list[Row], Key | None]:
        """Look at the next *reach* rows in order; the edge is None when the page is full or nothing lies beyond.

        Args:
            reach: How many rows are looked at.
            met: Rows that the page has already.
            beyond: The edge behind which they were met.
        """
        count = self.count - met
        walked = self._ordered(beyond or self.position.key)
        rows = walked.limit(_in_place(reach)).subquery("walked")
        wanted = all_of((*self.conditions.indexed, *self.conditions.residual), _WALKED)
        found: Select[Any] = select(literal_column("*")).select_from(rows).where(*wanted).order_by(*self._sorting())
        hits = found.limit(count).cte("hits")
        is_full = select(func.count() >= count).select_from(hits).scalar_subquery()
        edge = walked.with_only_columns(*ORDER.columns).where(~is_full).offset(_in_place(reach - 1)).limit(_in_place(1))
        # Both at once, and one row at least: of no hit, all but the edge is null. The edge comes before the hits, else
        # it would be looked for again for each of them.
        asked: Select[Any] = (
            select(literal_column("hits.*, edge.starts_at as edge_at, edge.id as edge_id"))
            .select_from(select(literal_column("1")).subquery("one"))
            .outerjoin(edge.subquery("edge"), true())
            .outerjoin(hits, true())
            .order_by(*self._sorting(_HITS))
        )
        answer = list(await self.tx.execute(asked))
        last = answer[0]
        edge_key = None if last.edge_id is None else (last.edge_at, last.edge_id)
        return [row for row in answer if row.id is not None], edge_key

    async def _walk_on(self, met: list[Row], edge: Key) -> tuple[list[Row], Key | None]:
        """Look further beyond an edge; after the rows that were met, and with the edge where this look stopped."""
        rows, further = await self._walk(_WALK, met=len(met), beyond=edge)
        return met + rows, further

    async def _hits(self, reach: int) -> int:
        walked = self._ordered(self.position.key).limit(reach).subquery("walked")
        counted = select(func.count()).select_from(walked).where(*all_of(self.conditions.indexed, _WALKED))
        return int((await self.tx.execute(counted)).scalar_one())

    async def _few(self, edge: Key, count: int) -> list[Row] | None:
        """Read what lies beyond an edge, where it is few in all; None where it is not."""
        hits = self._beyond(edge).limit(_FEW).subquery("hits")
        asked: Select[Any] = select(literal_column("*, count(*) over () as number")).select_from(hits)
        rows = list(await self.tx.execute(asked.order_by(*self._sorting()).limit(count)))
        return rows if not rows or rows[0].number < _FEW else None

    async def _by_index(self, met: Sequence[Row], edge: Key) -> list[Row]:
        """Read what lies beyond an edge in windows of time; after the rows that were met."""
        missing = self.count - len(met)
        rows: list[Row] = []
        for since, until in _windows(edge[0], _reach_for(missing, met, edge), backwards=self.position.backwards):
            rows += await self.tx.execute(self._window(edge, since, until).limit(missing - len(rows)))
            if len(rows) >= missing:
                break
        return rows

    def _window(self, edge: Key, since: datetime, until: datetime) -> Select[Any]:
        within = and_(OccurrenceRow.starts_at >= since, OccurrenceRow.starts_at <= until)
        found = self._beyond(edge).where(within)
        return found.order_by(*self._sorting(_TABLE))

    def _sorting(self, columns: Any = _WALKED) -> list[ColumnElement[Any]]:
        return ORDER.sorting(backwards=self.position.backwards, columns=(columns.starts_at, columns.id))

    def _beyond(self, edge: Key) -> Select[Any]:
        conditions = self.conditions
        every = all_of((*conditions.ordered, *conditions.indexed, *conditions.residual), _TABLE)
        return select(OccurrenceRow).where(*every, ORDER.beyond(edge, backwards=self.position.backwards))


def _in_place(number: int) -> ColumnElement[int]:
    """Put a number of rows into a statement, where every plan of it sees how few they are.

    Where one of them is a parameter, a plan that is kept is made for a tenth of the history: it sorts that, or Postgres
    sees what it costs and plans the statement anew each time, which can take longer than to answer it.
    """
    return literal_column(str(number), Integer)


def _reach_for(missing: int, rows: Sequence[Row], edge: Key) -> timedelta:
    """Say how far beyond an edge the missing rows should be found, by how often some were met on the way there."""
    if not rows:
        return _WINDOW
    edge_at: Any = edge[0]
    span: timedelta = abs(rows[0].starts_at - edge_at)
    return min(max(span / len(rows) * missing * _AMPLE, _SHORTEST), _LONGEST)


def _windows(edge: Any, first: timedelta, *, backwards: bool) -> Iterator[tuple[datetime, datetime]]:
    """Cut the time beyond an edge into windows that grow, both ends included, that do not overlap."""
    step = timedelta(microseconds=1)
    near: datetime = edge
    span = first
    while span <= _LONGEST and (_LAST - near if backwards else near - _FIRST) > span:
        far = near + span if backwards else near - span
        yield (near, far) if backwards else (far, near)
        near = far + step if backwards else far - step
        span *= _GROWTH
    yield (near, _LAST) if backwards else (_FIRST, near)


@asynccontextmanager
async def _shaping(tx: Transaction) -> AsyncIterator[Shape]:
    """Change settings of the transaction for some statements; an error ends the transaction and them with it."""
    before: dict[str, str] = {}

    async def shape(wanted: Mapping[str, str]) -> None:
        for name, value, _ in await tx.execute(_SET, {"names": list(wanted), "values": list(wanted.values())}):
            before.setdefault(name, value)

    yield shape
    await tx.execute(_SET, {"names": list(before), "values": list(before.values())})


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InvalidRegularExpression):
            raise QueryRefused(
                f"Postgres cannot use the regular expression: {error.orig}", parameter="label"
            ) from error
        if isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise QueryRefused(
                "the search took too long; narrow it with since, until, alertname or a label", parameter="q"
            ) from error
        raise
