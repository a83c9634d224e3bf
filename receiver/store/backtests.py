"""Backtests: the past that a playbook is played against, and what came of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Text, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.backtest import Backtest, Past, PastAlert, Recollection
from receiver.model.history import Relation
from receiver.model.incident import clipped
from receiver.model.matcher import Matcher, Operator, all_match
from receiver.model.remediation import PROOFS, Check, Mode, Outcome
from receiver.model.request import Request
from receiver.model.standing import Pause
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.evidence_tables import BacktestRow
from receiver.store.guard_tables import PauseRow
from receiver.store.rows import Row
from receiver.store.tables import DecisionRow, EntryRow, ExportRow, FindingRow, IncidentRow, OccurrenceRow, RunRow

MOST: Final = 20_000
"""Alerts of one backtest: a loud month, and some hundred MB at most."""

_AT_ONCE: Final = 1_000
"""Incidents of which the rest is read in one statement."""

_SOURCES: Final = ("workflow", "pods")


async def past(transaction: Transaction, matchers: Sequence[Matcher], since: datetime, until: datetime) -> Past:
    """Read what is known of alerts that match and were heard of in a range. Of very many, the newest."""
    equal = {one.name: one.value for one in matchers if one.operator is Operator.EQUAL and one.value}
    found = await transaction.execute(
        select(OccurrenceRow)
        .where(
            OccurrenceRow.first_seen_at >= since,
            OccurrenceRow.first_seen_at < until,
            OccurrenceRow.labels.contains(equal),
            *(OccurrenceRow.alertname == clipped(name) for name in (equal.get("alertname"),) if name),
            OccurrenceRow.incident_id.is_not(None),
        )
        .order_by(OccurrenceRow.first_seen_at.desc(), OccurrenceRow.id.desc())
        .limit(MOST + 1)
    )
    kept = found.all()
    matching = [row for row in reversed(kept[:MOST]) if all_match(matchers, row.labels)]
    alerts: dict[int, PastAlert] = {}
    numbers = sorted({int(row.incident_id) for row in matching})
    for chunk in _chunks(numbers):
        alerts |= await _around(transaction, [row for row in matching if row.incident_id in chunk], chunk)
    return Past(
        alerts=[alerts[row.id] for row in matching if row.id in alerts],
        cut_short=len(kept) > MOST,
        pauses=await _pauses(transaction, since, until),
        ended=await _ended(transaction, until),
        missing_months=await _missing(transaction, since, until),
    )


def range_of(wish: Request) -> tuple[datetime, datetime]:
    """Read the range that is asked for: `since` and `until`, or up to when it was asked."""
    until = wish.detail.get("until")
    return datetime.fromisoformat(wish.detail["since"]), datetime.fromisoformat(until) if until else wish.at


def as_json(found: Backtest) -> dict[str, Any]:
    """Write what came of a backtest as JSON values: lengths in seconds, answers by their names."""
    return {
        "playbook": str(found.playbook),
        "version": found.version,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "alerts": found.alerts,
        "answers": {answer.value: count for answer, count in found.answers.items()},
        "refused_by": dict(found.refused_by),
        "undecidable": dict(found.undecidable),
        "busiest_hour": found.busiest_hour and found.busiest_hour.isoformat(),
        "busiest_count": found.busiest_count,
        "days": [
            {"day": day.isoformat(), "answers": {answer.value: count for answer, count in counts.items()}}
            for day, counts in found.days.items()
        ],
        "instead": [
            {
                "what": one.what,
                "count": one.count,
                "median_seconds": _seconds(one.median),
                "longest_seconds": _seconds(one.longest),
            }
            for one in found.instead
        ],
        "instances": [
            {
                "alert_id": one.alert_id,
                "at": one.at.isoformat(),
                "workflow": one.workflow,
                "answer": one.answer.value,
                "guard": one.guard,
                "reason": one.reason,
                "instead": one.instead,
                "lasted_seconds": _seconds(one.lasted),
            }
            for one in found.instances
        ],
        "notes": list(found.notes),
    }


async def keep(transaction: Transaction, request_id: int, found: Backtest, *, at: datetime) -> None:
    """Keep what came of a backtest that was asked for; the first result stays."""
    await transaction.execute(
        upsert(BacktestRow)
        .values(
            request_id=request_id,
            at=at,
            playbook=found.playbook,
            version=found.version,
            result=as_json(found),
        )
        .on_conflict_do_nothing()
    )


async def get(transaction: Transaction, request_id: int) -> Mapping[str, Any] | None:
    """Read what came of a backtest; None while nothing has, or where none was asked for."""
    found = await transaction.execute(select(BacktestRow.result).where(BacktestRow.request_id == request_id))
    result: Mapping[str, Any] | None = found.scalar()
    return result


async def newest(transaction: Transaction, playbook: str) -> int | None:
    """Name the request whose backtest of a playbook was made last; None where none was."""
    found = await transaction.execute(
        select(BacktestRow.request_id)
        .where(BacktestRow.playbook == playbook)
        .order_by(BacktestRow.at.desc(), BacktestRow.request_id.desc())
        .limit(1)
    )
    number: int | None = found.scalar()
    return number


async def _around(transaction: Transaction, alerts: Sequence[Row], numbers: set[int]) -> dict[int, PastAlert]:
    """Read what is known around alerts of some incidents."""
    stories = {row.id: row for row in await transaction.execute(select(IncidentRow).where(IncidentRow.id.in_(numbers)))}
    found = await _findings(transaction, numbers)
    confirmed = await _confirmed(transaction, numbers)
    healed = await _healed(transaction, numbers)
    known = {}
    for row in alerts:
        story = stories.get(row.incident_id)
        if story is None:
            continue
        alert = rows.occurrence(row)
        # Of an incident about a group of alerts nobody can say any more which of them a finding is about.
        about_it = story.workflow == row.workflow and story.namespace == row.namespace
        known[row.id] = PastAlert(
            alert=alert,
            over_at=row.resolved_seen_at or row.ends_at,
            lineage=story.lineage if about_it else "",
            opened_at=story.opened_at,
            flaps=story.flaps,
            acknowledged_by=story.acknowledged_by,
            healed_by=healed.get(row.incident_id, ""),
            found=found.get(row.incident_id, ()) if about_it else (),
            confirmed=confirmed.get(alert.id, ()),
        )
    return known


async def _findings(transaction: Transaction, numbers: set[int]) -> dict[int, list[Recollection]]:
    """Read what was found about workflows and pods, also under the number of an incident that was merged since."""
    merged = await transaction.execute(
        select(IncidentRow.id, IncidentRow.merged_into).where(IncidentRow.merged_into.in_(numbers))
    )
    owner = {number: number for number in numbers} | {row.id: row.merged_into for row in merged}
    looked = await transaction.execute(
        select(
            FindingRow.incident_id,
            FindingRow.at,
            FindingRow.source,
            FindingRow.state,
            FindingRow.summary,
            FindingRow.took,
            # No condition asks for the graph, which is longer than all the rest.
            FindingRow.detail.op("-")(cast("graph", Text)).label("detail"),
        )
        .where(FindingRow.incident_id.in_(owner), FindingRow.source.in_(_SOURCES))
        .order_by(FindingRow.id)
    )
    found: dict[int, list[Recollection]] = defaultdict(list)
    for row in looked:
        found[owner[row.incident_id]].append(Recollection(at=row.at, finding=rows.finding(row)))
    return found


async def _confirmed(transaction: Transaction, numbers: set[int]) -> dict[str, list[tuple[datetime, Check]]]:
    decided = await transaction.execute(
        select(DecisionRow.alert_id, DecisionRow.at, DecisionRow.checks)
        .where(DecisionRow.incident_id.in_(numbers), DecisionRow.checks.contains([{"guard": "confirm"}]))
        .order_by(DecisionRow.id)
    )
    found: dict[str, list[tuple[datetime, Check]]] = defaultdict(list)
    for row in decided:
        verdicts = (rows.check(value) for value in row.checks)
        found[row.alert_id] += [(row.at, one) for one in verdicts if one.guard == "confirm"]
    return found


async def _healed(transaction: Transaction, numbers: set[int]) -> dict[int, str]:
    """Say of each incident which playbook was seen to help, if one was."""
    helped = await transaction.execute(
        select(RunRow.incident_id, RunRow.playbook)
        .where(
            RunRow.incident_id.in_(numbers),
            RunRow.outcome == Outcome.SUCCEEDED.value,
            RunRow.mode != Mode.DRY_RUN.value,
            or_(*(RunRow.steps.contains([{"action": verb}]) for verb in PROOFS)),
            exists().where(EntryRow.run_id == RunRow.id),
        )
        .order_by(RunRow.id)
    )
    return {row.incident_id: row.playbook for row in helped}


async def _ended(transaction: Transaction, until: datetime) -> dict[str, datetime]:
    """Say when runs of ours first acted on workflows, by uid."""
    uid = RunRow.target["uid"].astext
    acted = await transaction.execute(
        select(uid.label("uid"), func.min(EntryRow.started_at).label("at"))
        .join(EntryRow, EntryRow.run_id == RunRow.id)
        .where(EntryRow.started_at < until)
        .group_by(uid)
    )
    return {row.uid: row.at for row in acted}


async def _pauses(
    transaction: Transaction, since: datetime, until: datetime
) -> tuple[tuple[Pause, datetime | None], ...]:
    held = await transaction.execute(
        select(PauseRow)
        .where(
            PauseRow.paused_at < until,
            or_(PauseRow.ended_at.is_(None), PauseRow.ended_at > since),
            or_(PauseRow.expires_at.is_(None), PauseRow.expires_at > since),
        )
        .order_by(PauseRow.id)
    )
    return tuple(
        (
            Pause(
                id=row.id,
                reason=row.reason,
                paused_by=row.paused_by,
                paused_at=row.paused_at,
                expires_at=row.expires_at,
            ),
            row.ended_at,
        )
        for row in held
    )


async def _missing(transaction: Transaction, since: datetime, until: datetime) -> tuple[str, ...]:
    """Name the months of the range that were dropped from Postgres after they had been exported."""
    begin = since.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    gone = await transaction.execute(
        select(ExportRow.month)
        .where(
            ExportRow.relation == Relation.ALERTS.value,
            ExportRow.pruned_at.is_not(None),
            ExportRow.month >= begin,
            ExportRow.month < until,
        )
        .order_by(ExportRow.month)
    )
    return tuple(f"{month:%Y-%m}" for month in gone.scalars())


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _chunks(numbers: Sequence[int]) -> Iterator[set[int]]:
    for first in range(0, len(numbers), _AT_ONCE):
        yield set(numbers[first : first + _AT_ONCE])
