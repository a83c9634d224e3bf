"""Whose descendant a workflow is: the root of all its resubmits, ours and other people's."""

from datetime import datetime
from typing import Final

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import NotFound
from receiver.model.workflow import Workflow
from receiver.store import decisions, lineages
from receiver.store.database import Database

_LONGEST: Final = 20
"""Generations that are followed; whoever restarted a workflow more often than that has other troubles."""


async def lineage_of(database: Database, cluster: Cluster, workflow: Workflow, at: datetime) -> str:
    """Find the lineage that guards and incidents count by, and keep it.

    It is the uid of the first workflow of the chain. What was found once is kept, so that it stays the same when the
    cluster forgets an ancestor. Where an ancestor is gone that nobody ever looked at, its uid, or the name that its
    descendants remember, stands for it.

    Raises:
        ClusterError: An ancestor could not be read.
        StoreError: What was kept could not be read.
    """
    current, found = workflow, ""
    for _ in range(_LONGEST):
        found = await _known(database, current)
        if found:
            break
        if not current.resubmitted_from:
            found = current.uid
            break
        parent = await _parent(cluster, current)
        if parent is None:
            found = await _stand_in(database, current)
            break
        current = parent
    async with database.transaction() as transaction:
        return await lineages.keep(transaction, workflow, found or current.uid, at)


async def _parent(cluster: Cluster, workflow: Workflow) -> Workflow | None:
    """Read what a workflow repeats; None when it is gone, or a later workflow has taken its name."""
    try:
        parent = await cluster.get_workflow(workflow.namespace, str(workflow.resubmitted_from))
    except NotFound:
        return None
    expected = workflow.resubmitted_from_uid
    if parent.created_at > workflow.created_at or (expected and parent.uid != expected):
        return None
    return parent


async def _known(database: Database, workflow: Workflow) -> str:
    """Find what is kept of a workflow, or else of the one that it repeats; empty when nothing is."""
    async with database.transaction() as transaction:
        for uid in (workflow.uid, workflow.resubmitted_from_uid):
            if uid:
                # The journal comes first: its runs are what guards count.
                known = await decisions.lineage_of(transaction, uid) or await lineages.of_uid(transaction, uid)
                if known:
                    return known
    return ""


async def _stand_in(database: Database, workflow: Workflow) -> str:
    """Say what stands for an ancestor that is gone: what is kept of its name, its uid, or the name alone."""
    if workflow.resubmitted_from_uid:
        return workflow.resubmitted_from_uid
    name = str(workflow.resubmitted_from)
    async with database.transaction() as transaction:
        kept = await lineages.of_name(transaction, workflow.namespace, name, not_after=workflow.created_at)
    return kept or f"{workflow.namespace}/{name}"
