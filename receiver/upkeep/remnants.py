"""Pods and claims whose workflows are gone: found by two looks at the cluster, and taken away one by one.

Kubernetes deletes what a workflow owned, sooner or later. What is left after the limit was missed by it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from receiver.clients.kubernetes import Cluster
from receiver.model.cleanup import Belonging, Fate, Kind, Move, Reason, left_alone
from receiver.model.errors import NotFound
from receiver.upkeep.leaving import Rules, belonging_left


@dataclass(slots=True)
class _Share:
    """What belongs to one workflow."""

    pods: int = 0
    claims: int = 0
    capacity: int = 0


@dataclass(slots=True)
class Remnants:
    """Whoever finds what was left behind.

    Args:
        cluster: Where it is.
        rules: What may be taken.
        kinds: Of which kinds.
        now: The clock.
    """

    cluster: Cluster
    rules: Rules
    kinds: Collection[Kind]
    now: Callable[[], datetime]
    _found: dict[str, Belonging] = field(default_factory=dict, init=False)
    """What is due, by uid: how it was when it was looked at."""

    async def survey(self, namespaces: Sequence[str]) -> list[Move]:
        """List what was left behind in some namespaces, an empty name meaning all: due or left alone, the oldest first.

        What has no owner, or is younger than the limit, is not listed at all, nor is what belongs to a living workflow.

        Raises:
            ClusterError: It could not be listed.
        """
        moves: list[Move] = []
        for namespace in namespaces:
            # What is created between the two lists has its workflow in the later one.
            listed = await self.cluster.belongings(namespace)
            living = frozenset(await self.cluster.look_through(namespace, lambda workflow, _: workflow.uid))
            moves += self._judged(listed, living)
        return sorted(moves, key=lambda move: (str(move.since), move.namespace, move.name))

    async def take(self, move: Move) -> Move:
        """Look once more whether the owners of one are gone, and delete it as it was when it was looked at.

        Raises:
            ClusterError: It could not be looked at or deleted, or has changed.
        """
        one = self._found[move.uid]
        for owner in one.owners:
            try:
                workflow = await self.cluster.get_workflow(one.namespace, owner.name)
            except NotFound:
                continue
            if workflow.uid == owner.uid:
                return left_alone(move, (Reason.OTHER_OWNER, f"workflow {owner.name} is there after all"))
        await self.cluster.delete_belonging(one)
        return replace(move, fate=Fate.DELETED, text="deleted; its workflow was gone")

    def _judged(self, listed: Sequence[Belonging], living: Collection[str]) -> Iterable[Move]:
        mounted = {(one.namespace, claim) for one in listed if not one.ended for claim in one.claims}
        now = self.now()
        for one in listed:
            lost = any(owner.workflow and owner.uid not in living for owner in one.owners)
            if one.kind not in self.kinds or not lost or not self.rules.old(one.created_at, now):
                continue
            left = belonging_left(one, living=living, mounted=mounted)
            self._found[one.uid] = one
            yield _move(one) if left is None else left_alone(_move(one), left)


async def with_what_follows(cluster: Cluster, namespaces: Sequence[str], moves: Sequence[Move]) -> list[Move]:
    """Say of each workflow that is due which pods and claims Kubernetes deletes with it.

    Raises:
        ClusterError: They could not be listed.
    """
    shares: dict[str, _Share] = defaultdict(_Share)
    for namespace in namespaces:
        for one in await cluster.belongings(namespace):
            for owner in one.owners:
                share = shares[owner.uid]
                share.pods += one.kind is Kind.POD
                share.claims += one.kind is Kind.CLAIM
                share.capacity += one.capacity
    return [_following(move, shares) for move in moves]


def _following(move: Move, shares: dict[str, _Share]) -> Move:
    if move.kind is not Kind.WORKFLOW or move.fate is not Fate.DUE or move.uid not in shares:
        return move
    share = shares[move.uid]
    return replace(move, pods=share.pods, claims=share.claims, capacity=share.capacity)


def _move(one: Belonging) -> Move:
    return Move(
        kind=one.kind,
        namespace=one.namespace,
        name=one.name,
        uid=one.uid,
        since=one.created_at,
        size=one.capacity,
        fate=Fate.DUE,
    )
