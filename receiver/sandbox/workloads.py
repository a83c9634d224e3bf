"""An imitation of the controllers of Deployments and Jobs. Off unless `advance` is called.

A Deployment that was changed has its pods replaced in two moves: first they are new and do not serve yet, then they do.
A Job starts a pod and ends as its annotation `sandbox/course` says: `succeed`, which is the default, `fail` or `hang`.
The pods of Deployments are counted and not made.
"""

from datetime import datetime

from receiver.sandbox import argo_objects as argo
from receiver.sandbox.argo import COURSE, Course
from receiver.sandbox.kubernetes import DEPLOYMENT, JOB, POD, ApiServer, Json
from receiver.sandbox.kubernetes.registry import timestamp

_ENDS = {Course.SUCCEED: ("Succeeded", "Complete"), Course.FAIL: ("Failed", "Failed")}


class WorkloadController:
    """Moves the Deployments and Jobs of a stand-in on."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._registry = server.registry

    def advance(self) -> None:
        """Make one move in everything that has one to make."""
        for deployment in self._server.storage.every(DEPLOYMENT):
            self._replace_pods(deployment)
        for job in self._server.storage.every(JOB):
            self._carry_out(job)

    def _replace_pods(self, deployment: Json) -> None:
        wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
        seen = {"observedGeneration": deployment["metadata"]["generation"], "replicas": wanted}
        serving = seen | {"updatedReplicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted}
        if status.get("observedGeneration") != deployment["metadata"]["generation"]:
            serving |= {"readyReplicas": 0, "availableReplicas": 0}
        self._write(deployment, serving)

    def _carry_out(self, job: Json) -> None:
        metadata, status, now = job["metadata"], job.get("status") or {}, self._server.clock()
        if status.get("conditions") or job["spec"]["suspend"] or "deletionTimestamp" in metadata:
            return
        name = f"{metadata['name']}-{argo.digest(metadata['uid']):08x}"
        if not status.get("active"):
            self._start_pod(job, name, now)
            self._write(job, {"startTime": timestamp(now), "active": 1})
            return
        end = _ENDS.get(Course((metadata.get("annotations") or {}).get(COURSE, "succeed")))
        if end is not None:
            self._end(job, name, end, now)

    def _start_pod(self, job: Json, name: str, now: datetime) -> None:
        metadata, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
        made = self._registry.create(
            POD,
            metadata["namespace"],
            {
                "metadata": (template.get("metadata") or {})
                | {"name": name, "ownerReferences": [owner | {"controller": True}]},
                "spec": template["spec"],
            },
        )
        self._registry.replace(
            POD, metadata["namespace"], name, made | {"status": argo.running(made, now)}, subresource="status"
        )

    def _end(self, job: Json, name: str, end: tuple[str, str], now: datetime) -> None:
        phase, condition = end
        namespace, at = job["metadata"]["namespace"], timestamp(now)
        pod = self._server.storage.get(POD, namespace, name)
        if pod is not None:
            ended = pod | {"status": argo.stopped(pod, phase, now)}
            self._registry.replace(POD, namespace, name, ended, subresource="status")
        failed = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
        conditions = [
            {"type": condition, "status": "True", "lastTransitionTime": at} | (failed if condition == "Failed" else {})
        ]
        counted = {"succeeded": 1, "completionTime": at} if condition == "Complete" else {"failed": 1}
        status = {part: value for part, value in job["status"].items() if part != "active"}
        self._write(job, status | counted | {"conditions": conditions})

    def _write(self, found: Json, status: Json) -> None:
        kind = DEPLOYMENT if found["kind"] == "Deployment" else JOB
        metadata = found["metadata"]
        changed = found | {"status": status}
        self._registry.replace(kind, metadata["namespace"], metadata["name"], changed, subresource="status")
