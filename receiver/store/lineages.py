"""Which workflow descends from which, as far as anybody looked: the cluster forgets its workflows, this does not."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from receiver.model.workflow import Workflow
from receiver.store.database import Transaction
from receiver.store.tables import LineageRow


async def of_uid(transaction: Transaction, uid: str) -> str:
    """Find the lineage under which a workflow was kept; empty when nobody ever looked at it."""
    found = await transaction.execute(select(LineageRow.lineage).where(LineageRow.uid == uid))
    return str(found.scalar() or "")


async def of_name(transaction: Transaction, namespace: str, name: str, *, not_after: datetime) -> str:
    """Find the lineage of the newest workflow of a name that was there at a time; empty when none was looked at."""
    found = await transaction.execute(
        select(LineageRow.lineage)
        .where(LineageRow.namespace == namespace, LineageRow.name == name, LineageRow.created_at <= not_after)
        .order_by(LineageRow.created_at.desc())
        .limit(1)
    )
    return str(found.scalar() or "")


async def keep(transaction: Transaction, workflow: Workflow, lineage: str, at: datetime) -> str:
    """Keep the lineage of a workflow; returns the one that counts, which is the first that was kept."""
    kept = await transaction.execute(
        upsert(LineageRow)
        .values(
            uid=workflow.uid,
            namespace=workflow.namespace,
            name=workflow.name,
            created_at=workflow.created_at,
            lineage=lineage,
            seen_at=at,
        )
        .on_conflict_do_update(index_elements=[LineageRow.uid], set_={"seen_at": at})
        .returning(LineageRow.lineage)
    )
    return str(kept.scalar_one())
