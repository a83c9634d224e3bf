"""Whose descendant a workflow is: the root of all its resubmits, ours and other people's."""

from typing import Final

from receiver.clients.kubernetes import Cluster
from receiver.model.errors import NotFound
from receiver.model.workflow import Workflow
from receiver.store import decisions
from receiver.store.database import Transaction

_LONGEST: Final = 20
"""Generations that are followed; whoever restarted a workflow more often than that has other troubles."""


async def lineage_of(transaction: Transaction, cluster: Cluster, workflow: Workflow) -> str:
    """Find the lineage that guards and incidents count by.

    It is the uid of the first workflow of the chain. Where our journal knows a generation, it knows the lineage. Where
    an ancestor is gone from the cluster, the name that its descendants remember stands for it.

    Raises:
        ClusterError: An ancestor could not be read.
        StoreError: The journal could not be read.
    """
    current = workflow
    for _ in range(_LONGEST):
        known = await decisions.lineage_of(transaction, current.uid)
        if known or not current.resubmitted_from:
            return known or current.uid
        if current.resubmitted_from_uid:
            known = await decisions.lineage_of(transaction, current.resubmitted_from_uid)
            if known:
                return known
        try:
            parent = await cluster.get_workflow(current.namespace, current.resubmitted_from)
        except NotFound:
            return current.resubmitted_from_uid or f"{current.namespace}/{current.resubmitted_from}"
        if parent.created_at > current.created_at:
            # A later workflow took the ancestor's name.
            return current.resubmitted_from_uid or f"{current.namespace}/{current.resubmitted_from}"
        current = parent
    return current.uid
