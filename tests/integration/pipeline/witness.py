"""What the API server itself saw being done to workflows, and whether any of it was one thing too many.

Nothing here asks Receiver: a deed is a request that took effect, with the object as it stood the moment before.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from receiver.sandbox.faults import Answerer, Faults
from receiver.sandbox.kubernetes import POD, WORKFLOW, Json
from receiver.sandbox.kubernetes.storage import Storage

HANGS: Final = "X-Hangs"
"""Header of an answer that never came: whoever reads it has waited for its whole timeout."""
_MARKS = ("receiver/terminated-by", "receiver/stopped-by", "receiver/run")
_FINISHED = {"Succeeded", "Failed", "Error"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One thing that was done to a workflow.

    Attributes:
        verb: `end`, `make` or `delete`.
        run: Whose; 0 where the request does not say.
        uid: Of the workflow that was ended or deleted, or whose successor was made.
        root: Uid of the first workflow of its lineage.
        before: The workflow as it stood; empty before it was made.
        moved_at: When it, or one of its pods, had last moved.
        changed: Whether it was ended by this, and not before.
    """

    at: datetime
    verb: str
    run: int
    operation: str
    uid: str
    name: str
    root: str
    before: Json
    moved_at: datetime
    changed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a playbook's guards allow; none where the field is empty."""

    cooldown: timedelta | None = None
    attempts: int | None = None
    attempts_per: timedelta = timedelta()
    budget: int | None = None
    budget_per: timedelta = timedelta()
    concurrency: int | None = None
    storm: int | None = None
    radius_min: int | None = None
    breaker: int | None = None

    @property
    def written(self) -> str:
        """The same as a playbook has it."""
        parts = [f"breaker: {{failures: {self.breaker}}}" if self.breaker else "breaker: false"]
        parts.append(f"storm: {{targets: {self.storm}, within: 5m}}" if self.storm else "storm: false")
        if self.cooldown is not None:
            parts.append(f"cooldown: {self.cooldown // timedelta(minutes=1)}m")
        if self.attempts:
            parts.append(f"attempts: {{max: {self.attempts}, per: {self.attempts_per // timedelta(minutes=1)}m}}")
        if self.budget:
            parts.append(f"budget: {{max: {self.budget}, per: {self.budget_per // timedelta(minutes=1)}m}}")
        if self.concurrency:
            parts.append(f"concurrency: {self.concurrency}")
        if self.radius_min:
            parts.append(f"blast_radius: {{share: 1%, min: {self.radius_min}}}")
        return "{" + ", ".join(parts) + "}"


