"""What is read of a cluster. Nothing here changes anything."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from kubernetes import client

from receiver.clients.kubernetes import reading, reading_workloads
from receiver.clients.kubernetes.asking import WORKFLOWS, Asking, T
from receiver.clients.kubernetes.marks import RESUBMITTED_FROM
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.model.errors import ClusterError, LogUnreadable, RequestRefused
from receiver.model.workflow import LogEnd, Pod, Right, WarningEvent, Workflow
from receiver.model.workload import Deployment, Job

_BELONGS_TO: Final = "workflows.argoproj.io/workflow"
_UNFINISHED: Final = "workflows.argoproj.io/completed!=true"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Without spec and status 5,000 workflows are listed in a tenth of the time."""

_MOST_EVENTS: Final = 50
_MOST_LOG_BYTES: Final = 256 * 1024
_MOST_LOG_READ: Final = 256 * 1024 * 1024
"""A kubelet begins a new file at 10 MiB, unless it is told otherwise, and only the last file is given out."""


class Looking(Asking):
    """The questions."""

    _read_steps: Callable[[Workflow], Awaitable[Workflow]] | None = None

    def read_steps_by(self, hydrate: Callable[[Workflow], Awaitable[Workflow]]) -> None:
        """Let `get_workflow` ask *hydrate* for the steps that the object itself does not hold.

        Args:
            hydrate: Returns the same run with its steps, or raises a `ClusterError`; such as `ArgoServer.hydrated`.
        """
        self._read_steps = hydrate

    async def version(self) -> str:
        """Return what the API server calls its version, such as `v1.36.0`."""
        answer = await self._json("read the version of the cluster", client.VersionApi(self._api).get_code)
        return str(answer["gitVersion"])

    async def get_workflow(self, namespace: str, name: str) -> Workflow:
        """Read a workflow; where its steps cannot be read, it says so and why.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        found = reading.workflow(await self.raw_workflow(namespace, name))
        if found.nodes is not None or self._read_steps is None:
            return found
        try:
            return await self._read_steps(found)
        except ClusterError as why:
            return replace(found, nodes_unreadable=str(why))

    async def raw_workflow(self, namespace: str, name: str) -> dict[str, Any]:
        """Read a workflow as the API returns it, to be kept whole: for the archive, or for a resubmit later on.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("workflow", name)
        get = self._custom.get_namespaced_custom_object
        return await self._json(f"read workflow {namespace}/{name}", get, namespace=namespace, name=name, **WORKFLOWS)

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
            **WORKFLOWS,
        )
        return [reading.workflow(raw) for raw in found]

    async def look_through(self, namespace: str, look: Callable[[Workflow, int], T]) -> list[T]:
        """Look at every workflow of a namespace, or of all where it is empty, without holding them all.

        Args:
            namespace: Where; empty means everywhere.
            look: Is given each workflow and the bytes of its JSON; what it returns is all that is kept. Where the later
                pages expire meanwhile, everything is looked at once more, and what was returned before is dropped.

        Raises:
            ClusterError: They could not be listed.
        """

        def seen(raw: dict[str, Any]) -> T:
            return look(reading.workflow(raw), len(json.dumps(raw, separators=(",", ":"))))

        if not namespace:
            everywhere = self._custom.list_cluster_custom_object
            return await self._each("list the workflows of all namespaces", everywhere, seen, **WORKFLOWS)
        check_namespace(namespace)
        there = self._custom.list_namespaced_custom_object
        return await self._each(f"list the workflows of {namespace}", there, seen, namespace=namespace, **WORKFLOWS)

    async def count_unfinished(self, namespace: str) -> int:
        """Count the workflows of a namespace that Argo has not marked as completed, new ones among them.

        Raises:
            ClusterError: They could not be counted.
        """
        check_namespace(namespace)
        return await self._count(
            f"count the unfinished workflows of {namespace}",
            self._custom.list_namespaced_custom_object,
            namespace=namespace,
            label_selector=_UNFINISHED,
            _headers={"Accept": _METADATA_ONLY},
            **WORKFLOWS,
        )

    async def find_resubmitted(self, workflow: Workflow, *, operation: str) -> Workflow | None:
        """Look for the run that *operation* has made out of *workflow*, by whichever way; None where there is none.

        A request whose answer was lost may still be under way: what is not there now may be there in a moment.

        Raises:
            ClusterError: They could not be listed.
        """
        repeated = await self.list_workflows(workflow.namespace, f"{RESUBMITTED_FROM}={workflow.name}")
        marks = (operation, workflow.uid)
        return next((one for one in repeated if (one.operation, one.resubmitted_from_uid) == marks), None)

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

    async def log_end(self, namespace: str, pod: str, *, container: str, most: int) -> LogEnd:
        """Read the end of a container's log; it may hold secrets of whoever wrote it.

        The API server can give the begin of a log in bytes, but not the end, so it is read through from its begin.

        Args:
            namespace: Where the pod is.
            pod: Its name.
            container: Which of its containers.
            most: Bytes of the end that are wanted; it begins with a whole line.

        Raises:
            LogUnreadable: The container does not exist or has not started, or its log is larger than is read.
            NotFound: There is no such pod.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("pod", pod)
        try:
            end, size = await self._end(
                f"read the log of {container} in pod {namespace}/{pod}",
                self._pods.read_namespaced_pod_log,
                most,
                namespace=namespace,
                name=pod,
                container=container,
                limit_bytes=_MOST_LOG_READ,
            )
        except RequestRefused as refused:
            raise LogUnreadable(str(refused)) from refused
        if size >= _MOST_LOG_READ:
            raise LogUnreadable(f"The log of {container} in pod {namespace}/{pod} has {size} bytes or more.")
        if size > len(end):
            end = end.partition(b"\n")[2]
        return LogEnd(body=end, left_out=size - len(end))

    async def get_deployment(self, namespace: str, name: str) -> Deployment:
        """Read a Deployment.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("Deployment", name)
        read = self._deployments.read_namespaced_deployment
        raw = await self._json(f"read Deployment {namespace}/{name}", read, namespace=namespace, name=name)
        return reading_workloads.deployment(raw)

    async def get_job(self, namespace: str, name: str) -> Job:
        """Read a Job.

        Raises:
            NotFound: There is none of that name.
            ClusterError: It could not be read.
        """
        check_namespace(namespace)
        check_name("Job", name)
        read = self._jobs.read_namespaced_job
        raw = await self._json(f"read Job {namespace}/{name}", read, namespace=namespace, name=name)
        return reading_workloads.job(raw)

    async def rights(self, namespace: str, needed: Iterable[tuple[str, str, str]]) -> list[Right]:
        """Ask the cluster what we may do in a namespace.

        Args:
            namespace: Where; empty for all of them together.
            needed: Verb, API group, and resource with its subresource, each; the answers come in this order.

        Raises:
            ClusterError: It could not be asked.
        """
        if namespace:
            check_namespace(namespace)
        return [await self._right(namespace, *one) for one in dict.fromkeys(needed)]

    async def _right(self, namespace: str, verb: str, group: str, spoken: str) -> Right:
        resource, _, subresource = spoken.partition("/")
        asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        action = f"ask whether we may {verb} {spoken} in {namespace or 'all namespaces'}"
        answer = await self._json(action, self._reviews.create_self_subject_access_review, body=body)
        return Right(verb=verb, resource=spoken, allowed=answer["status"]["allowed"] is True)


def _owned(raw: Mapping[str, Any], uid: str) -> bool:
    owners = raw["metadata"].get("ownerReferences") or []
    return not owners or any(owner.get("uid") == uid for owner in owners)


def _concerns(raw: Mapping[str, Any], meant: Mapping[tuple[str, str], str]) -> bool:
    concerned = raw.get("involvedObject") or {}
    uid = meant.get((str(concerned.get("kind")), str(concerned.get("name"))))
    return uid is not None and concerned.get("uid") in {None, "", uid}
