"""What guards measure, read in the transaction that takes the slot: under the locks of `decisions.lock_scopes`.

Dry runs never count: they hold no slot and leave no journal. A run holds a slot while it is unfinished, whether it has
acted yet or not, so that what was decided at the same moment is seen, and what waits for a person is not forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, SelectBase, Text, and_, cast, exists, func, or_, select, union

from receiver.model.alert import AlertStatus
from receiver.model.incident import Subject
from receiver.model.matcher import Matcher, Operator, all_match
from receiver.model.remediation import Outcome, RunId
from receiver.store.database import Transaction
from receiver.store.guard_tables import RecurrenceRow
from receiver.store.looks import ACTIVE
from receiver.store.tables import DecisionRow, EntryRow, OccurrenceRow, RunRow

Aiming = Callable[[Subject, Mapping[str, str]], tuple[str, str, str] | None]
"""Says what an alert about a subject, with some labels, would make a playbook act on."""

_FAILED: Final = (Outcome.FAILED.value, Outcome.TIMED_OUT.value)
_ENDED: Final = (*_FAILED, Outcome.SUCCEEDED.value)
_HOLDS: Final = RunRow.state.in_(ACTIVE)
_ACTED: Final = exists().where(EntryRow.run_id == RunRow.id)
_AT: Final = func.coalesce(EntryRow.finished_at, EntryRow.started_at)
"""By when an attempt took its effect at the latest: a limit is kept as the cluster sees it, not as we meant it."""
_REPLACING: Final = ("workflow.terminate", "workflow.stop", "workflow.resubmit", "workflow.resubmit_memoized")
"""Actions after which a workflow is no target any more; one that was retried or resumed goes on and may be again."""
_REPLACED: Final = exists().where(EntryRow.run_id == RunRow.id, EntryRow.action.in_(_REPLACING))


async def acts(transaction: Transaction, playbook: str, lineage: str, since: datetime) -> tuple[datetime, ...]:
    """List when each run of a playbook on a lineage last took or intended an effect, if since then; oldest first."""
    last = func.max(_AT)
    found = await transaction.execute(
        select(last)
        .join(RunRow, RunRow.id == EntryRow.run_id)
        .where(RunRow.playbook == playbook, RunRow.lineage == lineage)
        .group_by(RunRow.id)
        .having(last >= since)
        .order_by(last)
    )
    return tuple(found.scalars())


async def unfinished(transaction: Transaction, lineage: str) -> tuple[RunId, ...]:
    """List the unfinished runs on a lineage, of any playbook."""
    found = await transaction.execute(select(RunRow.id).where(RunRow.lineage == lineage, _HOLDS).order_by(RunRow.id))
    return tuple(RunId(number) for number in found.scalars())


async def superseding(transaction: Transaction, uid: str) -> str:
    """Say which run of ours ended or replaced the workflow of a uid; empty when none did."""
    found = await transaction.execute(
        select(RunRow.id).where(RunRow.target["uid"].astext == uid, _REPLACED).order_by(RunRow.id.desc()).limit(1)
    )
    number = found.scalar()
    return "" if number is None else f"run {number}"


async def running(transaction: Transaction, playbook: str) -> int:
    """Count the runs of a playbook that hold a slot."""
    return await _count(transaction, select(RunRow.id).where(RunRow.playbook == playbook, _HOLDS))


async def spent(transaction: Transaction, playbook: str, since: datetime) -> int:
    """Count the runs of a playbook that hold a slot, or took or intended an effect after a time."""
    about = RunRow.playbook == playbook
    acted = select(RunRow.id).where(about, *_acted_since(since))
    return await _count(transaction, union(select(RunRow.id).where(about, _HOLDS), acted))


async def touched(transaction: Transaction, namespace: str, *, beside: str, since: datetime) -> int:
    """Count the lineages of a namespace on which any run holds a slot, or acted after a time, all but one lineage."""
    about = and_(RunRow.target["namespace"].astext == namespace, RunRow.lineage != beside)
    acted = select(RunRow.lineage).where(about, *_acted_since(since))
    return await _count(transaction, union(select(RunRow.lineage).where(about, _HOLDS), acted))


async def targets(
    transaction: Transaction, playbook: str, matchers: Sequence[Matcher], since: datetime, *, aimed_at: Aiming
) -> int:
    """Count what a playbook would act on because an alert fires that matches, and that began to after a time.

    An alert that fires anew under its old start counts while the playbook has not decided about that firing.

    Args:
        transaction: It holds the playbook's scope.
        playbook: Its name.
        matchers: What it answers to.
        since: After which the alerts began to fire.
        aimed_at: Names what it would act on because of an alert; None for nothing.
    """
    number = func.to_char(OccurrenceRow.starts_at, "YYYYMM") + "-" + cast(OccurrenceRow.id, Text)
    said = exists().where(
        DecisionRow.alert_id == number,
        DecisionRow.firing == OccurrenceRow.firings,
        DecisionRow.playbook == playbook,
    )
    anew = and_(OccurrenceRow.firings > 1, OccurrenceRow.last_seen_at > since, ~said)
    equal = {one.name: one.value for one in matchers if one.operator is Operator.EQUAL and one.value}
    found = await transaction.execute(
        select(OccurrenceRow.cluster, OccurrenceRow.namespace, OccurrenceRow.workflow, OccurrenceRow.labels).where(
            OccurrenceRow.status == AlertStatus.FIRING.value,
            OccurrenceRow.labels.contains(equal),
            or_(OccurrenceRow.first_seen_at > since, anew),
        )
    )
    matching = (row for row in found if all_match(matchers, row.labels))
    named = {
        aimed_at(Subject(cluster=row.cluster, namespace=row.namespace, workflow=row.workflow), row.labels)
        for row in matching
    }
    return len(named - {None})


async def failures(transaction: Transaction, playbook: str, *, since: datetime | None, most: int) -> int:
    """Count the newest runs of a playbook in a row that failed, or helped and did not hold.

    Only runs that acted count, and only those that ended after *since*; counting stops at *most*.
    """
    statement = (
        select(RunRow.outcome, RecurrenceRow.run_id.label("recurred"))
        .outerjoin(RecurrenceRow, RecurrenceRow.run_id == RunRow.id)
        .where(RunRow.playbook == playbook, RunRow.outcome.in_(_ENDED), _ACTED)
        .order_by(RunRow.id.desc())
        .limit(most)
    )
    if since is not None:
        statement = statement.where(RunRow.finished_at > since)
    count = 0
    for row in await transaction.execute(statement):
        if row.outcome not in _FAILED and row.recurred is None:
            break
        count += 1
    return count


def _acted_since(since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Say that a finished run took an effect after a time; then it also ended after it, which an index knows."""
    return RunRow.finished_at > since, exists().where(EntryRow.run_id == RunRow.id, since < _AT)


async def _count(transaction: Transaction, statement: SelectBase) -> int:
    found = await transaction.execute(select(func.count()).select_from(statement.subquery()))
    return int(found.scalar_one())
