"""Incidents that speak for many: what a playbook was held back from, for one reason that concerns them all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select, update

from receiver.model.incident import Incident, IncidentState, worst
from receiver.model.remediation import Check, Outcome
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.stories import LOOK_LEASE
from receiver.store.tables import DecisionRow, IncidentRow

_KEY: Final = "held back: "
"""No alert's incident has such a key: theirs are digests."""
_OPEN: Final = IncidentState.OPEN.value


def is_gathering(incident: Incident) -> bool:
    """Answer whether an incident speaks for others."""
    return incident.key.startswith(_KEY)


def playbook_of(incident: Incident) -> str:
    """Name the playbook that was held back from those for which a gathering speaks."""
    return incident.key.removeprefix(_KEY)


async def find(transaction: Transaction, playbook: str) -> int | None:
    """Find the open gathering of a playbook, and keep it open until the end of the transaction."""
    found = await transaction.execute(
        select(IncidentRow.id).where(IncidentRow.key == _KEY + playbook, IncidentRow.state == _OPEN).with_for_update()
    )
    return found.scalar()


async def begin(transaction: Transaction, playbook: str, *, title: str, severity: str, at: datetime) -> int:
    """Begin the gathering of a playbook, whose scope is held; returns its number."""
    key = _KEY + playbook
    before = select(func.max(IncidentRow.id)).where(IncidentRow.key == key).scalar_subquery()
    begun = await transaction.execute(
        insert(IncidentRow)
        .values(
            key=key,
            state=_OPEN,
            cluster="",
            namespace="",
            workflow="",
            agent="",
            title=title,
            severity=severity,
            opened_at=at,
            firing=0,
            flaps=0,
            previous_id=before,
            look_at=at + LOOK_LEASE,
        )
        .returning(IncidentRow.id)
    )
    return int(begun.scalar_one())


async def join(transaction: Transaction, incident_id: int, gathering_id: int) -> bool:
    """Let an incident be told of by a gathering; false where it is already."""
    joined = await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == incident_id, IncidentRow.part_of.is_distinct_from(gathering_id))
        .values(part_of=gathering_id)
        .returning(IncidentRow.id)
    )
    return joined.first() is not None


async def refusals(transaction: Transaction, playbook: str, guard: str, since: datetime) -> int:
    """Count the decisions of a playbook since a time that a guard refused."""
    found = await transaction.execute(
        select(func.count())
        .select_from(DecisionRow)
        .where(
            DecisionRow.at >= since,
            DecisionRow.playbook == playbook,
            DecisionRow.outcome == Outcome.BLOCKED.value,
            DecisionRow.checks.contains([{"guard": guard, "passed": False}]),
        )
    )
    return int(found.scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Those for which a gathering speaks.

    Attributes:
        open: How many of them are not over.
        severity: The worst of theirs.
        refusal: What was refused to the last of them first; None where nothing was.
    """

    open: int
    severity: str
    refusal: Check | None


async def members(transaction: Transaction, gathering_id: int) -> Members:
    """Read those for which a gathering speaks."""
    about = IncidentRow.part_of == gathering_id
    counted = await transaction.execute(
        select(IncidentRow.severity, func.count().label("number"))
        .where(about, IncidentRow.state == _OPEN)
        .group_by(IncidentRow.severity)
    )
    by_severity = {row.severity: int(row.number) for row in counted}
    newest = await transaction.execute(
        select(DecisionRow.checks)
        .where(
            DecisionRow.incident_id.in_(select(IncidentRow.id).where(about)),
            DecisionRow.outcome == Outcome.BLOCKED.value,
        )
        .order_by(DecisionRow.id.desc())
        .limit(1)
    )
    checks = [rows.check(value) for value in newest.scalar() or ()]
    return Members(
        open=sum(by_severity.values()),
        severity=worst(list(by_severity)),
        refusal=next((check for check in checks if not check.passed), None),
    )


async def told_of_by(transaction: Transaction, incident_id: int) -> tuple[int, ...]:
    """List the incidents for which one speaks; none for nearly all."""
    found = await transaction.execute(
        select(IncidentRow.id).where(IncidentRow.part_of == incident_id).order_by(IncidentRow.id)
    )
    return tuple(found.scalars())


async def say(transaction: Transaction, gathering_id: int, *, title: str, severity: str) -> None:
    """Write down what a gathering has come to."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == gathering_id)
        .values(title=title, severity=severity, quiet_since=None)
    )


async def rest(transaction: Transaction, gathering_id: int, at: datetime) -> None:
    """Let a gathering be over once the linger has passed: none of its members is open any more."""
    await transaction.execute(
        update(IncidentRow)
        .where(IncidentRow.id == gathering_id, IncidentRow.quiet_since.is_(None))
        .values(quiet_since=at)
    )
