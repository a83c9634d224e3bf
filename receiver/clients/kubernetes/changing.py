"""What is done with workflows through the Kubernetes API. Every verb may be repeated under one operation.

A verb reads the workflow first, checks that it is the run that was meant, and looks for its own mark: what an earlier
request of the same operation has done is not done again. The uid travels with each change, so that a run which was
created anew meanwhile under the same name is never touched.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from receiver.clients.kubernetes import reading
from receiver.clients.kubernetes.asking import MERGE_PATCH, WORKFLOWS
from receiver.clients.kubernetes.looking import Looking
from receiver.clients.kubernetes.marks import RESUMED_BY, RETRIED_BY, STOPPED_BY, SUSPENDED_BY, TERMINATED_BY
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.clients.kubernetes.resuming import resumption
from receiver.model.errors import Conflict, PreconditionFailed, WorkflowFinished
from receiver.model.workflow import Workflow


class Changing(Looking):
    """The verbs that change or end a workflow."""

    async def terminate(self, workflow: Workflow, *, operation: str, unchanged: bool = False) -> Workflow:
        """Ask Argo to terminate exactly this run, and leave our mark on it. Repeating it under one operation is safe.

        Argo's controller kills the pods afterwards; nothing has ended yet when this returns. Exit handlers do not run.

        Args:
            workflow: Which run; one that was created later under its name is not touched.
            operation: Who asks, for the annotation `receiver/terminated-by`.
            unchanged: Only if nobody has written to it since *workflow* was read, which is how a run shows progress.

        Raises:
            WorkflowFinished: It ended before, and not through this operation.
            PreconditionFailed: The name belongs to another run now.
            Conflict: It has changed since it was read, and must not have.
            NotFound: It is gone.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"terminate workflow {workflow.namespace}/{workflow.name}"
        current = reading.workflow(await self._meant(action, workflow))
        if current.terminated_by == operation and current.shutdown == "Terminate":
            return current
        _check_open(action, current)
        if unchanged:
            _check_unchanged(action, current, workflow)
        mark = {TERMINATED_BY: operation}
        version = workflow.resource_version if unchanged else ""
        return await self._mark(action, workflow, mark, spec={"shutdown": "Terminate"}, version=version)

    async def stop(self, workflow: Workflow, *, operation: str, unchanged: bool = False) -> Workflow:
        """Ask Argo to stop exactly this run: no new step begins, exit handlers run. Repeating it is safe.

        Where somebody has asked for its termination already, that stays, for it is more, and no mark is left.

        Args:
            workflow: Which run; one that was created later under its name is not touched.
            operation: Who asks, for the annotation `receiver/stopped-by`.
            unchanged: Only if nobody has written to it since *workflow* was read.

        Raises:
            WorkflowFinished: It ended before, and not through this operation.
            PreconditionFailed: The name belongs to another run now.
            Conflict: It has changed since it was read, and must not have.
            NotFound: It is gone.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"stop workflow {workflow.namespace}/{workflow.name}"
        current = reading.workflow(await self._meant(action, workflow))
        if current.stopped_by == operation and current.shutdown:
            return current
        _check_open(action, current)
        if current.shutdown == "Terminate":
            return current
        if unchanged:
            _check_unchanged(action, current, workflow)
        # The version is that which was looked at: a termination that comes in between is never weakened.
        mark = {STOPPED_BY: operation}
        return await self._mark(action, workflow, mark, spec={"shutdown": "Stop"}, version=current.resource_version)

    async def suspend(self, workflow: Workflow, *, operation: str) -> Workflow:
        """Ask Argo to begin no new step of exactly this run; what runs goes on. Repeating it is safe.

        Where it is suspended already nothing is written, and `suspended_by` says whose doing it was.

        Args:
            workflow: Which run; one that was created later under its name is not touched.
            operation: Who asks, for the annotation `receiver/suspended-by`.

        Raises:
            WorkflowFinished: It ended before.
            PreconditionFailed: The name belongs to another run now.
            NotFound: It is gone.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"suspend workflow {workflow.namespace}/{workflow.name}"
        raw = await self._meant(action, workflow)
        current = reading.workflow(raw)
        _check_open(action, current)
        if reading.part(raw, "spec").get("suspend") is True:
            return current
        return await self._mark(action, workflow, {SUSPENDED_BY: operation}, spec={"suspend": True})

    async def resume(self, workflow: Workflow, *, operation: str) -> Workflow:
        """Let exactly this run go on: as a whole, and past the suspend steps at which it waits. Repeating it is safe.

        Where nothing waits, nothing is written.

        Args:
            workflow: Which run; one that was created later under its name is not touched.
            operation: Who asks, for the annotation `receiver/resumed-by` and the message of the suspend steps.

        Raises:
            NodesUnreadable: Its steps are packed or offloaded, or wait for a value: `ArgoServer.resume` can do it.
            WorkflowFinished: It ended before.
            PreconditionFailed: The name belongs to another run now.
            Conflict: It changed meanwhile.
            NotFound: It is gone.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"resume workflow {workflow.namespace}/{workflow.name}"
        raw = await self._meant(action, workflow)
        current = reading.workflow(raw)
        _check_open(action, current)
        change = resumption(raw, action=action, operation=operation, now=datetime.now(UTC))
        if not change:
            return current
        mark = {RESUMED_BY: operation}
        return await self._mark(action, workflow, mark, version=current.resource_version, **change)

    async def mark_retry(self, workflow: Workflow, *, operation: str) -> Workflow:
        """Leave the mark `receiver/retried-by` on exactly this run, before Argo Server is asked to retry it.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            Conflict: It has changed since *workflow* was read.
            NotFound: It is gone.
            ClusterError: It could not be marked.
        """
        action = f"mark workflow {workflow.namespace}/{workflow.name} before its retry"
        current = reading.workflow(await self._meant(action, workflow))
        if current.retried_by == operation:
            return current
        _check_unchanged(action, current, workflow)
        return await self._mark(action, workflow, {RETRIED_BY: operation}, version=workflow.resource_version)

    async def delete_workflow(self, workflow: Workflow) -> Workflow | None:
        """Delete exactly this run, as it was when it was read; its pods and claims follow. Finalizers are respected.

        Args:
            workflow: Which run, in which state: one that has changed since, even by a label, is not deleted.

        Returns:
            None when it is gone; else the run, which waits for its finalizers: read it again to see it gone.

        Raises:
            PreconditionFailed: The name belongs to another run now.
            Conflict: It has changed since it was read.
            NotFound: It is gone already.
            ClusterError: It could not be deleted; after `ClusterUnreachable` the request may have arrived.
        """
        check_namespace(workflow.namespace)
        check_name("workflow", workflow.name)
        answer = await self._json(
            f"delete workflow {workflow.namespace}/{workflow.name}",
            self._custom.delete_namespaced_custom_object,
            namespace=workflow.namespace,
            name=workflow.name,
            body={
                "propagationPolicy": "Background",
                "preconditions": {"uid": workflow.uid, "resourceVersion": workflow.resource_version},
            },
            **WORKFLOWS,
        )
        return reading.workflow(answer) if answer.get("kind") == "Workflow" else None

    async def _meant(self, action: str, workflow: Workflow) -> dict[str, Any]:
        """Read the run that is meant, or refuse another one of its name."""
        raw = await self.raw_workflow(workflow.namespace, workflow.name)
        _check_same(reading.workflow(raw), workflow.uid, action)
        return raw

    async def _mark(
        self,
        action: str,
        workflow: Workflow,
        marks: Mapping[str, str],
        *,
        version: str = "",
        spec: Mapping[str, Any] | None = None,
        status: Mapping[str, Any] | None = None,
    ) -> Workflow:
        """Patch a run together with our mark, where it still has its uid and, if one is given, that version."""
        metadata = {"uid": workflow.uid, "annotations": dict(marks)} | ({"resourceVersion": version} if version else {})
        patch = {"metadata": metadata} | ({"spec": spec} if spec else {}) | ({"status": status} if status else {})
        answer = await self._json(
            action,
            self._custom.patch_namespaced_custom_object,
            namespace=workflow.namespace,
            name=workflow.name,
            body=patch,
            _content_type=MERGE_PATCH,
            **WORKFLOWS,
        )
        return reading.workflow(answer)


def _check_same(current: Workflow, uid: str, action: str) -> None:
    if current.uid != uid:
        raise PreconditionFailed(f"Could not {action}: another run has that name now. Nothing was changed.")


def _check_open(action: str, current: Workflow) -> None:
    if current.finished:
        raise WorkflowFinished(f"Could not {action}: it has ended already ({current.phase.value}).")


def _check_unchanged(action: str, current: Workflow, read: Workflow) -> None:
    if current.resource_version != read.resource_version:
        raise Conflict(f"Could not {action}: it has changed since it was looked at. Look again. Nothing was changed.")
