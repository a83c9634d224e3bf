"""Hand an action what it may work with: to look whether its effect is there already, and to take it."""

from dataclasses import replace

from receiver.model.errors import ActionError, ClusterError, DocumentError
from receiver.model.remediation import Run
from receiver.pipeline.rooms import Rooms
from receiver.remediate.actions import Means, Performed, Turn, effect
from receiver.remediate.facts import Facts, verb_at
from receiver.remediate.language import parse_step


def means_of(rooms: Rooms) -> Means:
    """Give what is configured here."""
    return Means(
        cluster=rooms.cluster,
        argo=rooms.argo,
        alertmanagers=rooms.alertmanagers,
        errands=rooms.errands,
        archive=rooms.argo,
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
