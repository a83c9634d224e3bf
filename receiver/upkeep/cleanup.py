"""Finished workflows out of the cluster: archived, read back, and deleted only then; one run at a time.

What a run has done is in the archive's index and in the cluster, so one that was killed at any point is continued by
the next: an object that was uploaded is found again, and what is archived already is only read back and deleted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from receiver.clients.kubernetes import Cluster
from receiver.model.archive import Archived
from receiver.model.cleanup import CleanupRun, Fate, Kind, Move, Reason, left_alone
from receiver.model.errors import (
    CleanupBusy,
    ClusterError,
    Conflict,
    NotFound,
    PreconditionFailed,
    S3Error,
    WouldBeMasked,
)
from receiver.model.workflow import Workflow
from receiver.store import cleanups
from receiver.store.database import Database
from receiver.store.turns import Turn, alone
from receiver.upkeep.leaving import Rules, ended_at, left_to_argo, workflow_left
from receiver.upkeep.remnants import Remnants

_FAILURES_IN_A_ROW: Final = 5
"""After so many nothing else is tried: a store that is away would let each of hundreds wait for its timeout."""

Tell = Callable[[Move, CleanupRun], None]
"""Is given each object as soon as it is known what became of it, and what the run has come to."""


class Keeper(Protocol):
    """Whoever archives, as `receiver.pipeline.archiving` does."""

    async def keep(self, workflow: Workflow, *, by: str) -> Archived:
        """Archive a finished workflow in exactly the state in which it was read, and read it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is remembered of a workflow while all of them are listed.

    Attributes:
        move: Of one that ended long ago.
        origin: Of one that has not ended: namespace, name and, where it is known, uid of the run that it repeats.
    """

    move: Move | None = None
    origin: tuple[str, str, str | None] | None = None


class Cleanup:
    """Whoever cleans up.

    Args:
        database: Holds the index, and a row for each run.
        cluster: Where workflows are.
        keeper: Archives them.
        namespaces: Where; an empty name means everywhere.
        rules: What may be taken.
        remnants: What else is taken; None where nobody asked for that.
        now: The clock.
    """

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        keeper: Keeper,
        *,
        namespaces: Sequence[str],
        rules: Rules,
        remnants: Remnants | None = None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._keeper = keeper
        self._namespaces = namespaces
        self._rules = rules
        self._remnants = remnants
        self._now = now

    async def survey(self) -> list[Move]:
        """List what is due, workflows first and the oldest first, then what is left alone. Touches nothing.

        Raises:
            ClusterError: It could not be listed.
        """
        found: list[Move] = []
        for namespace in self._namespaces:
            seen = [one for one in await self._cluster.look_through(namespace, self._look) if one is not None]
            origins = {one.origin for one in seen if one.origin is not None}
            found += [_unless_repeated(one.move, origins) for one in seen if one.move is not None]
        found.sort(key=lambda move: (move.since, move.namespace, move.name))
        if self._remnants is not None:
            found += await self._remnants.survey(self._namespaces)
        return sorted(found, key=lambda move: move.fate is not Fate.DUE)

    async def run(self, *, by: str, budget: int, tell: Tell) -> CleanupRun:
        """Archive and delete what is due, as long as the budget lasts, and write down what came of it.

        Args:
            by: Who asks for it.
            budget: How many objects are deleted at most.
            tell: Follows it.

        Raises:
            CleanupBusy: Another run works.
            ClusterError: The workflows could not be listed.
            StoreError: The database cannot take part. What was deleted by then was archived before.
        """
        async with alone(self._database, Turn.CLEANUP) as ours:
            if not ours:
                raise CleanupBusy("another cleanup works with this database: let it end, then begin again")
            run = CleanupRun(started_at=self._now(), started_by=by, older_than=self._rules.older_than, budget=budget)
            async with self._database.transaction() as tx:
                run = await cleanups.begin(tx, run)
            try:
                moves = await self.survey()
            except ClusterError as error:
                await self._keep(replace(run, ended_at=self._now(), trouble=str(error)))
                raise
            run = await self._work(replace(run, due=sum(move.fate is Fate.DUE for move in moves)), moves, tell)
            run = replace(run, ended_at=self._now())
            await self._keep(run)
            return run

    async def _work(self, run: CleanupRun, moves: Sequence[Move], tell: Tell) -> CleanupRun:
        """Go through all, until the budget is spent or nothing succeeds any more."""
        for left in (move for move in moves if move.fate is not Fate.DUE):
            run = run.counting(left)
            tell(left, run)
        failures = 0
        for due in (move for move in moves if move.fate is Fate.DUE):
            if run.spent:
                break
            move = await self._made(due, by=f"cleanup {run.id} ({run.started_by})")
            run = run.counting(move)
            failures = failures + 1 if move.fate is Fate.FAILED else 0
            if failures == _FAILURES_IN_A_ROW:
                run = replace(run, trouble=f"{failures} in a row failed and no more was tried; last: {move.text}")
            await self._keep(run)
            tell(move, run)
            if failures == _FAILURES_IN_A_ROW:
                break
        return run

    async def _made(self, due: Move, *, by: str) -> Move:
        """Do what is due to one object, and say what became of it."""
        try:
            if due.kind is Kind.WORKFLOW or self._remnants is None:
                return await self._take(due, by=by)
            return await self._remnants.take(due)
        except NotFound:
            return left_alone(due, (Reason.GONE, "somebody else deleted it meanwhile"))
        except PreconditionFailed:
            return left_alone(due, (Reason.GONE, "another of its name has taken its place; that one is left alone"))
        except Conflict:
            return left_alone(due, (Reason.CHANGED, "somebody wrote to it meanwhile; the next run looks again"))
        except (ClusterError, S3Error) as error:
            return replace(due, fate=Fate.FAILED, text=str(error))

    async def _take(self, due: Move, *, by: str) -> Move:
        """Archive a workflow as it is now, and delete exactly that.

        Raises:
            ClusterError: It could not be read or deleted, or is not what it was.
            S3Error: It could not be archived. It was not deleted.
        """
        workflow = await self._cluster.get_workflow(due.namespace, due.name)
        if workflow.uid != due.uid:
            raise PreconditionFailed(f"workflow {due.namespace}/{due.name} is another one now")
        if not workflow.finished:
            return left_alone(due, (Reason.CHANGED, "it was begun again"))
        left = workflow_left(workflow, self._rules)
        if left is not None:
            return left_alone(due, left)
        async with self._database.transaction() as tx:
            remediated = await cleanups.remediated(tx, workflow.uid)
        if remediated:
            return left_alone(due, (Reason.REMEDIATED, "a playbook is at work on it"))
        try:
            archived = await self._keeper.keep(workflow, by=by)
        except WouldBeMasked:
            return left_alone(
                due, (Reason.MASKED, "archive.mask matches something in it: it could not be brought back")
            )
        return await self._delete(workflow, replace(due, place=archived.place))

    async def _delete(self, workflow: Workflow, due: Move) -> Move:
        """Delete a workflow that the archive was just seen to hold in this state; what refuses leaves it archived."""
        left = left_to_argo(workflow, self._now())
        if left is not None:
            return left_alone(due, left)
        try:
            waiting = await self._cluster.delete_workflow(workflow)
        except NotFound:
            return left_alone(due, (Reason.GONE, "archived; somebody else deleted it meanwhile"))
        except PreconditionFailed:
            return left_alone(due, (Reason.GONE, "archived; another of its name has taken its place and is left alone"))
        except Conflict:
            return left_alone(due, (Reason.CHANGED, "archived; somebody wrote to it meanwhile, so it was not deleted"))
        except ClusterError as error:
            return replace(due, fate=Fate.FAILED, text=f"archived, but perhaps not deleted: {error}")
        text = "archived and deleted" if waiting is None else "archived; it goes once its finalizers are done"
        return replace(due, fate=Fate.DELETED, text=text)

    async def _keep(self, run: CleanupRun) -> None:
        async with self._database.transaction() as tx:
            await cleanups.keep(tx, run)

    def _look(self, workflow: Workflow, size: int) -> _Seen | None:
        if not workflow.finished:
            origin = workflow.resubmitted_from
            return _Seen(origin=(workflow.namespace, origin, workflow.resubmitted_from_uid)) if origin else None
        since = ended_at(workflow)
        if not self._rules.old(since, self._now()):
            return None
        move = Move(
            kind=Kind.WORKFLOW,
            namespace=workflow.namespace,
            name=workflow.name,
            uid=workflow.uid,
            since=since,
            size=size,
            fate=Fate.DUE,
        )
        left = workflow_left(workflow, self._rules)
        return _Seen(move=move if left is None else left_alone(move, left))


def _unless_repeated(move: Move, origins: set[tuple[str, str, str | None]]) -> Move:
    named = {(move.namespace, move.name, move.uid), (move.namespace, move.name, None)}
    if move.fate is not Fate.DUE or not named & origins:
        return move
    return left_alone(move, (Reason.REPEATED, "a run that was made out of it goes on"))
