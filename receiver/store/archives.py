"""The archive's index: which states of which workflows lie on S3, and in which order they ended."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.dml import ReturningInsert

from receiver.model.archive import Archived, State
from receiver.store.archive_tables import ArchiveRow
from receiver.store.database import Transaction
from receiver.store.history.page import Order, Page, is_number, read_page
from receiver.store.rows import Row

ORDER: Final = Order(columns=(ArchiveRow.finished_at, ArchiveRow.id))

_AGAIN: Final = ("bucket", "key", "size", "sha256", "verified_at", "trouble")
"""Columns of a state that is archived a second time, such as after its object was lost."""


def _keep() -> ReturningInsert[Any]:
    statement = upsert(ArchiveRow)
    again = {name: statement.excluded[name] for name in _AGAIN}
    kept = statement.on_conflict_do_update(index_elements=["uid", "content"], set_=again)
    return kept.returning(*ArchiveRow.__table__.c)


_KEEP: Final = _keep()
"""Made once, since writing it anew costs more than running it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which archives are meant; what is None or empty does not matter.

    Attributes:
        labels: All of them, equal.
        since: Those that ended then or later.
        until: Those that ended before.
    """

    namespace: str | None = None
    name: str | None = None
    phase: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many archives there are, and their bytes."""

    count: int
    size: int


async def keep(tx: Transaction, archived: Archived) -> Archived:
    """Write down that a state is archived; returns it as the index has it, with its number and its first time."""
    return (await keep_all(tx, [archived]))[archived.state]


async def keep_all(tx: Transaction, found: Collection[Archived]) -> dict[State, Archived]:
    """Write down that states are archived, each of which is given once; see `keep`."""
    rows = [{name: value for name, value in asdict(one).items() if name != "id"} for one in found]
    return _by_state(await tx.execute(_KEEP, rows))


async def add(tx: Transaction, archived: Archived) -> bool:
    """Write down an object that lay in the bucket without the index; says whether that was new.

    Of one state there is one entry: where it has one in this bucket that stays, where it has one in another bucket it
    has moved.
    """
    values = {name: value for name, value in asdict(archived).items() if name != "id"}
    statement = upsert(ArchiveRow).values(**values)
    again = {name: statement.excluded[name] for name in _AGAIN}
    elsewhere = ArchiveRow.bucket != statement.excluded.bucket
    added = statement.on_conflict_do_update(index_elements=["uid", "content"], set_=again, where=elsewhere)
    return (await tx.execute(added.returning(ArchiveRow.id))).one_or_none() is not None


async def known(tx: Transaction, bucket: str, keys: Collection[str]) -> frozenset[str]:
    """Say which of these keys of a bucket the index has."""
    # By the name of the workflow, which the keys hold and an index of the table finds.
    names = {tuple(key.rsplit("/", 3)[-3:-1]) for key in keys}
    statement = select(ArchiveRow.key).where(
        tuple_(ArchiveRow.namespace, ArchiveRow.name).in_(sorted(names)),
        ArchiveRow.bucket == bucket,
        ArchiveRow.key.in_(sorted(keys)),
    )
    return frozenset((await tx.execute(statement)).scalars())


async def sample(tx: Transaction, count: int) -> tuple[Archived, ...]:
    """Draw archives by lot, each as likely as every other one."""
    statement = select(ArchiveRow.__table__).order_by(func.random()).limit(count)
    return tuple(_archived(row) for row in await tx.execute(statement))


async def find_all(tx: Transaction, states: Collection[State]) -> dict[State, Archived]:
    """Find exactly these states of exactly these workflows, as far as they are archived."""
    wanted = tuple_(ArchiveRow.uid, ArchiveRow.content).in_(list(states))
    return _by_state(await tx.execute(select(ArchiveRow.__table__).where(wanted)))


async def get(tx: Transaction, number: int) -> Archived | None:
    """Read one archive; None when there is none of that number."""
    if not is_number(number):
        return None
    return await _one(tx, select(ArchiveRow.__table__).where(ArchiveRow.id == number))


async def newest(tx: Transaction, namespace: str, name: str, *, at: datetime | None = None) -> Archived | None:
    """Find the newest archive of a workflow's name.

    Args:
        tx: Where it is looked up.
        namespace: Of the workflow.
        name: Of the workflow.
        at: The second in which it ended, where an older one is meant.
    """
    statement = select(ArchiveRow.__table__).where(ArchiveRow.namespace == namespace, ArchiveRow.name == name)
    if at is not None:
        statement = statement.where(func.date_trunc("second", ArchiveRow.finished_at) == at)
    return await _one(tx, statement.order_by(ArchiveRow.finished_at.desc(), ArchiveRow.id.desc()).limit(1))


async def page(tx: Transaction, wanted: Wanted, *, limit: int, cursor: str | None = None) -> Page[Archived]:
    """Read archives, those of workflows that ended last first.

    Raises:
        QueryRefused: The cursor or the limit is none.
    """
    statement = select(ArchiveRow.__table__).where(*_conditions(wanted))
    return await read_page(tx, statement, ORDER, limit=limit, cursor=cursor, noun=_archived)


async def latest(tx: Transaction, limit: int) -> list[Archived]:
    """Read what was archived last, the newest first."""
    newest_first = (ArchiveRow.archived_at.desc(), ArchiveRow.id.desc())
    rows = await tx.execute(select(ArchiveRow.__table__).order_by(*newest_first).limit(limit))
    return [_archived(row) for row in rows]


async def total(tx: Transaction, wanted: Wanted) -> Total:
    """Add up all archives that are meant."""
    summed = select(func.count(), func.coalesce(func.sum(ArchiveRow.size), 0)).where(*_conditions(wanted))
    count, size = (await tx.execute(summed)).one()
    return Total(count=count, size=int(size))


async def held(tx: Transaction, bucket: str) -> int:
    """Count the archives that lie in a bucket, as far as the index knows."""
    counted = select(func.count()).select_from(ArchiveRow).where(ArchiveRow.bucket == bucket)
    return int((await tx.execute(counted)).scalar_one())


async def trust(tx: Transaction, archived: Archived, at: datetime) -> None:
    """Write down that an object was read back and is whole."""
    await _change(tx, archived, verified_at=at, trouble="")


async def distrust(tx: Transaction, archived: Archived, trouble: str) -> None:
    """Write down that an object is not what it ought to be."""
    await _change(tx, archived, verified_at=None, trouble=trouble)


async def _change(tx: Transaction, archived: Archived, **values: Any) -> None:
    await tx.execute(update(ArchiveRow).where(ArchiveRow.id == archived.id).values(**values))


async def _one(tx: Transaction, statement: Select[Any]) -> Archived | None:
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _archived(row)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (ArchiveRow.namespace, wanted.namespace),
        (ArchiveRow.name, wanted.name),
        (ArchiveRow.phase, wanted.phase),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.labels:
        found.append(ArchiveRow.labels.contains(dict(wanted.labels)))
    if wanted.since is not None:
        found.append(ArchiveRow.finished_at >= wanted.since)
    if wanted.until is not None:
        found.append(ArchiveRow.finished_at < wanted.until)
    return found


def _archived(row: Row) -> Archived:
    return Archived(**row._mapping)  # noqa: SLF001 - SQLAlchemy's name for it


def _by_state(rows: Iterable[Row]) -> dict[State, Archived]:
    return {one.state: one for one in map(_archived, rows)}
