"""Looking at an incident: what is loaded for it, what it brought to light, and when somebody must look again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import Exists, ScalarSelect, and_, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from receiver.model.finding import Finding
from receiver.model.incident import Incident, IncidentState, Occurrence
from receiver.model.message import Act, MessageState
from receiver.model.remediation import Outcome, Run, RunState
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.tables import EntryRow, FindingRow, IncidentRow, MessageRow, OccurrenceRow, RunRow

ACTIVE = (RunState.RUNNING.value, RunState.WAITING.value)
"""States of a run that is not finished."""

_HARMLESS: Final = tuple(
    outcome.value for outcome in (Outcome.SUCCEEDED, Outcome.SKIPPED, Outcome.SIMULATED, Outcome.BLOCKED)
)
"""Outcomes about which nobody has to be called."""

_MOST_FIRING: Final = 100
"""Alerts of one incident that playbooks are asked about: of more, the oldest; one workflow has a handful."""

_MOST_RUNS: Final = 20
"""Earlier runs that are worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An incident as it was when somebody began to look at it.

    Attributes:
        due_at: Its `look_at` then; ending the look compares with it, so that a change in between is not missed.
        firing: Its alerts that fire, oldest first, at most 100.
    """

    incident: Incident
    due_at: datetime | None
    firing: Sequence[Occurrence]


async def begin(transaction: Transaction, incident_id: int) -> Look | None:
    """Load an incident with the alerts that fire; None when there is no such incident.

    From here on a change asks for another look: it may come too late for this one.
    """
    begun = await transaction.execute(
        update(IncidentRow).where(IncidentRow.id == incident_id).values(asked=False).returning(IncidentRow)
    )
    row = begun.first()
    if row is None:
        return None
    firing = await transaction.execute(
        select(OccurrenceRow)
        .where(OccurrenceRow.incident_id == incident_id, OccurrenceRow.status == "firing")
        .order_by(OccurrenceRow.starts_at, OccurrenceRow.id)
        .limit(_MOST_FIRING)
    )
    return Look(incident=rows.incident(row), due_at=row.look_at, firing=[rows.occurrence(one) for one in firing])


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What the store knows of earlier times.

    Attributes:
        occurrences: Earlier occurrences of the same series.
        last_at: Start of the newest of them.
        runs: Earlier runs on the same workflow and its ancestors, newest first.
    """

    occurrences: int
    last_at: datetime | None
    runs: Sequence[Run]


async def earlier(transaction: Transaction, alert: Occurrence, lineage: str) -> Earlier:
    """Read the past of an alert and of its workflow; an unknown lineage is an empty text."""
    before = await transaction.execute(
        select(func.count(), func.max(OccurrenceRow.starts_at)).where(
            OccurrenceRow.fingerprint == alert.fingerprint, OccurrenceRow.starts_at < alert.starts_at
        )
    )
    count, last_at = before.one()
    name = (RunRow.target["namespace"].astext, RunRow.target["name"].astext)
    same_name = and_(name[0] == alert.subject.namespace, name[1] == alert.subject.workflow)
    same = or_(RunRow.lineage == lineage, same_name) if lineage else same_name
    runs = await transaction.execute(select(RunRow).where(same).order_by(RunRow.id.desc()).limit(_MOST_RUNS))
    return Earlier(occurrences=count, last_at=last_at, runs=tuple(rows.run(row) for row in runs))


