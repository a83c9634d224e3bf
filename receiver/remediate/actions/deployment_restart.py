"""Let a Deployment replace its pods by its own strategy, as `kubectl rollout restart` does: an agent's, say."""

from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from receiver.model.duration import Duration, format_duration
from receiver.model.errors import NotFound
from receiver.model.workload import Deployment
from receiver.remediate.actions.action import Complaint, Effect, Failed, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.aim import filled, may_name
from receiver.remediate.facts import entries_at


class RestartDeployment(Params, frozen=True, kw_only=True):
    """Let a Deployment in the namespace of the target replace its pods, and wait until the new ones serve."""

    name: str = ""
    """Its name, left out where it is the target. A label of the alert may stand in braces: `{agent}-agent`."""
    within: Duration = msgspec.field(default_factory=lambda: Duration(minutes=10))
    """How long the new pods may take."""


class DeploymentRestart(Effect[RestartDeployment]):
    """The verb `deployment.restart`."""

    name: ClassVar[str] = "deployment.restart"
    params = RestartDeployment
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (Grant(group="apps", resource="deployments", verbs=("get", "patch")),)
    on_target: ClassVar[bool] = False

    def say(self, params: RestartDeployment, target: str) -> str:
        """Say what is restarted."""
        where, _, name = target.partition("/")
        within = format_duration(params.within)
        return f"restart deployment {params.name or name} in {where}, and wait at most {within} until it serves"

    def complain(self, params: RestartDeployment) -> Complaint | None:
        """Refuse what can be no name whatever the labels say."""
        if params.name and not may_name(params.name):
            return Complaint(key="name", reason=f"{params.name!r} gives no name that Kubernetes allows")
        return None if params.within else Complaint(key="within", reason="within is 0, so it could only time out")

    def longest(self, params: RestartDeployment) -> timedelta:
        """Give its limit."""
        return params.within

    async def look(self, means: Means, turn: Turn[RestartDeployment]) -> Deployment | None:
        """Read the Deployment."""
        name = _name(turn)
        if name is None:
            return None
        try:
            return await means.the_cluster().get_deployment(turn.target.namespace, name)
        except NotFound:
            return None

    def recover(self, turn: Turn[RestartDeployment]) -> Performed | Failed | None:
        """See whether this step restarted it, and how far its new pods are."""
        found = turn.facts.seen
        if not isinstance(found, Deployment) or found.restarted_by != turn.operation:
            return None
        if found.rolled_out:
            return _told(turn, found, "was restarted, and its new pods serve")
        entries = entries_at(turn.run, turn.run.cursor)
        begun_at = entries[0].started_at if entries else turn.run.entered_at
        if turn.facts.now < begun_at + turn.params.within:
            pods = f"{found.available} of {found.wanted} pods serve"
            return _told(turn, found, f"was restarted; {pods}", under_way=True)
        within = format_duration(turn.params.within)
        return Failed(text=f"Deployment {found.namespace}/{found.name} does not serve {within} after its restart.")

    def refusal(self, turn: Turn[RestartDeployment]) -> str:
        """Say whether it is not clear which, or there is none."""
        if _name(turn) is None:
            return f"the labels of the alert give no name for {turn.params.name}"
        found = turn.facts.seen
        if not isinstance(found, Deployment):
            return "there is no such deployment"
        return "its rollouts are paused" if found.paused else ""

    async def perform(self, means: Means, turn: Turn[RestartDeployment]) -> Performed:
        """Restart it."""
        found = turn.facts.seen
        if not isinstance(found, Deployment):
            raise NotFound("There is no deployment to restart: it was deleted meanwhile.")
        cluster = means.the_cluster()
        made = await cluster.restart_deployment(found.namespace, found.name, operation=turn.operation)
        return _told(turn, made, "was told to replace its pods", under_way=True)


def _name(turn: Turn[RestartDeployment]) -> str | None:
    if turn.target.kind == "deployment":
        return turn.target.name
    return filled(turn.params.name, turn.facts.alert.labels)


def _told(turn: Turn[Any], found: Deployment, what: str, *, under_way: bool = False) -> Performed:
    return Performed(
        text=f"Deployment {found.namespace}/{found.name} {what}.",
        vars=turn.kept,
        result={"namespace": found.namespace, "name": found.name, "uid": found.uid},
        under_way=under_way,
    )
