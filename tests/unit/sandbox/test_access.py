"""Whoever holds a Role may do what it says and nothing beside it."""

from typing import Any

import pytest

from receiver.sandbox.kubernetes import holder
from receiver.sandbox.kubernetes.access import Attributes

RULE = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}


def role(*rules: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    metadata = {"name": "r", "namespace": "argo"} if kind == "Role" else {"name": "r"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": list(rules)}


def asked(verb: str, group: str, resource: str, namespace: str, name: str = "") -> Attributes:
    return Attributes(verb=verb, group=group, resource=resource, namespace=namespace, name=name)


@pytest.mark.parametrize(
    ("rule", "attributes", "allowed"),
    [
        (RULE, asked("get", "apps", "deployments", "argo"), True),
        (RULE, asked("delete", "apps", "deployments", "argo"), False),
        (RULE, asked("get", "", "deployments", "argo"), False),
        (RULE, asked("get", "apps", "deployments/scale", "argo"), False),
        (RULE, asked("get", "apps", "deployments", "default"), False),
        (RULE, asked("get", "apps", "deployments", ""), False),
        (RULE | {"resourceNames": ["agent"]}, asked("patch", "apps", "deployments", "argo", "agent"), True),
        (RULE | {"resourceNames": ["agent"]}, asked("patch", "apps", "deployments", "argo", "other"), False),
        (RULE | {"resourceNames": ["agent"]}, asked("get", "apps", "deployments", "argo"), False),
        (RULE | {"verbs": ["*"]}, asked("delete", "apps", "deployments", "argo"), True),
    ],
)
def test_a_role_allows_what_its_rules_say(rule: dict[str, Any], attributes: Attributes, *, allowed: bool) -> None:
    assert holder("somebody", role(rule)).may(attributes) is allowed


def test_a_cluster_role_holds_everywhere_and_several_roles_add_up() -> None:
    who = holder("somebody", role(RULE, kind="ClusterRole"), role({**RULE, "verbs": ["delete"]}))

    assert who.may(asked("patch", "apps", "deployments", "default"))
    assert who.may(asked("delete", "apps", "deployments", "argo"))
    assert not who.may(asked("delete", "apps", "deployments", "default"))


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "ServiceAccount"},
        role({"resources": ["pods"], "verbs": ["get"]}),
        role(RULE | {"verbs": []}),
        role(RULE | {"verbs": "get"}),
    ],
)
def test_what_is_no_role_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"role|rule"):
        holder("somebody", document)
