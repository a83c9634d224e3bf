"""Each action on a cluster, with exactly the rights that `rights` gives for it: done once, and known again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from receiver.clients.argo import ArgoServer
from receiver.clients.kubernetes import Cluster
from receiver.model.errors import Forbidden, NotFound
from receiver.model.remediation import Entry, EntryState, Run, Target
from receiver.model.workflow import Workflow
from receiver.remediate.actions import Means, effect
from receiver.remediate.facts import Facts, watched
from receiver.remediate.language import Playbook
from receiver.remediate.plan import compiled, steps_to_take
from receiver.remediate.progress import advance
from receiver.remediate.rights import role
from receiver.remediate.tick import Finished, Passed, Step, Tick, Wait
from receiver.sandbox import argo_server, scenario
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import JOB, WORKFLOW, ApiServer, Json, holder
from tests.unit.remediate.scenes import alert, facts, playbook, run, turn

WHERE = "argo"
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"namespace": WHERE, "name": "rex-agent"},
    "spec": {
        "selector": {"matchLabels": {"app": "rex"}},
        "template": {
            "metadata": {"labels": {"app": "rex"}},
            "spec": {"containers": [{"name": "agent", "image": "none.invalid/agent"}]},
        },
    },
}
JOB_SPEC = "{template: {spec: {restartPolicy: Never, containers: [{name: main, image: none.invalid/none}]}}}"
WORKFLOW_SPEC = "{entrypoint: main, templates: [{name: main, container: {image: none.invalid/none}}]}"


@dataclass(kw_only=True)
class Scene:
    """One workflow `play`, one run about it, and an account that may do what the run's playbook needs."""

    api: ApiServer
    controller: ArgoController
    means: Means
    run: Run

    async def facts(self) -> Facts:
        reference, cluster = watched(self.run), self.means.the_cluster()
        assert reference is not None
        workflow: Workflow | None
        try:
            workflow = await cluster.get_workflow(reference.namespace, reference.name)
        except NotFound:
            workflow = None
        labels = {**alert().labels, "agent": "rex"}
        return facts(
            now=datetime.now(UTC),
            confirm="true",
            alert=alert(labels=labels),
            workflow=workflow,
            pods=await cluster.pods_of(workflow) if workflow else None,
        )

    async def tick(self) -> tuple[Tick, Facts]:
        """Look as the pipeline does, and decide."""
        known = await self.facts()
        changing = effect(str(self.run.steps[self.run.cursor]["action"]))
        assert changing is not None
        known = replace(known, seen=await changing.look(self.means, turn(self.run, known)))
        return advance(self.run, known), known

    async def act(self) -> str:
        """Take the step and die before it is recorded; returns what was told."""
        step, known = await self.tick()
        assert isinstance(step, Step), step
        line = Entry(
            cursor=step.cursor,
            attempt=step.attempt,
            action=step.action,
            state=EntryState.INTENDED,
            started_at=known.now,
            result=step.intent,
        )
        self.run = replace(self.run, journal=(*self.run.journal, line))
        changing = effect(step.action)
        assert changing is not None
        return (await changing.perform(self.means, turn(self.run, known))).text

    async def recovered(self) -> Passed:
        answer, _ = await self.tick()
        assert isinstance(answer, Passed), answer
        assert answer.recovered is not None
        return answer


def acting(step: str) -> Playbook:
    return playbook(
        f"""
name: acts
mode: live
summary: Acts
on: {{matchers: ['alertname="WorkflowStuckDetection"']}}
confirm: "true"
steps: [{step}]
"""
    )


@asynccontextmanager
async def scene(step: str, *, course: str, phase: str, without: str = "") -> AsyncIterator[Scene]:
    written = acting(step)
    rules = role([written], WHERE, "monitoring/receiver")[0]
    if without:
        rules = {**rules, "rules": [_less(rule, without) for rule in rules["rules"]]}
    api = ApiServer(identities={"least": holder("system:serviceaccount:monitoring:receiver", rules)})
    async with api, argo_server.ArgoServer(api) as stand:
        api.adopt(scenario.workflow(WHERE, "play", course=course), DEPLOYMENT)
        controller = ArgoController(api)
        for _ in range(20):
            controller.advance()
            if phase == _phase(api):
                break
        found = api.registry.read(WORKFLOW, WHERE, "play")
        cluster = Cluster.at(api.url, "least")
        argo = ArgoServer(stand.origin, lambda: "least", cluster=cluster)
        target = Target(kind="workflow", namespace=WHERE, name="play", uid=found["metadata"]["uid"], lineage="x")
        begun = run(written, target=target, steps=compiled(steps_to_take(written, None, asking=False)), confirm="true")
        yield Scene(api=api, controller=controller, means=Means(cluster=cluster, argo=argo), run=begun)
        await argo.close()
        await cluster.close()


def _phase(api: ApiServer) -> str:
    found = api.registry.read(WORKFLOW, WHERE, "play")
    nodes = found.get("status", {}).get("nodes", {})
    phase = str(found.get("status", {}).get("phase", ""))
    return "Stuck" if phase == "Running" and len([one for one in nodes.values() if one["type"] == "Pod"]) > 1 else phase


