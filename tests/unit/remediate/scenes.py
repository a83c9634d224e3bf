"""One stuck workflow, its alert, its playbook and its run, for the tests of this folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from receiver.clients.kubernetes import Cluster
from receiver.model.alert import AlertStatus, Fingerprint
from receiver.model.document import Document
from receiver.model.errors import Conflict, NotFound, PreconditionFailed, WorkflowFinished
from receiver.model.incident import Occurrence, Subject
from receiver.model.remediation import Entry, EntryState, Mode, Run, RunId, RunState, Target
from receiver.model.standing import Standing
from receiver.model.workflow import Phase, Workflow
from receiver.remediate.actions import Means, Performed, Turn, effect
from receiver.remediate.actions.workflow_resubmit import new_name
from receiver.remediate.facts import Facts, Verdict, verb_at, watched
from receiver.remediate.guards import GuardFacts
from receiver.remediate.language import Playbook, load, parse_step
from receiver.remediate.plan import compiled, steps_to_take
from receiver.remediate.progress import advance
from receiver.remediate.tick import Finished, Passed, Step, Tick, Wait

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STUCK_FOR = timedelta(hours=7)

TEXT = """
# The playbook of this folder's tests: the shipped one with few guards, so that each test adds what it is about.
name: restart-stuck-workflow
mode: dry_run
summary: Run a workflow anew that has stopped making progress
on:
  matchers: ['alertname="WorkflowStuckDetection"']
  for: 1m
confirm: >-
  workflow.phase in ["Running", "Pending"] && !workflow.suspended && workflow.idle > duration("30m")
guards:
  cooldown: 1h
  attempts: {max: 2, per: 24h}
approval: none
steps:
  - workflow.terminate: {}
  - wait: {until: workflow.finished, timeout: 5m}
  - workflow.resubmit: {}
  # The hold is longer than the idle limit: a new run that hangs at once has to fail this check.
  - verify:
      that: >-
        workflow.phase == "Succeeded" || (workflow.phase == "Running" && workflow.idle < duration("5m"))
      hold: 6m
      within: 10m
