"""What playbooks' own results have made of them: breakers that opened, modes that were lost, fixes that did not hold.

Whoever writes here holds the playbook's scope (`decisions.lock_scopes`), so that nobody decides on half of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.remediation import Outcome
from receiver.model.standing import Standing
from receiver.model.timeline import Event, Kind
from receiver.store import timeline
from receiver.store.database import Transaction
from receiver.store.decisions import lock_scopes
from receiver.store.guard_tables import PlaybookStateRow, RecurrenceRow
from receiver.store.rows import Row
from receiver.store.tables import RunRow


def scope_of(playbook: str) -> str:
    """Name what is locked by whoever decides for a playbook, or changes how it stands."""
    return f"playbook {playbook}"


async def read(transaction: Transaction, playbook: str) -> Standing:
    """Read the standing of one playbook; one that nothing was ever written about is in order."""
    found = await transaction.execute(select(PlaybookStateRow).where(PlaybookStateRow.playbook == playbook))
    row = found.one_or_none()
    return Standing(playbook=playbook) if row is None else _standing(row)


async def all_standings(transaction: Transaction) -> tuple[Standing, ...]:
    """Read the standing of every playbook that anything was ever written about, by name."""
    found = await transaction.execute(select(PlaybookStateRow).order_by(PlaybookStateRow.playbook))
    return tuple(_standing(row) for row in found)


async def open_breaker(transaction: Transaction, playbook: str, at: datetime, because: str) -> None:
    """Open the breaker of a playbook."""
    await _write(transaction, playbook, opened_at=at, opened_because=because)


async def demote(transaction: Transaction, playbook: str, at: datetime, because: str) -> None:
    """Let a playbook only propose from now on."""
    await _write(transaction, playbook, demoted_at=at, demoted_because=because)


async def close(transaction: Transaction, playbook: str, at: datetime, by: str) -> Standing:
    """Close the breaker of a playbook and give its own mode back; failures up to now count no more.

    Returns:
        How it stood before.
    """
    await lock_scopes(transaction, scope_of(playbook))
    before = await read(transaction, playbook)
    await _write(
        transaction,
        playbook,
        opened_at=None,
        opened_because="",
        demoted_at=None,
        demoted_because="",
        closed_at=at,
        closed_by=by,
    )
    text = f"{by} closed the breaker of {playbook} and gave its own mode back"
    await timeline.add(transaction, Event(at=at, kind=Kind.BREAKER_CLOSED, text=text, detail={"playbook": playbook}))
    return before


async def note_recurrence(
    transaction: Transaction, playbook: str, lineage: str, *, alert_id: str, fired_at: datetime, within: timedelta
) -> int | None:
    """Write down that a fix did not hold, where an alert fired on the lineage soon after a run had helped.

    Returns:
        The run whose fix it was; None where there is none, or it is known already.
    """
    known = exists().where(RecurrenceRow.run_id == RunRow.id)
    found = await transaction.execute(
        select(RunRow.id)
        .where(
            RunRow.playbook == playbook,
            RunRow.lineage == lineage,
            RunRow.outcome == Outcome.SUCCEEDED.value,
            RunRow.finished_at < fired_at,
            RunRow.finished_at >= fired_at - within,
            ~known,
        )
        .order_by(RunRow.id.desc())
        .limit(1)
    )
    number = found.scalar()
    if number is None:
        return None
    await transaction.execute(
        upsert(RecurrenceRow).values(run_id=number, alert_id=alert_id, at=fired_at).on_conflict_do_nothing()
    )
    return int(number)


async def failed_in(transaction: Transaction, incident_id: int) -> Sequence[str]:
    """Name the playbooks of which a run failed in an incident."""
    found = await transaction.execute(
        select(RunRow.playbook)
        .where(
            RunRow.incident_id == incident_id,
            RunRow.outcome.in_((Outcome.FAILED.value, Outcome.TIMED_OUT.value)),
        )
        .distinct()
    )
    return sorted(found.scalars())


async def _write(transaction: Transaction, playbook: str, **values: datetime | str | None) -> None:
    await transaction.execute(
        upsert(PlaybookStateRow)
        .values(playbook=playbook, **values)
        .on_conflict_do_update(index_elements=[PlaybookStateRow.playbook], set_=values)
    )


def _standing(row: Row) -> Standing:
    return Standing(
        playbook=row.playbook,
        opened_at=row.opened_at,
        opened_because=row.opened_because,
        demoted_at=row.demoted_at,
        demoted_because=row.demoted_because,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
    )
