"""Delete one stuck pod of a running workflow, so that Argo makes it anew.

Argo makes a pod anew in two cases only. A step that is still `Pending` is submitted again. A step that runs counts as
an `Error` when its pod goes, and is tried again where its own template has a `retryStrategy` whose `retryPolicy` is
`Always` or `OnError`, or has an `expression` and no policy (Argo, `workflow/controller/operator.go`: podReconciliation,
processNodeRetries). In every other case the workflow would fail, so the pod is left alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from receiver.model.errors import NotFound
from receiver.model.workflow import Node, Phase, Pod, Workflow
from receiver.remediate.actions.action import Effect, Grant, Params, Performed, Turn
from receiver.remediate.actions.means import Means, Need
from receiver.remediate.actions.watching import not_there, the_watched, watched_now
from receiver.remediate.facts import Facts, entries_at

_POLICIES: Final = frozenset({"Always", "OnError"})


class DeletePod(Params, frozen=True, kw_only=True):
    """Delete the stuck pod: the one that the alert's label `pod` names, else the only one that is not finished."""

    only_waiting: bool = False
    """Only while it waits to begin, or one of its containers does: what works is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Retry strategies of the workflow's templates, by the template's name."""

    strategies: Mapping[str, Mapping[str, Any]]


class PodDelete(Effect[DeletePod]):
    """The verb `pod.delete`."""

    name: ClassVar[str] = "pod.delete"
    params = DeletePod
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CLUSTER})
    grants: ClassVar[tuple[Grant, ...]] = (
        Grant(group="argoproj.io", resource="workflows", verbs=("get",)),
        Grant(group="", resource="pods", verbs=("get", "list", "delete")),
    )
    destructive: ClassVar[bool] = True

    def say(self, params: DeletePod, target: str) -> str:
        """Say whose pod."""
        del params
        return f"delete the stuck pod of workflow {target}, so that Argo makes it anew"

    async def look(self, means: Means, turn: Turn[DeletePod]) -> _Seen | None:
        """Read how its steps are retried."""
        try:
            raw = await means.the_cluster().raw_workflow(turn.target.namespace, turn.target.name)
        except NotFound:
            return None
        return _Seen(strategies=retry_strategies(raw))

    def intent(self, turn: Turn[DeletePod]) -> Mapping[str, Any]:
        """Keep which pod is meant: the next one may have the same name."""
        pod = stuck_pod(turn.facts, turn.facts.pods or ())
        return {} if isinstance(pod, str) else {"pod": pod.name, "uid": pod.uid}

    def recover(self, turn: Turn[DeletePod]) -> Performed | None:
        """See whether the pod that an earlier attempt meant is gone, or on its way."""
        entries, pods = entries_at(turn.run, turn.run.cursor), turn.facts.pods
        meant = entries[-1].result.get("uid") if entries else None
        if meant is None or pods is None or watched_now(turn) is None:
            return None
        left = next((pod for pod in pods if pod.uid == meant), None)
        return _done(turn, str(entries[-1].result.get("pod"))) if left is None or left.deleting else None

    def moot(self, turn: Turn[DeletePod]) -> str:
        """Say whether the workflow ended or is gone."""
        workflow = turn.facts.workflow
        if not_there(turn) or workflow is None:
            return not_there(turn)
        return f"the workflow finished by itself ({workflow.phase.value})" if workflow.finished else ""

    def refusal(self, turn: Turn[DeletePod]) -> str:
        """Say whether it is not clear which pod, or Argo would not make it anew."""
        if turn.facts.pods is None:
            return "its pods could not be read"
        pod = stuck_pod(turn.facts, turn.facts.pods)
        if isinstance(pod, str):
            return pod
        if turn.params.only_waiting and not _waits(pod):
            return f"pod {pod.name} waits for nothing any more"
        workflow, seen = watched_now(turn), turn.facts.seen
        if workflow is None or not isinstance(seen, _Seen):
            return "how its steps are retried could not be read"
        return not_made_anew(workflow, pod, seen.strategies)

    async def perform(self, means: Means, turn: Turn[DeletePod]) -> Performed:
        """Delete it."""
        pod = stuck_pod(turn.facts, turn.facts.pods or ())
        if isinstance(pod, str):
            raise NotFound(f"No pod of {the_watched(turn).name} was deleted: {pod}.")
        await means.the_cluster().delete_pod(pod.namespace, pod.name, pod.uid)
        return _done(turn, pod.name)


def stuck_pod(facts: Facts, pods: Sequence[Pod]) -> Pod | str:
    """Choose the pod that is meant, or say why it is not clear which."""
    named = facts.alert.labels.get("pod", "")
    open_pods = [pod for pod in pods if pod.phase not in {"Succeeded", "Failed"} and not pod.deleting]
    if named:
        found = next((pod for pod in open_pods if pod.name == named), None)
        return found or "the pod that the alert names is not there any more, or not of this workflow"
    if len(open_pods) == 1:
        return open_pods[0]
    return f"it has {len(open_pods)} pods that are not finished, and the alert names none in its label `pod`"


def not_made_anew(workflow: Workflow, pod: Pod, strategies: Mapping[str, Mapping[str, Any]]) -> str:
    """Say why Argo would not make a pod anew; empty when it would."""
    if workflow.nodes is None:
        return workflow.nodes_unreadable or "its steps could not be read"
    node = next((one for one in workflow.nodes if one.id == pod.node_id), None)
    if node is None:
        return f"no step of the workflow is carried out by pod {pod.name}"
    if node.phase is Phase.PENDING:
        return ""
    if not _has_retries(workflow.nodes, node):
        return f"the step {node.display_name} has no retryStrategy, so the workflow would fail with its pod"
    strategy = strategies.get(node.template, {})
    policy = strategy.get("retryPolicy") or ("Always" if strategy.get("expression") else "OnFailure")
    if policy in _POLICIES:
        return ""
    return f"the retryPolicy of the step {node.display_name} is {policy}, which does not try again what lost its pod"


def retry_strategies(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Read the retry strategy of each template of a workflow, wherever it keeps them."""
    return {
        template["name"]: template["retryStrategy"]
        for template in _templates(raw)
        if isinstance(template.get("name"), str) and isinstance(template.get("retryStrategy"), dict)
    }


def _templates(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    spec, status = _part(raw, "spec"), _part(raw, "status")
    stored = _part(status, "storedWorkflowTemplateSpec")
    listed = (*_list(stored, "templates"), *_list(spec, "templates"), *_part(status, "storedTemplates").values())
    return (one for one in listed if isinstance(one, dict))


def _waits(pod: Pod) -> bool:
    return pod.phase == "Pending" or any(container.waiting for container in pod.containers)


def _part(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, dict) else {}


def _list(raw: Mapping[str, Any], key: str) -> list[Any]:
    found = raw.get(key)
    return found if isinstance(found, list) else []


def _has_retries(nodes: Sequence[Node], node: Node) -> bool:
    """Answer whether a step is an attempt of a step with retries: Argo names the third one `etl.train(2)`."""
    parent = node.name.rpartition("(")[0]
    return any(one.type == "Retry" and one.name == parent for one in nodes)


def _done(turn: Turn[DeletePod], name: str) -> Performed:
    text = f"Pod {turn.target.namespace}/{name} was deleted; Argo makes it anew."
    return Performed(text=text, vars=turn.kept, result={"namespace": turn.target.namespace, "pod": name})
