"""Archive a finished workflow on S3: whole, read back, and written into the index. The workflow is left as it is."""

from typing import ClassVar

import msgspec

from receiver.model.archive import Archived
from receiver.model.attachment import Part, key_of
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, not_there, the_watched, watched_now


class Archive(Params, frozen=True, kw_only=True, omit_defaults=True):
    """Archive the finished workflow on S3, and read it back."""

    with_: tuple[Part, ...] = msgspec.field(name="with", default=())
    """What else is kept beside it: the logs of its pods, the warnings about it; masked, as far as they are there."""


class WorkflowArchive(Effect[Archive]):
    """The verb `workflow.archive`."""

    name: ClassVar[str] = "workflow.archive"
    params = Archive
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER, Need.BUCKET})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get",)),)
    on_target: ClassVar[bool] = False

    def say(self, params: Archive, target: str) -> str:
        """Say what is archived."""
        return f"archive workflow {target}{_and_beside(params)}"

    async def look(self, means: Means, turn: Turn[Archive]) -> Archived | None:
        """Find the archive of the very state that the workflow is in, having read it back, with what is beside it."""
        workflow = watched_now(turn)
        if workflow is None or means.keeper is None:
            return None
        return await means.keeper.kept(workflow, beside=turn.params.with_)

    def recover(self, turn: Turn[Archive]) -> Performed | None:
        """See whether it is archived, whoever did it: there is one archive of one state."""
        found = turn.facts.seen
        return _done(turn, found, "is archived at") if isinstance(found, Archived) else None

    def moot(self, turn: Turn[Archive]) -> str:
        """Say whether it is gone."""
        return not_there(turn)

    def refusal(self, turn: Turn[Archive]) -> str:
        """Say whether it goes on."""
        workflow = turn.facts.workflow
        return "" if workflow is not None and workflow.finished else "the workflow is not finished"

    async def perform(self, means: Means, turn: Turn[Archive]) -> Performed:
        """Archive exactly what was read."""
        by = f"remediation {turn.run.id} ({turn.run.playbook})"
        made = await means.the_keeper().keep(the_watched(turn), by=by, beside=turn.params.with_)
        return _done(turn, made, "was archived at")


def _done(turn: Turn[Archive], made: Archived, verb: str) -> Performed:
    result = {
        **named(the_watched(turn)),
        "archive": made.id,
        "place": made.place,
        "content_sha256": made.content,
        "sha256": made.sha256,
        "size": made.size,
    }
    if turn.params.with_:
        result["beside"] = [key_of(made, part) for part in turn.params.with_]
    text = f"Workflow {made.namespace}/{made.name} {verb} {made.place}{_and_beside(turn.params)}, and was read back."
    return Performed(text=text, vars=turn.kept, result=result)


def _and_beside(params: Archive) -> str:
    return f" with its {' and '.join(params.with_)}" if params.with_ else ""
