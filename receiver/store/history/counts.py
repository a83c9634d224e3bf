"""How much is open: numbers for Prometheus, each answered by a small partial index."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from receiver.model.incident import IncidentState
from receiver.model.message import MessageState
from receiver.model.remediation import RunState
from receiver.store.database import Transaction
from receiver.store.jobs import count_waiting
from receiver.store.peer_tables import PeerRow
from receiver.store.tables import DeadLetterRow, IncidentRow, MessageRow, RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much is open.

    Attributes:
        outbox_pending: Messages that are still to be sent, by place.
        outbox_oldest: When the oldest of them was drafted; None when there is none.
        incidents_open: Incidents that are not over.
        runs_active: Remediations that are not finished, by state.
        deadletters_open: Dead letters about which nobody has decided.
        jobs_waiting: Jobs that no worker has taken yet, by kind.
        peers_answering: Alertmanagers that answered when they were last asked.
        peers_failing: Those that did not.
        peers_asked_at: When the one was asked that was not for longest; None where none is asked.
    """

    outbox_pending: dict[str, int]
    outbox_oldest: datetime | None
    incidents_open: int
    runs_active: dict[str, int]
    deadletters_open: int
    jobs_waiting: dict[str, int]
    peers_answering: int
    peers_failing: int
    peers_asked_at: datetime | None


async def count_open(tx: Transaction) -> Counts:
    """Count what is open."""
    pending = await tx.execute(
        select(MessageRow.place, func.count(), func.min(MessageRow.created_at))
        .where(MessageRow.state == MessageState.PENDING.value)
        .group_by(MessageRow.place)
    )
    by_place = [(str(place), int(number), oldest) for place, number, oldest in pending]
    active = await tx.execute(
        select(RunRow.state, func.count())
        .where(RunRow.state.in_([RunState.RUNNING.value, RunState.WAITING.value]))
        .group_by(RunRow.state)
    )
    is_open = select(func.count()).select_from(IncidentRow).where(IncidentRow.state == IncidentState.OPEN.value)
    undecided = select(func.count()).select_from(DeadLetterRow).where(DeadLetterRow.settled_at.is_(None))
    peers = (await tx.execute(select(PeerRow.asked_at, PeerRow.error))).all()
    return Counts(
        outbox_pending={place: number for place, number, _ in by_place},
        outbox_oldest=min((oldest for _, _, oldest in by_place), default=None),
        incidents_open=int((await tx.execute(is_open)).scalar_one()),
        runs_active={str(state): int(number) for state, number in active},
        deadletters_open=int((await tx.execute(undecided)).scalar_one()),
        jobs_waiting=await count_waiting(tx),
        peers_answering=sum(not error for _, error in peers),
        peers_failing=sum(bool(error) for _, error in peers),
        peers_asked_at=min((asked_at for asked_at, _ in peers), default=None),
    )
