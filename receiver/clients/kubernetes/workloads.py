"""What is done with pods and Deployments."""

from datetime import UTC, datetime

from receiver.clients.kubernetes import reading_workloads
from receiver.clients.kubernetes.asking import MERGE_PATCH
from receiver.clients.kubernetes.looking import Looking
from receiver.clients.kubernetes.marks import RESTARTED_AT, RESTARTED_BY
from receiver.clients.kubernetes.names import check_name, check_namespace
from receiver.model.errors import RequestRefused
from receiver.model.workload import Deployment


class Workloads(Looking):
    """The verbs of pods and Deployments."""

    async def delete_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this pod, with the grace that it asks for itself.

        A pod that a finalizer or a lost machine holds stays for a while and says `deleting`; read it again.

        Raises:
            PreconditionFailed: The name belongs to another pod now.
            NotFound: It is gone already.
            ClusterError: It could not be deleted; after `ClusterUnreachable` the request may have arrived.
        """
        check_namespace(namespace)
        check_name("pod", name)
        await self._json(
            f"delete pod {namespace}/{name}",
            self._pods.delete_namespaced_pod,
            namespace=namespace,
            name=name,
            body={"preconditions": {"uid": uid}},
        )

    async def restart_deployment(self, namespace: str, name: str, *, operation: str) -> Deployment:
        """Let a Deployment replace its pods by its own strategy, as `kubectl rollout restart` does.

        Repeating it under one operation is safe: our mark stands in the pod template, so that a second request changes
        nothing. Nothing has been replaced yet when this returns; see `Deployment.rolled_out`.

        Args:
            namespace: Where it lives.
            name: Its name.
            operation: Who asks, for the annotation `receiver/restarted-by`.

        Raises:
            RequestRefused: Its rollouts are paused.
            PreconditionFailed: It was deleted and created anew meanwhile.
            NotFound: There is none of that name.
            ClusterError: It could not be asked; after `ClusterUnreachable` the request may have arrived.
        """
        action = f"restart Deployment {namespace}/{name}"
        current = await self.get_deployment(namespace, name)
        if current.restarted_by == operation:
            return current
        if current.paused:
            raise RequestRefused(f"Could not {action}: its rollouts are paused. Resume them first.")
        mark = {RESTARTED_AT: datetime.now(UTC).isoformat(timespec="seconds"), RESTARTED_BY: operation}
        answer = await self._json(
            action,
            self._deployments.patch_namespaced_deployment,
            namespace=namespace,
            name=name,
            body={"metadata": {"uid": current.uid}, "spec": {"template": {"metadata": {"annotations": mark}}}},
            _content_type=MERGE_PATCH,
        )
        return reading_workloads.deployment(answer)