def _less(rule: dict[str, list[str]], without: str) -> dict[str, list[str]]:
    resource, _, verb = without.partition(" ")
    return {**rule, "verbs": [one for one in rule["verbs"] if rule["resources"] != [resource] or one != verb]}


ACTIONS = [
    ("workflow.terminate: {}", "hang", "Stuck", "workflows patch", "was told to terminate"),
    ("workflow.stop: {}", "hang", "Stuck", "workflows patch", "was told to stop"),
    ("workflow.suspend: {}", "hang", "Stuck", "workflows patch", "is suspended"),
    ("workflow.retry: {}", "fail", "Failed", "pods delete", "goes on from its failed steps"),
    ("workflow.resubmit_memoized: {}", "fail", "Failed", "workflows create", "runs anew as"),
    ("pod.delete: {}", "hang", "Stuck", "pods delete", "was deleted"),
]


@pytest.mark.parametrize(("step", "course", "phase", "right", "told"), ACTIONS)
async def test_an_action_works_with_its_own_rights_and_is_recognised_after_a_death(
    step: str, course: str, phase: str, right: str, told: str
) -> None:
    del right
    async with scene(step, course=course, phase=phase) as here:
        _let_it_be_retried(here.api)

        said = await here.act()
        recovered = await here.recovered()

    assert told in said
    assert told in recovered.text


@pytest.mark.parametrize(("step", "course", "phase", "right", "told"), ACTIONS)
async def test_an_action_does_not_work_with_less(step: str, course: str, phase: str, right: str, told: str) -> None:
    del told
    async with scene(step, course=course, phase=phase, without=right) as here:
        _let_it_be_retried(here.api)

        with pytest.raises(Forbidden):
            await here.act()


async def test_a_suspended_workflow_is_resumed() -> None:
    async with scene("workflow.resume: {}", course="hang", phase="Stuck") as here:
        here.api.registry.patch(WORKFLOW, WHERE, "play", lambda one: one | {"spec": one["spec"] | {"suspend": True}})

        said = await here.act()
        recovered = await here.recovered()

    assert said == recovered.text == "Workflow argo/play goes on."


async def test_a_deployment_is_restarted_and_waited_for() -> None:
    async with scene("deployment.restart: {name: '{agent}-agent'}", course="hang", phase="Stuck") as here:
        said = await here.act()
        waiting, _ = await here.tick()

    assert said == "Deployment argo/rex-agent was told to replace its pods."
    assert isinstance(waiting, Wait)
    assert "0 of 1 pods serve" in waiting.text


@pytest.mark.parametrize(("status", "ends"), [({"succeeded": 1}, "succeeded."), ({"failed": 1}, "failed: it broke")])
async def test_a_job_is_run_and_its_end_is_the_end_of_the_step(status: Json, ends: str) -> None:
    async with scene(f"job.run: {{timeout: 1h, spec: {JOB_SPEC}}}", course="hang", phase="Stuck") as here:
        await here.act()
        waiting, _ = await here.tick()
        (made,) = here.api.storage.every(JOB, WHERE)
        kind = "Complete" if "succeeded" in status else "Failed"
        condition = {"type": kind, "status": "True", "message": "it broke", "reason": "BackoffLimitExceeded"}
        changed = made | {"status": {**status, "conditions": [condition]}}
        here.api.registry.replace(JOB, WHERE, made["metadata"]["name"], changed, subresource="status")
        ended, _ = await here.tick()

    told = {one["name"]: one["value"] for one in made["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert isinstance(waiting, Wait)
    assert told["RECEIVER_TARGET"] == "play"
    assert isinstance(ended, Passed if "succeeded" in status else Finished)
    assert ends in ended.text


async def test_a_workflow_is_run_as_a_step() -> None:
    async with scene(f"workflow.run: {{timeout: 1h, spec: {WORKFLOW_SPEC}}}", course="hang", phase="Stuck") as here:
        await here.act()
        waiting, _ = await here.tick()
        for _ in range(20):
            here.controller.advance()
        ended = await here.recovered()

    assert isinstance(waiting, Wait)
    assert ended.text.endswith("succeeded.")
    assert ended.result["phase"] == "Succeeded"


async def test_a_pod_that_argo_would_not_make_anew_is_left_alone() -> None:
    async with scene("pod.delete: {}", course="hang", phase="Stuck") as here:
        answer, _ = await here.tick()

    assert isinstance(answer, Finished)
    assert "has no retryStrategy" in answer.text


def _let_it_be_retried(api: ApiServer) -> None:
    """Give the last step a retry strategy, and the node above it that Argo then makes."""

    def change(found: Json) -> Json:
        nodes = dict(found["status"]["nodes"])
        last = next(one for one in nodes.values() if one["displayName"] == "implement")
        parent = {**last, "id": "play-parent", "name": last["name"], "type": "Retry"}
        nodes[last["id"]] = {**last, "name": f"{last['name']}(0)", "displayName": "implement(0)"}
        nodes["play-parent"] = parent
        templates = [
            one | ({"retryStrategy": {"retryPolicy": "Always"}} if one["name"] == "work" else {})
            for one in found["spec"]["templates"]
        ]
        return found | {
            "status": found["status"] | {"nodes": nodes},
            "spec": found["spec"] | {"templates": templates},
        }

    api.registry.patch(WORKFLOW, WHERE, "play", change)
