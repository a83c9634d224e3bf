"""Hand an action what it may work with: to look whether its effect is there already, and to take it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from receiver.clients.argo import ArgoServer
from receiver.model.archive import Archived
from receiver.model.attachment import Part
from receiver.model.errors import ActionError, ClusterError, DocumentError, S3Error
from receiver.model.remediation import Run
from receiver.model.workflow import Workflow
from receiver.pipeline.archiving import Archivist
from receiver.pipeline.attaching import Attacher
from receiver.pipeline.rooms import Rooms
from receiver.remediate.actions import Means, Performed, Turn, effect
from receiver.remediate.facts import Facts, verb_at
from receiver.remediate.language import parse_step


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Our own archive, and what lies beside it, with the errors that actions know."""

    archivist: Archivist
    attacher: Attacher | None

    async def keep(self, workflow: Workflow, *, by: str, beside: Collection[Part] = ()) -> Archived:
        with _told():
            made = await self.archivist.keep(workflow, by=by, masked=True)
            if beside:
                await self._the_attacher().attach(made, workflow, beside, by=by)
            return made

    async def kept(self, workflow: Workflow, *, beside: Collection[Part] = ()) -> Archived | None:
        with _told():
            found = await self.archivist.kept(workflow)
            if found is None or not beside:
                return found
            attached = [await self._the_attacher().attached(found, part) for part in beside]
            return found if all(attached) else None

    def _the_attacher(self) -> Attacher:
        if self.attacher is None:
            raise ActionError("nothing can be kept beside an archive: set archive.bucket and kubernetes.kubeconfig.")
        return self.attacher


@dataclass(frozen=True, slots=True)
class _Archives:
    """Every archive that can vouch for a workflow: ours first, then Argo's."""

    keeper: _Keeper | None
    argo: ArgoServer | None

    async def holds(self, workflow: Workflow) -> str:
        found = await self.keeper.kept(workflow) if self.keeper is not None else None
        if found is not None:
            return found.place
        return await self.argo.holds(workflow) if self.argo is not None else ""


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise ActionError(f"{error}.", retryable=error.retryable) from error


def means_of(rooms: Rooms) -> Means:
    """Give what is configured here."""
    keeper = _Keeper(rooms.archivist, rooms.attacher) if rooms.archivist is not None else None
    return Means(
        cluster=rooms.cluster,
        argo=rooms.argo,
        alertmanagers=rooms.alertmanagers,
        errands=rooms.errands,
        archive=_Archives(keeper, rooms.argo) if keeper or rooms.argo else None,
        keeper=keeper,
    )


async def see(rooms: Rooms, run: Run, facts: Facts) -> Facts:
    """Let the present step look for what it may have done already; what cannot be read is said in the facts."""
    present = effect(verb_at(run, run.cursor))
    if present is None or run.target is None:
        return facts
    try:
        _, params = parse_step(run.steps[run.cursor])
        turn = Turn(run=run, target=run.target, facts=facts, params=params)
        return replace(facts, seen=await present.look(means_of(rooms), turn))
    except (ClusterError, ActionError) as error:
        return replace(facts, workflow_error=str(error))
    except DocumentError:
        # What the run does about a step that cannot be read is decided with all the rest.
        return facts


async def perform(rooms: Rooms, run: Run, facts: Facts) -> Performed:
    """Take the effect of the present step.

    Raises:
        ClusterError: It was refused, or no answer came.
        ActionError: The same, or there is nothing that it could be done to.
    """
    verb, params = parse_step(run.steps[run.cursor])
    present = effect(verb)
    if present is None or run.target is None:
        raise ActionError(f"{verb} has nothing to act on.")
    return await present.perform(means_of(rooms), Turn(run=run, target=run.target, facts=facts, params=params))
