"""Archive a finished workflow on S3: whole, read back, and written into the index. The workflow is left as it is."""

from typing import ClassVar

from receiver.model.archive import Archived
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import named, not_there, the_watched, watched_now


class Archive(Params, frozen=True, kw_only=True):
    """Archive the finished workflow on S3, and read it back. Takes no parameters."""


class WorkflowArchive(Effect[Archive]):
    """The verb `workflow.archive`."""

    name: ClassVar[str] = "workflow.archive"
    params = Archive
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER, Need.BUCKET})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="argoproj.io", resource="workflows", verbs=("get",)),)
    on_target: ClassVar[bool] = False

    def say(self, params: Archive, target: str) -> str:
        """Say what is archived."""
        del params
        return f"archive workflow {target}"

    async def look(self, means: Means, turn: Turn[Archive]) -> Archived | None:
        """Find the archive of the very state that the workflow is in, having read it back."""
        workflow = watched_now(turn)
        return None if workflow is None or means.keeper is None else await means.keeper.kept(workflow)

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
        made = await means.the_keeper().keep(the_watched(turn), by=by)
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
    text = f"Workflow {made.namespace}/{made.name} {verb} {made.place}, and was read back."
    return Performed(text=text, vars=turn.kept, result=result)
