"""A fleet of workflows under two replicas that may die at any moment: what a random history is played on."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg

from receiver.model.document import Document
from receiver.model.errors import ReceiverError
from receiver.pipeline.look import look
from receiver.pipeline.rooms import Rooms
from receiver.pipeline.send import send
from receiver.pipeline.tick import tick
from receiver.remediate.language import Playbook, load
from receiver.sandbox.alertmanager import Firing, delivery
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.argo_server import ArgoServer
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, Json
from receiver.sandbox.kubernetes.kind import EVENT
from receiver.sandbox.kubernetes.registry import timestamp
from receiver.sandbox.scenario import running_workflow, stuck_workflow
from receiver.store import looks, pauses, standings, sweeps
from receiver.store.database import Database, Transaction
from receiver.store.intake import Intake
from receiver.webhook.message import parse

from .conftest import Clock
from .witness import Judge, Limits, Witness

NAMESPACE = "fleet"
IDLE = timedelta(minutes=30)
SKEW = timedelta(seconds=20)
"""By how much the clock of the second replica is ahead."""

_CONFIRM = 'workflow.phase in ["Running", "Pending"] && !workflow.suspended && workflow.idle > duration("30m")'
_PLAYBOOK = """
name: {name}
mode: live
summary: {name} of the random fleet
on: {{matchers: ['alertname="{alert}"']}}
confirm: '{confirm}'
guards: {guards}
steps:
{steps}
hold_notifications: 20m
"""
_VERIFY = "  - verify: {that: 'workflow.phase == \"Succeeded\"', hold: 30s, within: 4m}"
WAYS = {
    "terminate": "  - workflow.terminate: {}\n  - wait: {until: workflow.finished, timeout: 5m}\n"
    f"  - workflow.resubmit: {{}}\n{_VERIFY}",
    "restart": f"  - workflow.restart: {{grace: 1m, within: 3m}}\n{_VERIFY}",
}
"""The steps of a playbook that restarts."""
STUCK, DONE = "WorkflowStuckDetection", "WorkflowDone"


def playbooks(limits: Limits, way: str) -> tuple[Playbook, ...]:
    """One playbook that restarts under limits, and one that deletes what is finished."""
    restart = _PLAYBOOK.format(name="restart", alert=STUCK, confirm=_CONFIRM, guards=limits.written, steps=WAYS[way])
    clean = _PLAYBOOK.format(
        name="clean",
        alert=DONE,
        confirm="workflow.finished",
        guards="{storm: false, breaker: false}",
        steps="  - workflow.delete: {}",
    )
    return tuple(load(Document(one, file="fleet.yaml")) for one in (restart, clean))


class Killed(BaseException):
    """The process ends here, as by `kill -9`: nothing after this happens."""


class MortalDatabase(Database):
    """A database whose process may die before, inside or after a transaction.

    Attributes:
        dies_at: How many more transactions there are until then, and where in it; None when it lives on.
    """

    dies_at: tuple[int, str] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction, unless the end comes."""
        self._dies("before")
        async with super().transaction() as transaction:
            yield transaction
            self._dies("inside")
        self._dies("after")
        if self.dies_at is not None:
            left, where = self.dies_at
            self.dies_at = (left - 1, where)

    def _dies(self, moment: str) -> None:
        if self.dies_at is not None and self.dies_at[0] <= 0 and self.dies_at[1] == moment:
            self.dies_at = None
            raise Killed


