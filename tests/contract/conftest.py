"""The peers of the contract suite: the stand-in, and the real API server that RECEIVER_TEST_KUBECONFIG may name."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from ruamel.yaml import YAML

from receiver.clients.kubernetes import Cluster
from receiver.sandbox.kubernetes import ADMIN, ApiServer, holder

KUBECONFIG = os.environ.get("RECEIVER_TEST_KUBECONFIG", "")
CRD = Path(__file__).parent.parent / "data/argo/crd-workflows.yaml"
ARGO = ("argoproj.io", "v1alpha1")
TIMEOUT = timedelta(seconds=10)
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
    """Workflows by the library alone, without our client."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.custom = client.CustomObjectsApi(api)
        self.where = (*ARGO, namespace, "workflows")

    async def create(self, name: str, **parts: Any) -> dict[str, Any]:
        metadata = {"name": name} | parts.pop("metadata", {})
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
    answer = await asyncio.to_thread(call, *arguments, _request_timeout=10, _preload_content=False, **query)
    parsed: dict[str, Any] = json.loads(answer.data)
    return parsed


def at(url: str, token: str) -> client.ApiClient:
    configuration = client.Configuration(host=url, proxy="", retries=False)
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    return client.ApiClient(configuration)


@asynccontextmanager
async def stand_in() -> AsyncIterator[Peer]:
    namespace = f"contract-{secrets.token_hex(4)}"
    people = {
        "token-of-the-admin": ADMIN,
    } | {
        f"token-of-the-{name}": holder(f"system:serviceaccount:{namespace}:{name}", role(namespace, name))
        for name in ROLES
    }
    async with ApiServer(identities=people) as server:
        api = at(server.url, server.token)
        await raw(client.CoreV1Api(api).create_namespace, {"metadata": {"name": namespace}})
        clusters = [Cluster.at(server.url, token, timeout=TIMEOUT) for token in people]
        yield Peer(
            name="stand-in",
            namespace=namespace,
            api=api,
            admin=clusters[0],
            operator=clusters[1],
            reader=clusters[2],
            forget=server.storage.compact,
        )
        for cluster in clusters:
            await cluster.close()
        api.close()  # type: ignore[no-untyped-call]  # the library's


@asynccontextmanager
async def real() -> AsyncIterator[Peer]:
    configuration = client.Configuration(retries=False)
    config.load_kube_config(  # type: ignore[no-untyped-call]  # the library's
        KUBECONFIG, client_configuration=configuration, persist_config=False
    )
    api = client.ApiClient(configuration)
    core, namespace = client.CoreV1Api(api), f"receiver-contract-{secrets.token_hex(4)}"
    await _know_workflows(api)
    await raw(core.create_namespace, {"metadata": {"name": namespace}})
    try:
        accounts = [await _account(api, namespace, name) for name in ROLES]
        admin = Cluster.connect(Path(KUBECONFIG), None, timeout=TIMEOUT)
        yield Peer(
            name="real",
            namespace=namespace,
            api=api,
            admin=admin,
            operator=accounts[0],
            reader=accounts[1],
            forget=lambda: None,
        )
        for cluster in (admin, *accounts):
            await cluster.close()
    finally:
        await raw(core.delete_namespace, namespace)
        api.close()  # type: ignore[no-untyped-call]  # the library's


ROLES: dict[str, list[dict[str, Any]]] = {"operator": READING + WRITING, "reader": READING}


def role(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": ROLES[name],
    }


async def _know_workflows(api: client.ApiClient) -> None:
    definitions = client.ApiextensionsV1Api(api)
    try:
        await raw(definitions.read_custom_resource_definition, "workflows.argoproj.io")
    except client.ApiException as missing:
        if missing.status != 404:
            raise
        await raw(definitions.create_custom_resource_definition, YAML(typ="safe", pure=True).load(CRD))
    async with asyncio.timeout(60):
        while True:
            try:
                await Workflows(api, "default").list(limit=1)
            except client.ApiException as not_yet:
                if not_yet.status != 404:
                    raise
                await asyncio.sleep(0.2)
            else:
                return


async def _account(api: client.ApiClient, namespace: str, name: str) -> Cluster:
    core, rights = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    metadata = {"metadata": {"name": name}}
    await raw(core.create_namespaced_service_account, namespace, metadata)
    await raw(rights.create_namespaced_role, namespace, role(namespace, name))
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    await raw(rights.create_namespaced_role_binding, namespace, metadata | binding)
    answer = await raw(core.create_namespaced_service_account_token, name, namespace, {"spec": {"audiences": []}})
    configuration = client.Configuration(host=api.configuration.host, retries=False)
    configuration.ssl_ca_cert = api.configuration.ssl_ca_cert
    configuration.verify_ssl = api.configuration.verify_ssl
    configuration.api_key = {"BearerToken": f"Bearer {answer['status']['token']}"}
    return Cluster(configuration, timeout=TIMEOUT)


@pytest.fixture(params=["stand-in", *(["real"] if KUBECONFIG else [])])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    async with stand_in() if request.param == "stand-in" else real() as opened:
        yield opened
