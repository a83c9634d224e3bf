"""An imitation of Argo's controller, with the kubelet and the garbage collector that it relies on. Off unless started.

It moves workflows on by steps: a new one is seen, starts, runs its steps one after the other, each in a pod, and ends;
one that is told to shut down ends as Argo ends it; one that is suspended waits. It reads and writes the stand-in's
objects under the same rules as everybody else.

What a workflow does is said by its annotation `sandbox/course`: one word for each attempt, the last one for all later
ones. A retry is an attempt as well, and so is what follows a deleted pod. Since a resubmit copies annotations, `hang,
succeed` is a workflow that hangs, and whose repetition goes well.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from types import TracebackType
from typing import Self

from receiver.sandbox import argo_objects as argo
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, Json, Line, Refusal
from receiver.sandbox.kubernetes.kind import PVC
from receiver.sandbox.kubernetes.registry import timestamp

COURSE = "sandbox/course"
"""Annotation: what each attempt at a workflow does."""


class Course(Enum):
    """What an attempt at a workflow does."""

    SUCCEED = "succeed"
    """All its steps go well."""
    FAIL = "fail"
    """Its last step fails."""
    HANG = "hang"
    """Its last step never ends."""
    WAIT = "wait"
    """It stays pending."""


class ArgoController:
    """Moves the workflows of a stand-in on.

    Use it as an asynchronous context manager to let it work by the clock, or call `advance` to make it work once.

    Args:
        server: Whose workflows.
        step: The time between two moves.
        courses: What attempts do where no annotation and no `follow` says it.
    """

    def __init__(
        self,
        server: ApiServer,
        *,
        step: timedelta = timedelta(seconds=1),
        courses: tuple[Course, ...] = (Course.SUCCEED,),
    ) -> None:
        self._server = server
        self._registry = server.registry
        self._storage = server.storage
        self._step = step
        self._courses = courses
        self._rules: dict[tuple[str, str], tuple[Course, ...]] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, namespace: str, name: str, *courses: Course) -> None:
        """Say what the attempts at a workflow do, from the first one, called *name*, through all its resubmits."""
        self._rules[namespace, name] = courses

    def start(self) -> None:
        """Begin to work by the clock."""
        self._task = asyncio.create_task(self._work(), name="argo-imitation")

    async def stop(self) -> None:
        """Stop working; whatever broke it meanwhile is raised here."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _work(self) -> None:
        while True:
            self.advance()
            await asyncio.sleep(self._step.total_seconds())

    def advance(self) -> None:
        """Make one move in every workflow that has one to make, and clear away what was deleted."""
        for workflow in self._storage.every(WORKFLOW):
            self._move(workflow)
        self._clear_away()

    def _move(self, workflow: Json) -> None:
        phase = workflow.get("status", {}).get("phase", "")
        if phase in argo.FINISHED or "deletionTimestamp" in workflow["metadata"]:
            return
        if workflow["spec"].get("shutdown"):
            self._shut_down(workflow)
        elif not phase and workflow.get("status", {}).get("nodes"):
            self._write(workflow, workflow["status"] | {"phase": "Running"}, "Running")
        elif not phase:
            self._write(workflow, {"phase": "Pending", "startedAt": None, "finishedAt": None}, "Pending")
        elif workflow["spec"].get("suspend") or self._course(workflow) is Course.WAIT:
            return
        elif phase == "Pending":
            self._begin(workflow)
        else:
            self._go_on(workflow)

    def _begin(self, workflow: Json) -> None:
        now = self._server.clock()
        group = argo.group_node(workflow, now) if argo.steps(workflow)[0].name else None
        nodes = {group["id"]: group} if group else {}
        status = {"phase": "Running", "startedAt": timestamp(now), "finishedAt": None, "message": "", "nodes": nodes}
        self._write(workflow, status, "Running")

    def _go_on(self, workflow: Json) -> None:
        nodes = workflow["status"].get("nodes") or {}
        if any(node.get("type") == "Suspend" and node["phase"] == "Running" for node in nodes.values()):
            return
        steps = argo.steps(workflow)
        step = next((one for one in steps if nodes.get(one.id, {}).get("phase") not in argo.FINISHED), None)
        if step is None:
            self._end(workflow, "Succeeded")
            return
        attempt = argo.last_attempt(workflow, step)
        phase = nodes.get(attempt.id, {}).get("phase", "Pending")
        if phase == "Pending":
            self._start_step(workflow, step, attempt)
        elif phase in argo.FINISHED:
            self._judge(workflow, step, phase)
        elif self._storage.get(POD, workflow["metadata"]["namespace"], attempt.pod) is None:
            self._end_step(workflow, attempt, "Error", "pod deleted")
        elif step != steps[-1] or (course := self._course(workflow)) is Course.SUCCEED:
            self._end_step(workflow, attempt, "Succeeded")
        elif course is Course.FAIL:
            self._end_step(workflow, attempt, "Failed", "main: Error (exit code 1)")

    def _start_step(self, workflow: Json, step: argo.Step, attempt: argo.Step) -> None:
        now, namespace = self._server.clock(), workflow["metadata"]["namespace"]
        agent = (workflow["metadata"].get("labels") or {}).get("agent", "")
        with suppress(Refusal):  # The pod is there already when an earlier write of the node was refused.
            self._registry.create(POD, namespace, argo.pod(workflow, attempt, agent))
        pod = self._registry.read(POD, namespace, attempt.pod)
        self._registry.replace(
            POD, namespace, attempt.pod, pod | {"status": argo.running(pod, now)}, subresource="status"
        )
        self._server.logs.write(pod, "main", [Line(at=now, text=f"{step.name or step.workflow}: started")])
        above = [] if attempt is step else [argo.retry_node(workflow, step, attempt, now)]
        self._write_nodes(workflow, *above, argo.step_node(attempt, now))

    def _end_step(self, workflow: Json, attempt: argo.Step, phase: str, message: str = "") -> None:
        now = self._server.clock()
        self._end_pod(workflow["metadata"]["namespace"], attempt.pod, phase)
        node = argo.ended(workflow["status"]["nodes"][attempt.id], phase, now, message)
        if phase == "Succeeded" or argo.strategy(workflow, attempt) is not None:
            self._write_nodes(workflow, node)
            return
        self._fail(workflow, attempt, phase, node)

    def _judge(self, workflow: Json, step: argo.Step, phase: str) -> None:
        """Make of the end of an attempt that of the step, or begin another one."""
        node = workflow["status"]["nodes"][step.id]
        if phase == "Succeeded":
            self._write_nodes(workflow, argo.ended(node, phase, self._server.clock()))
        elif argo.tries_again(workflow, step, phase):
            attempt = argo.last_attempt(workflow, step).next
            self._start_step(argo.attempted_again(workflow), step, attempt)
        else:
            ended = argo.ended(node, phase, self._server.clock(), "No more retries left")
            self._fail(workflow, step, phase, ended)

    def _fail(self, workflow: Json, step: argo.Step, phase: str, node: Json) -> None:
        self._write_nodes(workflow, node)
        workflow = self._registry.read(WORKFLOW, workflow["metadata"]["namespace"], workflow["metadata"]["name"])
        self._end(workflow, phase, f"child '{step.path}' {'failed' if phase == 'Failed' else 'errored'}")

    def _write_nodes(self, workflow: Json, *written: Json) -> None:
        nodes = (workflow["status"].get("nodes") or {}) | {node["id"]: node for node in written}
        done = argo.progress(nodes, len(argo.steps(workflow)))
        self._write(workflow, workflow["status"] | {"nodes": nodes, "progress": done}, workflow["status"]["phase"])

    def _shut_down(self, workflow: Json) -> None:
        strategy, name = workflow["spec"]["shutdown"], workflow["metadata"]["name"]
        for pod in self._pods(workflow):
            if pod.get("status", {}).get("phase") not in argo.FINISHED:
                self._end_pod(pod["metadata"]["namespace"], pod["metadata"]["name"], "Failed")
        workflow = self._registry.read(WORKFLOW, workflow["metadata"]["namespace"], name)
        self._end(workflow, "Failed", f"Stopped with strategy '{strategy}'")

    def _end(self, workflow: Json, phase: str, message: str = "") -> None:
        now, status = self._server.clock(), workflow.get("status") or {}
        nodes = {
            key: node if node["phase"] in argo.FINISHED else argo.ended(node, phase, now, message)
            for key, node in (status.get("nodes") or {}).items()
        }
        status = argo.ended(status, phase, now, message) | {"conditions": [{"type": "Completed", "status": "True"}]}
        self._write(workflow, status | ({"nodes": nodes} if nodes else {}), phase)

    def _end_pod(self, namespace: str, name: str, phase: str) -> None:
        found = self._storage.get(POD, namespace, name)
        if found is None:
            return
        now = self._server.clock()
        found = self._registry.replace(
            POD, namespace, name, found | {"status": argo.stopped(found, phase, now)}, subresource="status"
        )
        metadata = found["metadata"]
        metadata = metadata | {
            "labels": (metadata.get("labels") or {}) | {argo.COMPLETED: "true"},
            "finalizers": [one for one in metadata.get("finalizers", []) if one != argo.POD_FINALIZER],
        }
        self._registry.replace(POD, namespace, name, found | {"metadata": metadata})

    def _write(self, workflow: Json, status: Json, phase: str) -> None:
        metadata = workflow["metadata"]
        changed = argo.labelled(workflow | {"status": status}, phase)
        self._registry.replace(WORKFLOW, metadata["namespace"], metadata["name"], changed)

    def _course(self, workflow: Json) -> Course:
        lineage = list(self._lineage(workflow))
        root = lineage[-1]["metadata"]
        said = (root.get("annotations") or {}).get(COURSE, "")
        written = tuple(Course(word.strip()) for word in said.split(",") if word.strip())
        courses = self._rules.get((root["namespace"], root["name"])) or written or self._courses
        forgotten = argo.FROM in (root.get("labels") or {})
        attempts = len(lineage) + sum(map(argo.retries, lineage)) + forgotten
        return courses[min(attempts, len(courses)) - 1]

    def _lineage(self, workflow: Json) -> Iterator[Json]:
        """Yield a workflow and all those that it repeats, as far back as they still exist."""
        seen: set[str] = set()
        found: Json | None = workflow
        while found is not None and found["metadata"]["uid"] not in seen:
            seen.add(found["metadata"]["uid"])
            yield found
            before = (found["metadata"].get("labels") or {}).get(argo.FROM, "")
            found = self._storage.get(WORKFLOW, found["metadata"]["namespace"], before)

    def _pods(self, workflow: Json) -> list[Json]:
        metadata = workflow["metadata"]
        return [
            pod
            for pod in self._storage.every(POD, metadata["namespace"])
            if (pod["metadata"].get("labels") or {}).get(argo.BELONGS_TO) == metadata["name"]
        ]

    def _clear_away(self) -> None:
        """Do what a kubelet, the garbage collector and Argo's artifact collector do with what is being deleted."""
        for kind in (POD, PVC, WORKFLOW):
            for found in self._storage.every(kind):
                metadata = found["metadata"]
                if "deletionTimestamp" in metadata and metadata.get("finalizers"):
                    freed = found | {"metadata": metadata | {"finalizers": []}}
                    self._registry.replace(kind, metadata["namespace"], metadata["name"], freed)
                elif "deletionTimestamp" in metadata or self._is_orphan(found):
                    now = {"gracePeriodSeconds": 0}
                    self._registry.delete(kind, metadata["namespace"], metadata["name"], now)

    def _is_orphan(self, found: Json) -> bool:
        metadata = found["metadata"]
        owners = [owner for owner in metadata.get("ownerReferences") or [] if owner["kind"] == WORKFLOW.kind]
        present = (self._storage.get(WORKFLOW, metadata["namespace"], owner["name"]) for owner in owners)
        alive = [one["metadata"]["uid"] for one in present if one is not None]
        return bool(owners) and not any(owner["uid"] in alive for owner in owners)