@dataclass(kw_only=True)
class Fleet:
    """Two replicas, the cluster, and jobs that are done only when somebody says so."""

    replicas: tuple[Rooms, ...]
    databases: tuple[MortalDatabase, ...]
    outside: psycopg.AsyncConnection[Any]
    """The test's own, in which nobody dies; each statement is a transaction."""
    intake: Intake
    clock: Clock
    cluster: ApiServer
    argo: ArgoController
    archive: ArgoServer
    witness: Witness
    judge: Judge
    names: list[str] = field(default_factory=list)
    alerts: dict[tuple[str, str], Firing] = field(default_factory=dict)
    jobs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    paused: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    newest_run: int = 0
    barred_runs: set[int] = field(default_factory=set)
    """Those that began after enough failures in a row had opened the breaker."""
    breaker_due: bool = False

    # --- the world -------------------------------------------------------------------------------------------------

    def submit(self, course: str, *, stuck: bool) -> None:
        """Put a workflow there that is stuck, or one that goes on."""
        name = f"etl-{len(self.names) + 1}"
        if stuck:
            stuck_workflow(self.cluster, NAMESPACE, name, course=course)
        else:
            running_workflow(self.cluster, NAMESPACE, name)
        self.names.append(name)

    def workflows(self) -> list[Json]:
        """All that are there."""
        return self.cluster.storage.every(WORKFLOW, NAMESPACE)

    def progress(self, workflow: Json) -> None:
        """Let the step that runs show that it does, as a controller writes it."""
        status = workflow.get("status") or {}
        nodes = dict(status.get("nodes") or {})
        for key, node in nodes.items():
            if node.get("phase") == "Running":
                nodes[key] = node | {"startedAt": timestamp(self.clock())}
        if status.get("phase") == "Running":
            self.cluster.storage.put(WORKFLOW, workflow | {"status": status | {"nodes": nodes}})

    def speak(self, workflow: Json) -> None:
        """Let the agent in a pod say that it goes on; the workflow itself does not change by that."""
        for pod in self.cluster.storage.every(POD, NAMESPACE):
            labels = pod["metadata"].get("labels") or {}
            if labels.get("workflows.argoproj.io/workflow") == workflow["metadata"]["name"]:
                notes = (pod["metadata"].get("annotations") or {}) | {"receiver/progress-at": timestamp(self.clock())}
                self.cluster.storage.put(POD, pod | {"metadata": pod["metadata"] | {"annotations": notes}})

    def replace(self, workflow: Json) -> None:
        """Let somebody delete a workflow and create another one under its name, which is stuck as well."""
        storage, name = self.cluster.storage, workflow["metadata"]["name"]
        storage.remove(WORKFLOW, workflow)
        for kind in (POD, EVENT):
            for found in storage.every(kind, NAMESPACE):
                if found["metadata"]["name"].startswith(f"{name}-work-"):
                    storage.remove(kind, found)
        stuck_workflow(self.cluster, NAMESPACE, name)

    def suspend(self, workflow: Json) -> None:
        """Let a person halt a workflow."""
        self.cluster.storage.put(WORKFLOW, workflow | {"spec": workflow["spec"] | {"suspend": True}})

    def keep(self, workflow: Json, *, early: bool) -> None:
        """Let Argo archive a workflow; *early* means that what it holds is of another state."""
        metadata = workflow["metadata"]
        self.archive.keep(NAMESPACE, metadata["name"])
        if early:
            kept = self.archive.archive[metadata["uid"]]
            self.archive.archive[metadata["uid"]] = kept | {"status": {**kept.get("status", {}), "phase": "Running"}}

    def matching(self, at: datetime) -> int:
        """Count the workflows about which an alert began to fire in the last five minutes."""
        begun = at - timedelta(minutes=5) + SKEW
        return sum(one.starts_at > begun for (alert, _), one in self.alerts.items() if alert == STUCK)

    # --- alerts ----------------------------------------------------------------------------------------------------

    async def fire(self, alertname: str, workflow: str) -> None:
        """Deliver an alert, or repeat it where it fires."""
        labels = {"alertname": alertname, "severity": "critical", "namespace": NAMESPACE, "workflow_name": workflow}
        begun = Firing(labels=labels, annotations={"summary": "stuck"}, starts_at=self.clock())
        alert = self.alerts.setdefault((alertname, workflow), begun)
        await self.intake.record(parse(delivery(alert), self.clock()))

    async def resolve(self, alertname: str, workflow: str) -> None:
        """Deliver the end of an alert."""
        begun = self.alerts.pop((alertname, workflow))
        over = Firing(labels=begun.labels, annotations={}, starts_at=begun.starts_at, ends_at=self.clock())
        await self.intake.record(parse(delivery(over), self.clock()))

    async def pause(self, *, on: bool) -> None:
        """Let a person pause everything, or end that."""
        async with self.transaction() as transaction:
            if on:
                await pauses.begin(transaction, reason="a test", by="kim", at=self.clock(), expires_at=None)
            else:
                await pauses.end(transaction, by="kim", at=self.clock() + SKEW)
        self.paused = on

    async def close_breaker(self) -> None:
        """Let a person close the breaker: what failed before it counts no more."""
        async with self.transaction() as transaction:
            await standings.close(transaction, "restart", self.clock() + SKEW, "kim")
        self.breaker_due = False

    # --- work ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction of the test's own, in which nobody dies."""
        async with Database.transaction(self.databases[0]) as transaction:
            yield transaction

    async def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return await (await self.outside.execute(query)).fetchall()

    async def take_jobs(self) -> None:
        """Take what the queue holds into our own hands."""
        taken = await self.rows("delete from procrastinate_jobs where status = 'todo' returning id, task_name, args")
        self.jobs += [(name, arguments) for _, name, arguments in sorted(taken, key=lambda job: job[0])]

    async def work(self, chance: random.Random, *, most: int, both: bool) -> int:
        """Do some jobs in any order, on one replica or on both at once; what a death interrupts may come back.

        Returns:
            How many.
        """
        await self.take_jobs()
        due = min(most, len(self.jobs))
        for _ in range(due):
            job = self.jobs.pop(chance.randrange(len(self.jobs)))
            replicas = (0, 1) if both else (chance.randrange(2),)
            # Of what a death interrupts, some is found by the reaper, and some is left to the sweep.
            died = await asyncio.gather(*(self._do(replica, *job) for replica in replicas))
            if any(died) and chance.random() < 0.5:
                self.jobs.append(job)
        return due

    async def _do(self, replica: int, name: str, arguments: Mapping[str, Any]) -> bool:
        """Do one job; answers whether it died."""
        task = asyncio.ensure_future(self._carry(self.replicas[replica], name, arguments))
        self.witness.running.add(task)
        self.seen["jobs"] += 1
        try:
            await asyncio.wait({task})
            if task.cancelled():
                self.seen["killed in a request"] += 1
                return True
            error = task.exception()
        finally:
            self.witness.running.discard(task)
        if isinstance(error, Killed):
            self.seen["killed in a transaction"] += 1
            return True
        if isinstance(error, ReceiverError):
            self.seen["jobs that failed"] += 1
            return True
        if error is not None:
            raise error
        return False

    async def _carry(self, rooms: Rooms, name: str, arguments: Mapping[str, Any]) -> None:
        match name:
            case "look":
                await look(rooms, **arguments)
            case "tick":
                await tick(rooms, **arguments)
            case "send":
                await send(rooms, **arguments)
            case _:
                raise AssertionError(f"nobody does {name}")

    def strike(self) -> None:
        """Kill whoever waits for an answer now."""
        for task in self.witness.running:
            task.cancel()

    async def pass_by(self, length: timedelta) -> None:
        """Let time pass, Argo move, and one replica sweep."""
        self.clock.pass_by(length)
        for _ in range(3):
            self.argo.advance()
        now = self.clock()
        async with self.transaction() as transaction:
            await sweeps.enqueue_due(transaction, self.replicas[0].queue, now)
            for number in await looks.close_quiet(transaction, now - self.replicas[0].linger, now, most=100):
                await looks.demand(transaction, number, now)

    async def settle(self) -> None:
        """Let nothing more go wrong, and time pass until every run is over."""
        self.witness.clear()
        self.witness.meddle = self.witness.strike = None
        for database in self.databases:
            database.dies_at = None
        if self.paused:
            await self.pause(on=False)
        for _ in range(60):
            await self.pass_by(timedelta(minutes=1))
            await self.work(random.Random(0), most=1_000, both=False)  # noqa: S311 - a repeatable order
            await self.take_jobs()
            await self.count()
            self.check()
            # A clock that was set back puts off what was due by it: that comes once the clock has caught up.
            still = (
                "select id from runs where state <> 'finished' "
                "union all select id from incidents where look_at is not null and workflow <> ''"
            )
            if not self.jobs and not await self.rows(still):
                return
        raise AssertionError("runs do not end, or incidents are not looked at")

    async def count(self) -> None:
        """Count the runs that are not over, which no request tells, in Receiver's own rows."""
        unfinished = "from runs where playbook = 'restart' and state <> 'finished'"
        [(running, lineages)] = await self.rows(f"select count(*), count(distinct lineage) {unfinished}")
        assert running == lineages, "two runs on one lineage"
        most = self.judge.limits.concurrency
        assert most is None or running <= most, f"{running} runs at once, and {most} are allowed"
        await self._watch_breaker()

    async def _watch_breaker(self) -> None:
        """Bar the runs that have begun since the breaker was due, and see whether it is due now."""
        failures = self.judge.limits.breaker
        if failures is None:
            return
        begun = [number for (number,) in await self.rows("select id from runs where playbook = 'restart' order by id")]
        if self.breaker_due:
            self.seen["looks while the breaker was due"] += 1
            self.barred_runs.update(number for number in begun if number > self.newest_run)
        self.newest_run = max(begun, default=0)
        ended = await self.rows(
            "select id, outcome from runs left join playbook_states using (playbook) where playbook = 'restart' "
            "and outcome in ('succeeded', 'failed', 'timed_out') and finished_at > coalesce(closed_at, '-infinity') "
            "order by id desc"
        )
        acted = {deed.run for deed in self.witness.deeds}
        last = [outcome for number, outcome in ended if number in acted or outcome == "succeeded"][:failures]
        self.breaker_due = len(last) == failures and "succeeded" not in last

    def check(self) -> None:
        """Judge what was done since the last time."""
        for deed in self.witness.deeds[self.judged :]:
            self.judged += 1
            self.seen[f"{deed.verb}s"] += 1
            complaints = self.judge.complaints(deed, paused=self.paused, matching=self.matching(deed.at))
            if deed.run in self.barred_runs:
                complaints.append(f"run {deed.run} began although the breaker was due")
            if complaints:
                before = "\n".join(f"{one.at} {one.verb} {one.name} {one.operation}" for one in self.judge.deeds)
                raise AssertionError("\n".join([*complaints, "after:", before]))
