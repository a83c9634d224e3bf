"""What playbooks need before they can work: rights in the cluster, as a Role, and what has to be configured.

Both follow from the actions that they name, so neither can be forgotten when a playbook changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from receiver.remediate.actions import Effect, Grant, Means
from receiver.remediate.actions.means import absent
from receiver.remediate.language import Playbook

READING: Final = (
    Grant(group="argoproj.io", resource="workflows", verbs=("get", "list", "watch")),
    Grant(group="", resource="pods", verbs=("get", "list")),
    Grant(group="", resource="pods/log", verbs=("get",)),
    Grant(group="", resource="events", verbs=("list",)),
)
"""What Receiver reads, whatever its playbooks do."""

_RBAC: Final = "rbac.authorization.k8s.io"


def effects_of(playbook: Playbook) -> list[Effect[Any]]:
    """List the actions with an effect that a playbook may come to, in its order."""
    return [effect for step in playbook.steps for effect in step.effects]


def missing(playbook: Playbook, means: Means) -> str:
    """Say what a playbook needs and is not configured; empty when everything is there."""
    needs = {need: effect.name for effect in reversed(effects_of(playbook)) for need in effect.needs}
    lacking = sorted((need for need in needs if not means.has(need)), key=lambda need: need.name)
    return "; ".join(f"{needs[need]} cannot work, since {absent(need)}" for need in lacking)


def uses(effects: Iterable[Effect[Any]]) -> dict[tuple[str, str, str], list[str]]:
    """Give each right that actions need with the names of those that need it, in order.

    A right is a verb, an API group, and a resource with its subresource: what a cluster can be asked for.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for effect in effects:
        for right in asked(effect.grants):
            names = found.setdefault(right, [])
            if effect.name not in names:
                names.append(effect.name)
    return found


def asked(grants: Iterable[Grant]) -> list[tuple[str, str, str]]:
    """Give the single rights of some grants, each as a cluster is asked for it; see `uses`."""
    return [(verb, grant.group, grant.resource) for grant in grants for verb in grant.verbs]


def rules(playbooks: Iterable[Playbook]) -> list[dict[str, list[str]]]:
    """Give the least rules of a Role for playbooks, and for reading; as Kubernetes has them."""
    grants = [grant for playbook in playbooks for effect in effects_of(playbook) for grant in effect.grants]
    return rules_of((*READING, *grants))


def rules_of(grants: Iterable[Grant]) -> list[dict[str, list[str]]]:
    """Give the rules of a Role for some rights, one for each resource; as Kubernetes has them."""
    allowed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for grant in grants:
        verbs = allowed[grant.group, grant.resource]
        verbs += [verb for verb in grant.verbs if verb not in verbs]
    return [
        {"apiGroups": [group], "resources": [resource], "verbs": verbs} for (group, resource), verbs in allowed.items()
    ]


def role(playbooks: Sequence[Playbook], namespace: str, account: str) -> list[dict[str, Any]]:
    """Give the Role and its RoleBinding for one namespace, as Kubernetes has them.

    Args:
        playbooks: Which may act there; none means that Receiver only reads.
        namespace: Where.
        account: The service account that Receiver runs as, with its namespace: `monitoring/receiver`.
    """
    return documents("receiver", rules(playbooks), namespace, account)


def documents(name: str, allowed: list[dict[str, list[str]]], namespace: str, account: str) -> list[dict[str, Any]]:
    """Give a Role of some rules and its RoleBinding for one namespace, as Kubernetes has them."""
    where, _, holder = account.rpartition("/")
    metadata = {"name": name, "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": holder, "namespace": where or namespace}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": allowed},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [subject],
        },
    ]