class Witness(Faults):
    """The API server's log, with deeds picked out of it, and a place to meddle in the last moment.

    Attributes:
        meddle: Called once, just before a workflow is ended or deleted, with its name.
        strike: Called once, as soon as a change has taken effect and before it is answered.
        running: The jobs under way, which their owner adds and takes away.
    """

    def __init__(self, storage: Storage, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.deeds: list[Deed] = []
        self.roots: dict[str, str] = {}
        self.meddle: Callable[[str], None] | None = None
        self.strike: Callable[[], None] | None = None
        self.running: set[asyncio.Task[None]] = set()
        self._hanging = 0
        self._storage = storage
        self._clock = clock

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        """Keep a request waiting until everything else that is under way hangs too, or has ended.

        A real one would hang for as long as the client's timeout, in which everybody else goes on, as here.
        """
        self._hanging += 1
        try:
            # Looking now and then is simpler than hearing of every job and every request that ends.
            while len(self.running) > self._hanging and request.transport is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        finally:
            self._hanging -= 1
        return web.Response(headers={HANGS: "yes"})

    @web.middleware
    async def middleware(self, request: web.Request, handler: Answerer) -> web.StreamResponse:
        """Watch each change at the moment in which it takes effect. (The parameter's name is aiohttp's.)."""
        await request.read()

        async def watched(request: web.Request) -> web.StreamResponse:
            parts = request.path.split("/")
            if request.method == "GET" or "workflows" not in parts:
                return await handler(request)
            named = parts[-1] if parts[-2] == "workflows" else ""
            namespace = parts[parts.index("namespaces") + 1]
            if named and self.meddle is not None:
                meddle, self.meddle = self.meddle, None
                meddle(named)
            before = self._storage.get(WORKFLOW, namespace, named) if named else None
            moved_at = last_sign_of_life(self._storage, before) if before else self._clock()
            answer = await handler(request)
            if answer.status < web.HTTPBadRequest.status_code:
                self._note(request.method, json.loads(await request.read() or b"{}"), before, namespace, moved_at)
                if self.strike is not None:
                    strike, self.strike = self.strike, None
                    strike()
            return answer

        return await super().middleware(request, watched)

    def _note(
        self, method: str, body: Mapping[str, Any], before: Json | None, namespace: str, moved_at: datetime
    ) -> None:
        marks = (body.get("metadata") or {}).get("annotations") or {}
        operation = next((marks[mark] for mark in _MARKS if method != "POST" and mark in marks), "")
        if method == "POST":
            operation = marks.get("receiver/run", "")
        run, _, rest = operation.partition(":")
        uid = before["metadata"]["uid"] if before else rest.partition(":")[2]
        root = self.roots.setdefault(uid, uid)
        name = before["metadata"]["name"] if before else body["metadata"]["name"]
        verb = {"PATCH": "end", "POST": "make", "DELETE": "delete"}[method]
        if verb == "make":
            made = self._storage.get(WORKFLOW, namespace, name)
            assert made is not None
            self.roots[made["metadata"]["uid"]] = root
        wanted = (body.get("spec") or {}).get("shutdown")
        self.deeds.append(
            Deed(
                at=self._clock(),
                verb=verb,
                run=int(run or 0),
                operation=operation,
                uid=uid,
                name=name,
                root=root,
                before=before or {},
                moved_at=moved_at,
                changed=verb != "end" or (before or {}).get("spec", {}).get("shutdown") != wanted,
            )
        )


def last_sign_of_life(storage: Storage, workflow: Json) -> datetime:
    """Say when a workflow or one of its pods last moved, by what the API server holds of them."""
    metadata, status = workflow["metadata"], workflow.get("status") or {}
    said = [metadata["creationTimestamp"], status.get("startedAt"), status.get("finishedAt")]
    for node in (status.get("nodes") or {}).values():
        said += [node.get("startedAt"), node.get("finishedAt")]
    for pod in storage.every(POD, metadata["namespace"]):
        if (pod["metadata"].get("labels") or {}).get("workflows.argoproj.io/workflow") == metadata["name"]:
            said += [pod["metadata"]["creationTimestamp"]]
            said += [(pod["metadata"].get("annotations") or {}).get("receiver/progress-at")]
    return max(datetime.fromisoformat(one) for one in said if one)


@dataclass(kw_only=True)
class Judge:
    """Goes through the deeds one by one, and says of each what was wrong with it.

    Attributes:
        idle: For how long a workflow must not have moved before it may be ended.
        skew: How far the clocks of replicas lie apart: no limit can be kept more exactly.
        archived: What the archive holds of a uid; None where it holds nothing.
    """

    limits: Limits
    idle: timedelta
    skew: timedelta
    archived: Callable[[str], Json | None]
    deeds: list[Deed] = field(default_factory=list)

    def complaints(self, deed: Deed, *, paused: bool, matching: int) -> list[str]:
        """Take the next deed.

        Args:
            deed: What was done.
            paused: Whether everything was paused then.
            matching: How many workflows began to match within the time of the storm brake.
        """
        first = deed.verb == "end" and all(one.run != deed.run for one in self.deeds)
        found = self._of_delete(deed) if deed.verb == "delete" else self._of_any(deed)
        found += self._of_first(deed) if first else []
        found += ["everything was paused"] if first and paused else []
        found += ["it was in a storm"] if first and self.limits.storm and matching > self.limits.storm else []
        self.deeds.append(deed)
        return [f"{what}: {deed.verb} {deed.name} by {deed.operation or 'nobody'} at {deed.at}" for what in found]

    def _of_any(self, deed: Deed) -> list[str]:
        said = []
        if deed.changed and any(one.operation == deed.operation and one.changed for one in self.deeds):
            said.append("it was done twice")
        if deed.operation.rpartition(":")[2] != deed.uid:
            said.append("it was another workflow that was decided upon")
        mine = [one for one in self.deeds if one.run == deed.run]
        after_mine = self.deeds[self.deeds.index(mine[0]) :] if mine else []
        if any(one.root == deed.root and one.run not in {deed.run, 0} for one in after_mine):
            said.append("another run acted on the lineage in the middle of this one")
        if deed.verb == "make" and (not mine or mine[0].verb != "end"):
            said.append("it runs anew what this run did not end")
        return said

    def _of_first(self, deed: Deed) -> list[str]:
        """Judge the first thing that a run did, before which anything may still stop it."""
        said = []
        spec, status = deed.before.get("spec", {}), deed.before.get("status", {})
        if status.get("phase") in _FINISHED or spec.get("suspend") or spec.get("shutdown"):
            said.append("it was finished, suspended or being ended")
        if deed.at - deed.moved_at < self.idle - self.skew:
            said.append(f"it had moved at {deed.moved_at}")
        return said + self._over_limits(deed, [one for one in self.deeds if one.run not in {deed.run, 0}])

    def _over_limits(self, deed: Deed, others: list[Deed]) -> list[str]:
        limits, said = self.limits, []
        same = [one for one in others if one.root == deed.root]

        def runs(deeds: list[Deed], per: timedelta) -> set[int]:
            return {one.run for one in deeds if one.at > deed.at - per + self.skew}

        if limits.cooldown and runs(same, limits.cooldown):
            said.append("the cooldown was not over")
        if limits.attempts and len(runs(same, limits.attempts_per)) >= limits.attempts:
            said.append("it was one attempt too many")
        if limits.budget and len(runs(others, limits.budget_per)) >= limits.budget:
            said.append("the budget was spent")
        hour = timedelta(hours=1) - self.skew
        if limits.radius_min:
            lineages = {one.root for one in others if one.at > deed.at - hour} | {deed.root}
            if len(lineages) > limits.radius_min:
                said.append("the blast radius was too large")
        return said

    def _of_delete(self, deed: Deed) -> list[str]:
        kept = self.archived(deed.uid)
        if kept is None:
            return ["it was not archived"]
        parts = ("spec", "status")
        same = all(kept.get(part) == deed.before.get(part) for part in parts)
        return [] if same and deed.before["status"]["phase"] in _FINISHED else ["the archive holds something else"]
