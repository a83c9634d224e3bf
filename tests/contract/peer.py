"""An API server as the contract suite sees it: what is made on it goes by the library alone, without our client."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kubernetes import client

from receiver.clients.kubernetes import Cluster

ARGO = ("argoproj.io", "v1alpha1")
TIMEOUT = timedelta(seconds=30)
IGNORED = {"workflows.argoproj.io/controller-instanceid": "contract"}
"""The label by which a controller of Argo, where one runs, leaves a workflow to another one, which there is not."""
CONTAINER = {"name": "main", "image": "none.invalid/none"}
READING = [
    {
        "apiGroups": ["", "argoproj.io"],
        "verbs": ["get", "list", "watch"],
        "resources": ["workflows", "pods", "pods/log", "events"],
    },
    {"apiGroups": ["apps", "batch"], "verbs": ["get"], "resources": ["deployments", "jobs"]},
]
WRITING = [
    {"apiGroups": ["argoproj.io"], "verbs": ["create", "patch", "delete"], "resources": ["workflows"]},
    {"apiGroups": [""], "verbs": ["delete"], "resources": ["pods"]},
    {"apiGroups": ["apps"], "verbs": ["patch"], "resources": ["deployments"]},
    {"apiGroups": ["batch"], "verbs": ["create"], "resources": ["jobs"]},
]
ROLES: dict[str, list[dict[str, Any]]] = {"operator": READING + WRITING, "reader": READING}


def role(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": ROLES[name],
    }


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An API server with a namespace of its own, and three accounts on it: all rights, an operator's, a reader's."""

    name: str
    namespace: str
    api: client.ApiClient
    admin: Cluster
    operator: Cluster
    reader: Cluster
    forget: Callable[[], object]
    """Makes the server forget earlier states, where that can be asked for; a real one has forgotten the first ones."""
    controllers: bool
    """Whether controllers of Kubernetes act beside the test, so that a status is theirs to write."""
    move: Callable[[], object] | None
    """Has Deployments moved on, where nobody does it by himself; None where nobody does it at all."""

    @property
    def workflows(self) -> "Workflows":
        return Workflows(self.api, self.namespace)

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    async def pod(self, name: str, **metadata: object) -> dict[str, Any]:
        """Create a pod with two containers that nothing will ever schedule."""
        containers = [{"name": name, "image": "none.invalid/none"} for name in ("main", "wait")]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **metadata},
            "spec": {"schedulerName": "nobody", "containers": containers},
        }
        return await raw(self.core.create_namespaced_pod, self.namespace, body)

    async def deployment(self, name: str, **spec: object) -> dict[str, Any]:
        """Create a Deployment that no controller will ever carry out."""
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [CONTAINER]}}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        }
        return await raw(client.AppsV1Api(self.api).create_namespaced_deployment, self.namespace, body)

    async def event(self, name: str, concerned: dict[str, str], **fields: object) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name},
            "involvedObject": {"namespace": self.namespace, **concerned},
            "source": {"component": "kubelet"},
            **fields,
        }
        await raw(self.core.create_namespaced_event, self.namespace, body)


class Workflows:
    """Workflows by the library alone, which no controller of Argo takes up."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.custom = client.CustomObjectsApi(api)
        self.where = (*ARGO, namespace, "workflows")

    async def create(self, name: str, **parts: Any) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name} | parts.pop("metadata", {})
        metadata["labels"] = IGNORED | metadata.get("labels", {})
        body = {"apiVersion": "/".join(ARGO), "kind": "Workflow", "metadata": metadata, "spec": {}} | parts
        return await raw(self.custom.create_namespaced_custom_object, *self.where, body)

    async def get(self, name: str) -> dict[str, Any]:
        return await raw(self.custom.get_namespaced_custom_object, *self.where, name)

    async def list(self, **query: Any) -> dict[str, Any]:
        return await raw(self.custom.list_namespaced_custom_object, *self.where, **query)

    async def merge(self, name: str, body: Any, **query: Any) -> dict[str, Any]:
        return await raw(
            self.custom.patch_namespaced_custom_object,
            *self.where,
            name,
            body,
            _content_type="application/merge-patch+json",
            **query,
        )

    async def json_patch(self, name: str, body: Any) -> dict[str, Any]:
        return await raw(
            self.custom.patch_namespaced_custom_object,
            *self.where,
            name,
            body,
            _content_type="application/json-patch+json",
        )

    async def replace(self, name: str, body: Any) -> dict[str, Any]:
        return await raw(self.custom.replace_namespaced_custom_object, *self.where, name, body)

    async def delete(self, name: str, **options: Any) -> dict[str, Any]:
        return await raw(self.custom.delete_namespaced_custom_object, *self.where, name, body=options or {})


async def raw(call: Callable[..., Any], *arguments: Any, **query: Any) -> dict[str, Any]:
    """Call a method of the library in a thread and return its answer as JSON."""
    answer = await asyncio.to_thread(
        call, *arguments, _request_timeout=TIMEOUT.total_seconds(), _preload_content=False, **query
    )
    parsed: dict[str, Any] = json.loads(answer.data)
    return parsed


def at(url: str, token: str) -> client.ApiClient:
    configuration = client.Configuration(host=url, proxy="", retries=False)
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return client.ApiClient(configuration)
