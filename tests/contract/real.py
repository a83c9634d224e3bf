"""The real API server that RECEIVER_TEST_KUBECONFIG names: of a whole cluster, with Argo or without, or all alone.

What is made there goes again: namespaces, also those of tests that fail, and a definition of workflows where none was.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config
from ruamel.yaml import YAML

from receiver.clients.kubernetes import Cluster
from tests.contract.peer import ROLES, TIMEOUT, Peer, Workflows, raw, role

KUBECONFIG = os.environ.get("RECEIVER_TEST_KUBECONFIG", "")
CRD = Path(__file__).parent.parent / "data/argo/crd-workflows.yaml"
DEFINITION = "workflows.argoproj.io"
USER = "receiver-contract/"
"""How the annotations begin by which those who use a definition of ours are known: the last one takes it away."""
PATIENCE_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class RealServer:
    """An API server, and what the tests of a session left to be deleted on it."""

    api: client.ApiClient
    controllers: bool
    """Whether a controller manager runs. Without one nothing is carried out, collected or taken out of a namespace."""
    going: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """Make a namespace with its accounts, and begin to delete it afterwards."""
        namespace = f"receiver-contract-{secrets.token_hex(4)}"
        unrestricted = {"pod-security.kubernetes.io/enforce": "privileged"}
        clusters: list[Cluster] = []
        await raw(self._core.create_namespace, {"metadata": {"name": namespace, "labels": unrestricted}})
        try:
            await _exists(self._core.create_namespaced_service_account, namespace, {"metadata": {"name": "default"}})
            clusters.append(Cluster.connect(Path(KUBECONFIG), None, timeout=TIMEOUT))
            clusters += [await self._account(namespace, name) for name in ROLES]
            yield Peer(
                name="real",
                namespace=namespace,
                api=self.api,
                admin=clusters[0],
                operator=clusters[1],
                reader=clusters[2],
                forget=lambda: None,
                controllers=self.controllers,
                move=(lambda: None) if self.controllers else None,
            )
        finally:
            for cluster in clusters:
                await cluster.close()
            await asyncio.to_thread(self._delete, namespace)

    def await_deletions(self) -> None:
        """Wait until all namespaces are gone, and tell what holds those that are not."""
        wait_for(lambda: not self._still_there(), lambda: f"these namespaces do not go: {self._still_there()}")

    @property
    def _core(self) -> Any:
        return client.CoreV1Api(self.api)

    async def _account(self, namespace: str, name: str) -> Cluster:
        """Make a ServiceAccount with a role, and wait until it has its rights, which the server learns of later."""
        rights = client.RbacAuthorizationV1Api(self.api)
        metadata = {"metadata": {"name": name}}
        await _exists(self._core.create_namespaced_service_account, namespace, metadata)
        await raw(rights.create_namespaced_role, namespace, role(namespace, name))
        binding = {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        await raw(rights.create_namespaced_role_binding, namespace, metadata | binding)
        asked: dict[str, Any] = {"spec": {"audiences": []}}
        answer = await raw(self._core.create_namespaced_service_account_token, name, namespace, asked)
        configuration = _without_identity(self.api.configuration)
        configuration.api_key = {"BearerToken": f"Bearer {answer['status']['token']}"}
        cluster = Cluster(configuration, timeout=TIMEOUT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                [listing] = await cluster.rights(namespace, [("list", "argoproj.io", "workflows")])
                if listing.allowed:
                    return cluster
                await asyncio.sleep(0.1)

    def _delete(self, namespace: str) -> None:
        """Begin to delete a namespace; a finalizer that a failed test left must not hold it for ever."""
        workflows = Workflows(self.api, namespace)
        found: Any = workflows.custom.list_namespaced_custom_object(*workflows.where)
        for workflow in found["items"]:
            if workflow["metadata"].get("finalizers"):
                with suppress(client.ApiException):
                    workflows.custom.patch_namespaced_custom_object(
                        *workflows.where,
                        workflow["metadata"]["name"],
                        {"metadata": {"finalizers": None}},
                        _content_type="application/merge-patch+json",
                    )
        if not self.controllers:
            self._empty(namespace)
        self._core.delete_namespace(namespace)
        if not self.controllers:
            self._core.replace_namespace_finalize(namespace, {"metadata": {"name": namespace}, "spec": {}})
        self.going.append(namespace)

    def _empty(self, namespace: str) -> None:
        """Delete what a test may have made, as the controller of namespaces would."""
        workflows, apps, batch = Workflows(self.api, namespace), client.AppsV1Api(self.api), client.BatchV1Api(self.api)
        rights = client.RbacAuthorizationV1Api(self.api)
        workflows.custom.delete_collection_namespaced_custom_object(*workflows.where)
        for delete in (
            apps.delete_collection_namespaced_deployment,
            batch.delete_collection_namespaced_job,
            self._core.delete_collection_namespaced_pod,
            self._core.delete_collection_namespaced_event,
            self._core.delete_collection_namespaced_service_account,
            rights.delete_collection_namespaced_role_binding,
            rights.delete_collection_namespaced_role,
        ):
            delete(namespace, propagation_policy="Background")

    def _still_there(self) -> dict[str, list[str]]:
        """Which of the deleted namespaces are left, and why."""
        left = {one.metadata.name: one for one in self._core.list_namespace().items}
        return {
            name: [why.message for why in left[name].status.conditions or () if why.status == "True"]
            for name in self.going
            if name in left
        }


@contextmanager
def opened() -> Iterator[RealServer]:
    """Connect as the kubeconfig says; afterwards nothing of ours is left on the server."""
    configuration = client.Configuration(retries=False)
    config.load_kube_config(  # type: ignore[no-untyped-call]  # the library's
        KUBECONFIG, client_configuration=configuration, persist_config=False
    )
    api = client.ApiClient(configuration)
    system = client.CoreV1Api(api).list_namespaced_service_account("kube-system", limit=1)
    # Accounts are made by a controller: without one there are none, not even there.
    server = RealServer(api=api, controllers=bool(system.items))
    with _definition(api):
        yield server
        server.await_deletions()
    api.close()  # type: ignore[no-untyped-call]  # the library's


@contextmanager
def _definition(api: client.ApiClient) -> Iterator[None]:
    """Have the server know workflows. A definition that was there is left as it is."""
    definitions: Any = client.ApiextensionsV1Api(api)
    me = f"{USER}{secrets.token_hex(8)}"
    wait_for(lambda: _used(definitions, me), lambda: f"the definition of {DEFINITION} neither goes nor comes")
    try:
        wait_for(lambda: _served(api), lambda: f"{DEFINITION} is not served")
        yield
    finally:
        _leave(definitions, me)


def _used(definitions: Any, me: str) -> bool:
    """Install a definition, or be named in the one that another session of ours has installed; False if it is going."""
    try:
        found = definitions.read_custom_resource_definition(DEFINITION)
        if not _users(found):
            return True
        named = {"metadata": {"annotations": {me: ""}}}
        kept = definitions.patch_custom_resource_definition(DEFINITION, named)
        return bool(kept.metadata.deletion_timestamp is None)
    except client.ApiException as missing:
        if missing.status != 404:
            raise
    body: dict[str, Any] = YAML(typ="safe", pure=True).load(CRD)
    body["metadata"]["annotations"] = {me: ""}
    with suppress(client.ApiException):
        definitions.create_custom_resource_definition(body)
    return False


def _leave(definitions: Any, me: str) -> None:
    """Take the definition away if it is ours and nobody else of ours uses it."""
    found = definitions.read_custom_resource_definition(DEFINITION)
    if me not in _users(found):
        return
    unnamed = {"metadata": {"annotations": {me: None}}}
    left = definitions.patch_custom_resource_definition(DEFINITION, unnamed)
    if not _users(left):
        only = {"preconditions": {"resourceVersion": left.metadata.resource_version}}
        with suppress(client.ApiException):
            definitions.delete_custom_resource_definition(DEFINITION, body=only)


def _users(definition: Any) -> list[str]:
    return [name for name in definition.metadata.annotations or {} if name.startswith(USER)]


def _served(api: client.ApiClient) -> bool:
    try:
        client.CustomObjectsApi(api).list_namespaced_custom_object("argoproj.io", "v1alpha1", "default", "workflows")
    except client.ApiException as not_yet:
        if not_yet.status != 404:
            raise
        return False
    return True


async def _exists(create: Callable[..., Any], namespace: str, body: dict[str, Any]) -> None:
    """Make something that a controller may have made before us."""
    try:
        await raw(create, namespace, body)
    except client.ApiException as taken:
        if taken.status != 409:
            raise


def _without_identity(known: client.Configuration) -> client.Configuration:
    """How to reach the server, without who the kubeconfig says that we are."""
    found = client.Configuration(host=known.host, retries=False)
    for name in ("ssl_ca_cert", "verify_ssl", "tls_server_name", "proxy", "proxy_headers", "no_proxy"):
        setattr(found, name, copy(getattr(known, name)))
    return found


def wait_for(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait until something holds, and fail with a sentence if it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.2)
