"""What playbooks decided: the locks under which they do, the decision, and the run that it begins."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.errors import StoreError
from receiver.model.incident import Occurrence
from receiver.model.remediation import Decision, Run, RunState
from receiver.store import rows
from receiver.store.database import Transaction
from receiver.store.tables import DecisionRow, RunRow

TICK_LEASE = timedelta(seconds=25)
"""By when a running run's tick must have come to something; then the sweep has it looked at again."""


async def lock_scopes(transaction: Transaction, *scopes: str) -> None:
    """Hold names (of a playbook, a namespace, a lineage) until the end of the transaction, in one order for everybody.

    Whoever decides about one of them is then alone, so that what guards count cannot change before the slot is taken.
    """
    for scope in sorted(set(scopes)):
        await transaction.execute(text("select pg_advisory_xact_lock(hashtextextended(:scope, 0))"), {"scope": scope})


async def decided(transaction: Transaction, alerts: Sequence[Occurrence]) -> set[tuple[str, str]]:
    """List which playbooks decided about the present firing of alerts: pairs of alert id and playbook."""
    if not alerts:
        return set()
    about = tuple_(DecisionRow.alert_id, DecisionRow.firing).in_([(one.id, one.firings) for one in alerts])
    found = await transaction.execute(select(DecisionRow.alert_id, DecisionRow.playbook).where(about))
    return {(row.alert_id, row.playbook) for row in found}


async def lineage_of(transaction: Transaction, uid: str) -> str:
    """Find the lineage that our own journal knows of the workflow of a uid; empty when it knows none."""
    made = RunRow.vars["workflow"]["uid"].astext == uid
    found = await transaction.execute(
        select(RunRow.lineage).where(or_(made, RunRow.target["uid"].astext == uid)).order_by(RunRow.id.desc()).limit(1)
    )
    return str(found.scalar() or "")


async def keep(
    transaction: Transaction, decision: Decision, *, incident_id: int, firing: int, at: datetime
) -> int | None:
    """Keep a decision; returns its number, or None when this playbook decided about this firing already."""
    kept = await transaction.execute(
        upsert(DecisionRow)
        .values(
            at=at,
            incident_id=incident_id,
            alert_id=decision.alert_id,
            firing=firing,
            playbook=decision.playbook,
            version=decision.version,
            mode=decision.mode.value,
            target=rows.target_json(decision.target),
            outcome=decision.outcome.value if decision.outcome else None,
            reason=decision.reason,
            checks=[rows.check_json(check) for check in decision.checks],
            would=list(decision.would),
            loss=rows.loss_json(decision.loss),
        )
        .on_conflict_do_nothing()
        .returning(DecisionRow.id)
    )
    return kept.scalar()


async def refuse(transaction: Transaction, run_id: int, decision: Decision) -> None:
    """Let the decision from which a run follows say that the run must not act after all: outcome, reason, checks."""
    about = (
        DecisionRow.alert_id == decision.alert_id,
        DecisionRow.playbook == decision.playbook,
        DecisionRow.run_id == run_id,
    )
    await transaction.execute(
        update(DecisionRow)
        .where(*about)
        .values(
            outcome=decision.outcome.value if decision.outcome else None,
            reason=decision.reason,
            checks=[rows.check_json(check) for check in decision.checks],
        )
    )


async def begin_run(
    transaction: Transaction,
    decision_id: int,
    decision: Decision,
    *,
    incident_id: int,
    at: datetime,
    steps: Sequence[Mapping[str, Any]],
    confirm: str,
    escalate: bool,
    hold_until: datetime | None,
) -> Run:
    """Begin the run of a decision; one that ended before it began is written down as finished.

    Raises:
        StoreError: Another run on the lineage is unfinished, though the lineage was locked: nothing is begun.
    """
    outcome = decision.outcome
    over = outcome is not None
    began = await transaction.execute(
        upsert(RunRow)
        .values(
            incident_id=incident_id,
            alert_id=decision.alert_id,
            playbook=decision.playbook,
            version=decision.version,
            mode=decision.mode.value,
            target=rows.target_json(decision.target),
            lineage=decision.target.lineage if decision.target else "",
            state=(RunState.FINISHED if over else RunState.RUNNING).value,
            outcome=outcome.value if outcome else None,
            reason=decision.reason,
            confirm=confirm,
            escalate=escalate,
            hold_until=hold_until,
            steps=list(steps),
            cursor=0,
            vars={} if decision.loss is None else {"loss": decision.loss.shown},
            wake_at=None if over else at + TICK_LEASE,
            entered_at=at,
            started_at=at,
            finished_at=at if over else None,
        )
        .on_conflict_do_nothing()
        .returning(RunRow)
    )
    row = began.first()
    if row is None:
        raise StoreError(f"another run on lineage {decision.target and decision.target.lineage} is unfinished")
    await transaction.execute(update(DecisionRow).where(DecisionRow.id == decision_id).values(run_id=row.id))
    return rows.run(row)
