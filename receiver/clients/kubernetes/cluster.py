"""The verbs. Each asks once, within the timeout, in a thread of its own; the `kubernetes` package is blocking."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from kubernetes import client

from receiver.clients.kubernetes import connection, reading
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.clients.kubernetes.refusals import ListExpired, translated
from receiver.clients.kubernetes.rerun import TERMINATED_BY, resubmission
from receiver.model.errors import (
    AlreadyExists,
    LogUnreadable,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    WorkflowFinished,
)
from receiver.model.workflow import Pod, Right, WarningEvent, Workflow

_WORKFLOWS = {"group": "argoproj.io", "version": "v1alpha1", "plural": "workflows"}
_BELONGS_TO = "workflows.argoproj.io/workflow"
_MERGE_PATCH = "application/merge-patch+json"

_PAGE = 500
_QUESTIONS_AT_ONCE = 16
_MOST_EVENTS = 50
_MOST_LOG_BYTES = 256 * 1024


_NEEDED = (
    ("get", "argoproj.io", "workflows", ""),
    ("list", "argoproj.io", "workflows", ""),
    ("patch", "argoproj.io", "workflows", ""),
    ("create", "argoproj.io", "workflows", ""),
    ("list", "", "pods", ""),
    ("get", "", "pods", "log"),
    ("list", "", "events", ""),
)


class Cluster:
    """One cluster, as one account.

    Args:
        configuration: As whom and to where; see `connection`.
        timeout: How long one question may take, from the start of the connection to the last byte it waits for.
    """

    def __init__(self, configuration: client.Configuration, *, timeout: timedelta) -> None:
        self._api = client.ApiClient(configuration)
        self._custom = client.CustomObjectsApi(self._api)
        self._pods = client.CoreV1Api(self._api)
        self._reviews = client.AuthorizationV1Api(self._api)
        # Threads of its own: an API server that answers nothing must not hold up who else needs one.
        self._threads = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix="kubernetes")
        self._seconds = timeout.total_seconds()
        self.url: str = configuration.host

    @classmethod
    def connect(
        cls, kubeconfig: Path | None, context: str | None, *, timeout: timedelta = timedelta(seconds=10)
    ) -> Self:
        """Return the cluster of a kubeconfig and context, or without a kubeconfig the one that we run in.

        The ambient kubeconfig of whoever starts us is never read. Nothing is asked of the cluster yet.

        Raises:
            SettingsError: There is no such file, context or in-cluster account.
        """
        configuration = connection.in_cluster() if kubeconfig is None else connection.from_file(kubeconfig, context)
        return cls(configuration, timeout=timeout)

    @classmethod
    def at(cls, url: str, token: str, *, timeout: timedelta = timedelta(seconds=10)) -> Self:
        """Return the cluster at an address of our own, such as the sandbox's."""
        return cls(connection.at(url, token), timeout=timeout)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._api.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def version(self) -> str:
        """Return what the API server calls its version, such as `v1.36.0`."""
        answer = await self._json("read the version of the cluster", client.VersionApi(self._api).get_code)
        return str(answer["gitVersion"])

    async def get_workflow(self, namespace: str, name: str) -> Workflow:
        """Read a workflow.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        return reading.workflow(await self.raw_workflow(namespace, name))

    async def raw_workflow(self, namespace: str, name: str) -> dict[str, Any]:
        """Read a workflow as the API returns it, to be kept whole: for the archive, or for a resubmit later on.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("workflow", name)
        get = self._custom.get_namespaced_custom_object
        return await self._json(f"read workflow {namespace}/{name}", get, namespace=namespace, name=name, **_WORKFLOWS)

    async def list_workflows(self, namespace: str, label_selector: str = "") -> list[Workflow]:
        """List the workflows of a namespace, in pages; `workflows.argoproj.io/completed!=true` are the unfinished.

        Raises:
            ClusterError: They could not be listed.
        """
        check_namespace(namespace)
        action = f"list the workflows of {namespace}"
        found = await self._every(
            action,
            self._custom.list_namespaced_custom_object,
            namespace=namespace,
            label_selector=label_selector,
            **_WORKFLOWS,
        )
        return [reading.workflow(raw) for raw in found]

    async def pods_of(self, workflow: Workflow) -> tuple[Pod, ...]:
        """List the pods of a workflow; those of an earlier one of the same name are left out.

        Raises:
            ClusterError: They could not be listed.
        """
        found = await self._every(
            f"list the pods of workflow {workflow.namespace}/{workflow.name}",
            self._pods.list_namespaced_pod,
            namespace=workflow.namespace,
            label_selector=f"{_BELONGS_TO}={workflow.name}",
        )
        return tuple(reading.pod(raw) for raw in found if _owned(raw, workflow.uid))

    async def warning_events(self, workflow: Workflow, pods: Iterable[Pod] = ()) -> tuple[WarningEvent, ...]:
        """List the warnings about a workflow and *pods*, the newest first, at most 50.

        Raises:
            ClusterError: They could not be listed.
        """
        meant = {("Workflow", workflow.name): workflow.uid} | {("Pod", pod.name): pod.uid for pod in pods}
        found = await self._every(
            f"list the warnings in {workflow.namespace}",
            self._pods.list_namespaced_event,
            namespace=workflow.namespace,
            field_selector="type=Warning",
        )
        warnings = [reading.warning(raw) for raw in found if _concerns(raw, meant)]
        warnings.sort(key=lambda one: (one.last_at is not None, one.last_at), reverse=True)
        return tuple(warnings[:_MOST_EVENTS])

    async def log_tail(self, namespace: str, pod: str, *, container: str = "main", lines: int = 20) -> tuple[str, ...]:
        """Read the last lines of a container's log; they may hold secrets of whoever wrote them.

        Raises:
            LogUnreadable: The container does not exist or has not started.
            NotFound: There is no such pod.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("pod", pod)
        try:
            text = await self._bytes(
                f"read the log of {container} in pod {namespace}/{pod}",
                self._pods.read_namespaced_pod_log,
                namespace=namespace,
                name=pod,
                container=container,
                tail_lines=lines,
                limit_bytes=_MOST_LOG_BYTES,
            )
        except RequestRefused as refused:
            raise LogUnreadable(str(refused)) from refused
        return tuple(text.decode(errors="replace").splitlines())

    async def terminate(self, workflow: Workflow, *, operation: str) -> Workflow:
        """Ask Argo to terminate exactly this run, and leave our mark on it. Repeating it under one operation is safe.

        Argo's controller kills the pods afterwards; nothing has ended yet when this returns.

        Args:
            workflow: Which run; one that was created later under its name is not touched.
            operation: Who asks, for the annotation `receiver/terminated-by`.

        Raises:
            WorkflowFinished: It ended before, and not through this operation.
            PreconditionFailed: The name belongs to another run now.
            NotFound: It is gone.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"terminate workflow {workflow.namespace}/{workflow.name}"
        current = await self.get_workflow(workflow.namespace, workflow.name)
        _check_same(current, workflow.uid, action)
        if current.terminated_by == operation and current.shutdown == "Terminate":
            return current
        if current.finished:
            raise WorkflowFinished(f"Could not {action}: it has ended already ({current.phase.value}).")
        patch = {
            "metadata": {"uid": workflow.uid, "annotations": {TERMINATED_BY: operation}},
            "spec": {"shutdown": "Terminate"},
        }
        answer = await self._json(
            action,
            self._custom.patch_namespaced_custom_object,
            namespace=workflow.namespace,
            name=workflow.name,
            body=patch,
            _content_type=_MERGE_PATCH,
            **_WORKFLOWS,
        )
        return reading.workflow(answer)

    async def resubmit(
        self, workflow: Workflow, *, name: str, operation: str, raw: Mapping[str, Any] | None = None
    ) -> Workflow:
        """Create a new run like *workflow*, without memoization. Repeating it under one name and operation is safe.

        Args:
            workflow: Which run is repeated; it is left as it is.
            name: What the new run is called: see `resubmit_name`.
            operation: Who asks, for the annotation `receiver/run` by which a repeated request is recognised.
            raw: What `raw_workflow` returned earlier, so that it can be repeated also when it has been deleted since.

        Returns:
            The new run, also where an earlier request of the same operation has made it.

        Raises:
            AlreadyExists: The name is taken by a run that this operation did not create.
            PreconditionFailed: *workflow* has gone, and another run has its name.
            NotFound: It has gone, and no *raw* was kept.
            ClusterError: It could not be created; after `ClusterUnreachable` it may have been.
        """
        check_name("workflow", name)
        action = f"resubmit workflow {workflow.namespace}/{workflow.name} as {name}"
        try:
            kept = raw or await self.raw_workflow(workflow.namespace, workflow.name)
        except NotFound:
            return await self._made_before(workflow, name, operation)
        _check_same(reading.workflow(kept), workflow.uid, action)
        try:
            answer = await self._json(
                action,
                self._custom.create_namespaced_custom_object,
                namespace=workflow.namespace,
                body=resubmission(kept, name=name, operation=operation),
                **_WORKFLOWS,
            )
        except AlreadyExists:
            return await self._made_before(workflow, name, operation)
        return reading.workflow(answer)

    async def rights(self, namespace: str) -> list[Right]:
        """Ask the cluster what we may do in a namespace, of what Receiver does at all.

        Raises:
            ClusterError: It could not be asked.
        """
        check_namespace(namespace)
        return [await self._right(namespace, *needed) for needed in _NEEDED]

    async def _right(self, namespace: str, verb: str, group: str, resource: str, subresource: str) -> Right:
        asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        spoken = f"{resource}/{subresource}" if subresource else resource
        action = f"ask whether we may {verb} {spoken} in {namespace}"
        answer = await self._json(action, self._reviews.create_self_subject_access_review, body=body)
        return Right(verb=verb, resource=spoken, allowed=answer["status"]["allowed"] is True)

    async def _made_before(self, workflow: Workflow, name: str, operation: str) -> Workflow:
        """Return the run that an earlier request of this operation has made."""
        found = await self.get_workflow(workflow.namespace, name)
        if (found.operation, found.resubmitted_from_uid) == (operation, workflow.uid):
            return found
        raise AlreadyExists(
            f"Could not resubmit workflow {workflow.namespace}/{workflow.name}: "
            f"{name} exists already and was not made by this operation. Look at both by hand."
        )

    async def _every(self, action: str, call: Callable[..., Any], **arguments: Any) -> list[dict[str, Any]]:
        """Return all objects of a list, page by page; begin once more if the later pages expire meanwhile."""
        try:
            return await self._all_pages(action, call, arguments)
        except ListExpired:
            return await self._all_pages(action, call, arguments)

    async def _all_pages(
        self, action: str, call: Callable[..., Any], arguments: dict[str, Any]
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: str | None = None
        while token != "":
            page = await self._json(action, call, limit=_PAGE, _continue=token, **arguments)
            found += page["items"]
            token = page["metadata"].get("continue") or ""
        return found

    async def _json(self, action: str, call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        body = await self._bytes(action, call, **arguments)
        with translated(action):
            answer = json.loads(body)
            if not isinstance(answer, dict):
                raise ValueError(action)  # noqa: TRY004 (caught one line above, as any other garbled answer)
        return answer

    async def _bytes(self, action: str, call: Callable[..., Any], **arguments: Any) -> bytes:
        def ask() -> bytes:
            with translated(action):
                # The package's own models refuse whole answers for one unexpected field: read the bytes instead.
                answer = call(**arguments, _preload_content=False, _request_timeout=self._seconds)
                return bytes(answer.data)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def _owned(raw: Mapping[str, Any], uid: str) -> bool:
    owners = raw["metadata"].get("ownerReferences") or []
    return not owners or any(owner.get("uid") == uid for owner in owners)


def _concerns(raw: Mapping[str, Any], meant: Mapping[tuple[str, str], str]) -> bool:
    concerned = raw.get("involvedObject") or {}
    uid = meant.get((str(concerned.get("kind")), str(concerned.get("name"))))
    return uid is not None and concerned.get("uid") in {None, "", uid}


def _check_same(current: Workflow, uid: str, action: str) -> None:
    if current.uid != uid:
        raise PreconditionFailed(f"Could not {action}: another run has that name now. Nothing was changed.")