hold_notifications: 20m
on_failure: {escalate: true}
"""
PLAYBOOK = load(Document(TEXT, file="p.yaml"))


def playbook(text: str) -> Playbook:
    return load(Document(text, file="p.yaml"))


def alert(**changes: Any) -> Occurrence:
    labels = {
        "alertname": "WorkflowStuckDetection",
        "severity": "critical",
        "namespace": "argo",
        "workflow_name": "etl",
    }
    occurrence = Occurrence(
        id="202611-1",
        fingerprint=Fingerprint("0123456789abcdef"),
        status=AlertStatus.FIRING,
        inferred=False,
        subject=Subject(namespace="argo", workflow="etl"),
        alertname="WorkflowStuckDetection",
        severity="critical",
        labels=labels,
        annotations={},
        starts_at=NOW - timedelta(minutes=5),
        starts_at_text="2026-11-24T11:55:00Z",
        ends_at=None,
        first_seen_at=NOW - timedelta(minutes=5),
        last_seen_at=NOW,
        deliveries=1,
        firings=1,
        group_key="{}",
        receiver="receiver",
        generator_url="",
        incident_id=1,
    )
    return replace(occurrence, **changes)


def workflow(**changes: Any) -> Workflow:
    stuck = Workflow(
        namespace="argo",
        name="etl",
        uid="uid-etl",
        resource_version="1",
        phase=Phase.RUNNING,
        created_at=NOW - STUCK_FOR,
        started_at=NOW - STUCK_FOR,
        progress="1/2",
    )
    return replace(stuck, **changes)


def guard_facts(**changes: Any) -> GuardFacts:
    fine = GuardFacts(
        now=NOW,
        targets=1,
        pauses=(),
        missing="",
        standing=Standing(playbook=PLAYBOOK.name),
        failures=0,
        namespace_allowed=True,
        opt_in=False,
        lineage="uid-etl",
        acts=(),
        unfinished_runs=(),
        superseded_by="",
        running=0,
        spent=0,
        touched=0,
        workflows=10,
    )
    return replace(fine, **changes)


def run(of: Playbook = PLAYBOOK, mode: Mode = Mode.LIVE, **changes: Any) -> Run:
    begun = Run(
        id=RunId(12),
        incident_id=1,
        alert_id="202611-1",
        playbook=of.name,
        version=of.version,
        mode=mode,
        target=Target(kind="workflow", namespace="argo", name="etl", uid="uid-etl", lineage="uid-etl"),
        state=RunState.RUNNING,
        outcome=None,
        reason="",
        confirm=str(of.confirm),
        escalate=of.on_failure.escalate,
        hold_until=None,
        steps=compiled(steps_to_take(of, None, asking=mode is Mode.PROPOSE)),
        cursor=0,
        vars={},
        wake_at=None,
        entered_at=NOW,
        started_at=NOW,
        finished_at=None,
    )
    return replace(begun, **changes)


def facts(**changes: Any) -> Facts:
    found = Facts(now=NOW, confirm=str(PLAYBOOK.confirm), alert=alert(), workflow=workflow(), pods=())
    return replace(found, **changes)


def turn(run: Run, facts: Facts) -> Turn[Any]:
    assert run.target is not None
    _, params = parse_step(run.steps[run.cursor])
    return Turn(run=run, target=run.target, facts=facts, params=params)


def entry(cursor: int, state: EntryState = EntryState.INTENDED, attempt: int = 1, **changes: Any) -> Entry:
    action = ("workflow.terminate", "wait", "workflow.resubmit", "verify")[cursor]
    return replace(Entry(cursor=cursor, attempt=attempt, action=action, state=state, started_at=NOW), **changes)


@dataclass
class World:
    """A cluster of one namespace in memory, and the time; counts each effect."""

    workflows: dict[str, Workflow] = field(default_factory=lambda: {"etl": workflow()})
    now: datetime = NOW
    terminated: int = 0
    created: int = 0

    async def raw_workflow(self, namespace: str, name: str) -> dict[str, Any]:
        if name not in self.workflows:
            raise NotFound(f"{namespace}/{name}")
        metadata = {"namespace": namespace, "name": name, "uid": self.workflows[name].uid, "managedFields": []}
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": {"x": 1}}

    async def terminate(self, workflow: Workflow, *, operation: str, unchanged: bool) -> Workflow:
        current = self.workflows.get(workflow.name)
        if current is None:
            raise NotFound(workflow.name)
        if current.uid != workflow.uid:
            raise PreconditionFailed(workflow.name)
        if current.finished:
            raise WorkflowFinished(workflow.name)
        if unchanged and current.resource_version != workflow.resource_version:
            raise Conflict(workflow.name)
        self.terminated += 1
        ended = replace(current, shutdown="Terminate", terminated_by=operation)
        self.workflows[workflow.name] = ended
        return ended

    async def resubmit(
        self, workflow: Workflow, *, name: str, operation: str, raw: Mapping[str, Any] | None = None
    ) -> Workflow:
        if workflow.name not in self.workflows and raw is None:
            raise NotFound(workflow.name)
        self.created += 1
        made = Workflow(
            namespace=workflow.namespace,
            name=name,
            uid=f"uid-{name}",
            resource_version="1",
            phase=Phase.UNKNOWN,
            created_at=self.now,
            operation=operation,
            resubmitted_from=workflow.name,
            resubmitted_from_uid=workflow.uid,
        )
        self.workflows[name] = made
        return made

    def live_on(self) -> None:
        """Let Argo do its part: what was terminated fails, what is new runs."""
        for name, found in self.workflows.items():
            if found.shutdown and not found.finished:
                self.workflows[name] = replace(found, phase=Phase.FAILED, finished_at=self.now)
            if found.phase is Phase.UNKNOWN:
                self.workflows[name] = replace(found, phase=Phase.RUNNING, started_at=self.now)
            if name != "etl" and not found.finished:
                self.workflows[name] = replace(self.workflows[name], progress_at=self.now)

    def facts_for(self, run: Run, **changes: Any) -> Facts:
        reference = watched(run)
        makes = run.target is not None and verb_at(run, run.cursor) == "workflow.resubmit"
        return facts(
            now=self.now,
            workflow=self.workflows.get(reference.name) if reference else None,
            seen=self.workflows.get(new_name(run, run.target)) if makes and run.target else None,
            **changes,
        )

    @property
    def means(self) -> Means:
        return Means(cluster=cast(Cluster, self))


@dataclass
class Carrier:
    """Carries a run the way the pipeline does, in memory; may die between any two lines of it."""

    world: World
    run: Run
    story: list[str] = field(default_factory=list)
    verdicts: Sequence[Verdict] = ()

    def tick(self, **changes: Any) -> Tick:
        return advance(self.run, self.world.facts_for(self.run, verdicts=self.verdicts, **changes))

    def intend(self, step: Step) -> None:
        line = Entry(
            cursor=step.cursor,
            attempt=step.attempt,
            action=step.action,
            state=EntryState.INTENDED,
            started_at=self.world.now,
            result=step.intent,
        )
        self.run = replace(self.run, journal=(*self.run.journal, line))

    async def perform(self, step: Step) -> Performed:
        changing = effect(step.action)
        assert changing is not None
        return await changing.perform(self.world.means, turn(self.run, self.world.facts_for(self.run)))

    def record(self, done: Performed | Passed) -> None:
        self.run = replace(self.run, cursor=self.run.cursor + 1, vars=done.vars, entered_at=self.world.now)
        self.story.append(done.text)

    async def carry(self, *, die: Sequence[tuple[int, bool]] = (), **changes: Any) -> Finished:
        """Carry the run to its end.

        Args:
            die: Deaths: at which step, and whether the effect was taken before; each happens once.
            changes: What each tick's facts differ in.
        """
        deaths = list(die)
        for _ in range(500):
            answer = self.tick(**changes)
            match answer:
                case Finished():
                    return answer
                case Wait(until=until, vars=variables):
                    assert until > self.world.now
                    self.world.now = until
                    self.world.live_on()
                    self.run = replace(self.run, vars=variables)
                case Passed():
                    self.record(answer)
                case Step():
                    self.intend(answer)
                    died = next((death for death in deaths if death[0] == answer.cursor), None)
                    if died is not None:
                        deaths.remove(died)
                        if died[1]:
                            await self.perform(answer)
                        continue
                    self.record(await self.perform(answer))
        raise AssertionError("the run does not end")