async def surveyed_at(transaction: Transaction, incident_id: int) -> datetime | None:
    """Say when somebody last looked around this incident's alerts; None when nobody ever did."""
    found = await transaction.execute(select(func.max(FindingRow.at)).where(FindingRow.incident_id == incident_id))
    newest: datetime | None = found.scalar()
    return newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a run of ours did to a workflow.

    Attributes:
        since: When it first did, or was about to do, something.
    """

    run_id: int
    since: datetime


async def deed_on(transaction: Transaction, uid: str) -> Deed | None:
    """Find the newest run that acted on the workflow of a uid; None when none did."""
    found = await transaction.execute(
        select(RunRow.id, func.min(EntryRow.started_at).label("since"))
        .join(EntryRow, EntryRow.run_id == RunRow.id)
        .where(RunRow.target["uid"].astext == uid)
        .group_by(RunRow.id)
        .order_by(RunRow.id.desc())
        .limit(1)
    )
    row = found.first()
    return None if row is None else Deed(run_id=row.id, since=row.since)


async def lock(transaction: Transaction, incident_id: int) -> Incident:
    """Hold an incident until the end of the transaction, so that looks at it follow one another."""
    statement = select(IncidentRow).where(IncidentRow.id == incident_id).with_for_update()
    return rows.incident((await transaction.execute(statement)).one())


async def keep_findings(transaction: Transaction, incident_id: int, findings: Sequence[Finding], at: datetime) -> None:
    """Keep what the sources said."""
    if findings:
        await transaction.execute(
            insert(FindingRow),
            [
                {
                    "incident_id": incident_id,
                    "at": at,
                    "source": one.source,
                    "state": one.state.value,
                    "summary": one.summary,
                    "detail": one.detail,
                    "took": one.took,
                }
                for one in findings
            ],
        )


async def end(transaction: Transaction, look: Look, *, again_at: datetime | None) -> None:
    """End a look: nobody need look again before `again_at`, unless something changed meanwhile."""
    await transaction.execute(
        update(IncidentRow)
        .where(
            IncidentRow.id == look.incident.id,
            IncidentRow.look_at.is_not_distinct_from(look.due_at),
            ~IncidentRow.asked,
        )
        .values(look_at=again_at)
    )


async def demand(transaction: Transaction, incident_id: int, by: datetime) -> None:
    """Have somebody look at an incident, at the latest at a time."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == incident_id)
        .values(look_at=func.least(IncidentRow.look_at, by), asked=True)
    )


async def close_quiet(transaction: Transaction, quiet_before: datetime, now: datetime, *, most: int) -> list[int]:
    """Close incidents that are over: no alert fires, no look is due, no run is unfinished, no failure waits to be told.

    Returns:
        Their numbers, lowest first.
    """
    over = {"quiet_before": quiet_before, "now": now, "most": most}
    return sorted((await transaction.execute(_closing(), over)).scalars())


@cache
def _closing() -> ReturningUpdate[int]:
    """Write the statement once: it is asked every second, and writing it costs more than asking it."""
    quiet = (
        select(IncidentRow.id)
        .where(
            IncidentRow.state == IncidentState.OPEN.value,
            IncidentRow.quiet_since <= bindparam("quiet_before"),
            IncidentRow.firing == 0,
            IncidentRow.look_at.is_(None),
            ~exists().where(RunRow.incident_id == IncidentRow.id, RunRow.state.in_(ACTIVE)),
            ~_unfinished_of_merged(),
            ~_unescalated(),
        )
        .order_by(IncidentRow.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    return (
        update(IncidentRow)
        .where(IncidentRow.id.in_(quiet.scalar_subquery()))
        .values(state=IncidentState.CLOSED.value, closed_at=bindparam("now"), look_at=bindparam("now"))
        .returning(IncidentRow.id)
    )


def _family() -> ScalarSelect[int]:
    """The incident of the row at hand, and those merged into it: a run keeps the number under which it began."""
    relative = aliased(IncidentRow)
    return (
        select(relative.id)
        .where(or_(relative.id == IncidentRow.id, relative.merged_into == IncidentRow.id))
        .correlate(IncidentRow)
        .scalar_subquery()
    )


def _unfinished_of_merged() -> Exists:
    """Say that a run is unfinished which began in an incident that was merged into the one at hand."""
    merged = aliased(IncidentRow)
    return exists().where(
        merged.merged_into == IncidentRow.id, RunRow.incident_id == merged.id, RunRow.state.in_(ACTIVE)
    )


def _unescalated() -> Exists:
    """Say that a run failed, none made that good, and the call for somebody has not arrived."""
    call, later, failed, healed = aliased(MessageRow), aliased(MessageRow), aliased(RunRow), aliased(RunRow)
    made_good = exists().where(
        healed.incident_id.in_(_family()), healed.outcome == Outcome.SUCCEEDED.value, healed.id > failed.id
    )
    arrived = exists().where(
        later.incident_id == call.incident_id,
        later.act == Act.TRIGGER.value,
        later.state == MessageState.SENT.value,
        later.id > call.id,
    )
    return exists().where(
        call.incident_id == IncidentRow.id,
        call.act == Act.TRIGGER.value,
        call.state.in_((MessageState.PENDING.value, MessageState.DEAD.value)),
        failed.incident_id.in_(_family()),
        failed.escalate,
        failed.outcome.not_in(_HARMLESS),
        failed.finished_at <= call.created_at,
        ~made_good,
        ~arrived,
    )
