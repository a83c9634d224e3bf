"""What is created in a cluster, under names that follow from the operation: asking twice cannot make two of it."""

from collections.abc import Mapping
from typing import Any, Final

from receiver.clients.kubernetes import reading, reading_workloads
from receiver.clients.kubernetes.asking import WORKFLOWS
from receiver.clients.kubernetes.looking import Looking
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.clients.kubernetes.rerun import marked, resubmission
from receiver.model.errors import AlreadyExists, NotFound, PreconditionFailed
from receiver.model.workflow import Workflow
from receiver.model.workload import Job

_JOBS: Final = {"group": "batch", "version": "v1", "plural": "jobs"}


class Creating(Looking):
    """The verbs that create."""

    async def create_workflow(self, manifest: Mapping[str, Any], name: str, *, operation: str) -> Workflow:
        """Create a workflow. Repeating it under one name and operation is safe.

        Args:
            manifest: All of it but its name; its namespace stands in its metadata.
            name: What it is called.
            operation: Who asks, for the annotation `receiver/run` by which a repeated request is recognised.

        Raises:
            AlreadyExists: The name is taken by a run that this operation did not create.
            RequestRefused: It is no workflow.
            ClusterError: It could not be created; after `ClusterUnreachable` it may have been.
        """
        namespace = reading.text(reading.part(manifest, "metadata"), "namespace")
        check_namespace(namespace)
        check_name("workflow", name)
        action = f"create workflow {namespace}/{name}"
        body = marked(manifest, name=name, operation=operation)
        create = self._custom.create_namespaced_custom_object
        try:
            answer = await self._json(action, create, namespace=namespace, body=body, **WORKFLOWS)
        except AlreadyExists:
            found = await self.get_workflow(namespace, name)
            if found.operation != operation:
                raise
            return found
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
        if reading.workflow(kept).uid != workflow.uid:
            raise PreconditionFailed(f"Could not {action}: another run has that name now. Nothing was created.")
        try:
            answer = await self._json(
                action,
                self._custom.create_namespaced_custom_object,
                namespace=workflow.namespace,
                body=resubmission(kept, name=name, operation=operation),
                **WORKFLOWS,
            )
        except AlreadyExists:
            return await self._made_before(workflow, name, operation)
        return reading.workflow(answer)

    async def _made_before(self, workflow: Workflow, name: str, operation: str) -> Workflow:
        """Return the run that an earlier request of this operation has made."""
        found = await self.get_workflow(workflow.namespace, name)
        if (found.operation, found.resubmitted_from_uid) == (operation, workflow.uid):
            return found
        raise AlreadyExists(
            f"Could not resubmit workflow {workflow.namespace}/{workflow.name}: "
            f"{name} exists already and was not made by this operation. Look at both by hand."
        )

    async def create_job(self, namespace: str, manifest: Mapping[str, Any], *, operation: str) -> Job:
        """Create a Job. Repeating it under one name and operation is safe.

        Args:
            namespace: Where; a manifest that names another one is refused by the cluster.
            manifest: All of it, with its name.
            operation: Who asks, for the annotation `receiver/run` by which a repeated request is recognised.

        Raises:
            AlreadyExists: The name is taken by a Job that this operation did not create.
            RequestRefused: It is no Job.
            ClusterError: It could not be created; after `ClusterUnreachable` it may have been.
        """
        name = reading.text(reading.part(manifest, "metadata"), "name")
        check_namespace(namespace)
        check_name("Job", name)
        body = marked(manifest, name=name, operation=operation)
        action = f"create Job {namespace}/{name}"
        try:
            # By the way of custom objects, for the package's own would drop from a Job whatever it does not know.
            answer = await self._json(
                action, self._custom.create_namespaced_custom_object, namespace=namespace, body=body, **_JOBS
            )
        except AlreadyExists:
            found = await self.get_job(namespace, name)
            if found.operation != operation:
                raise
            return found
        return reading_workloads.job(answer)
