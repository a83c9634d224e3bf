"""Our client of Argo Server and its stand-in: what is retried or resubmitted, once, and how that is known later on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from receiver.cli.wiring import connect_argo
from receiver.clients.argo import ArgoServer, was_retried
from receiver.clients.kubernetes import Cluster
from receiver.model.errors import (
    ClusterBusy,
    ClusterUnreachable,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    RequestRefused,
    SettingsError,
    Unauthorized,
)
from receiver.model.workflow import Phase, Workflow
from receiver.sandbox import argo_server, scenario
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import ADMIN, POD, WORKFLOW, ApiServer, Grant, Identity, Json, reader
from receiver.settings import Hidden, Settings
from receiver.settings.acting import Argo

WHERE = "taskmaster"
PATCHER = Identity(
    name="system:serviceaccount:argo:patcher",
    grants=(
        *reader("", WHERE).grants,
        Grant(verbs=frozenset({"patch", "update"}), resources=frozenset({"workflows"}), namespace=WHERE),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A cluster with Argo Server before it, its controller at hand, and one workflow `play`."""

    api: ApiServer
    stand: argo_server.ArgoServer
    controller: ArgoController
    cluster: Cluster
    argo: ArgoServer

    async def failed(self, course: str = "fail, succeed") -> Workflow:
        self.api.adopt(scenario.workflow(WHERE, "play", course=course))
        self.until("Failed")
        return await self.read()

    def until(self, phase: str, name: str = "play") -> None:
        for _ in range(20):
            self.controller.advance()
            if self.stored(name)["status"]["phase"] == phase:
                return
        pytest.fail(f"{name} is {self.stored(name)['status']['phase']}")

    def stored(self, name: str = "play") -> Json:
        return self.api.registry.read(WORKFLOW, WHERE, name)

    async def read(self, name: str = "play") -> Workflow:
        return await self.cluster.get_workflow(WHERE, name)

    def pods(self) -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in self.api.storage.every(POD, WHERE)}


@pytest.fixture(params=[(3, 7), (4, 1)], ids=["3.7", "4.1"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    people = {"all": ADMIN, "patch": PATCHER}
    async with ApiServer(identities=people) as api, argo_server.ArgoServer(api, release=request.param) as stand:
        cluster = Cluster.at(api.url, "all")
        argo = ArgoServer(stand.origin, lambda: "all", cluster=cluster)
        yield Place(api=api, stand=stand, controller=ArgoController(api), cluster=cluster, argo=argo)
        await argo.close()
        await cluster.close()


async def test_steps_that_argo_keeps_in_its_database_are_read_through_argo_server(place: Place) -> None:
    await place.failed()
    place.stand.offload(WHERE, "play")
    bare = await place.read()

    whole = await place.argo.hydrated(bare)

    assert bare.nodes is None
    assert [node.display_name for node in whole.nodes or ()] == ["play", "prepare", "implement"]
    assert whole.uid == bare.uid
    assert await place.argo.hydrated(whole) is whole


async def test_a_cluster_that_knows_argo_server_reads_offloaded_steps_by_itself(place: Place) -> None:
    await place.failed()
    place.stand.offload(WHERE, "play")
    place.cluster.read_steps_by(place.argo.hydrated)

    whole = await place.read()
    place.stand.faults.answer(500, body={"code": 13, "message": "the database is away"})
    bare = await place.read()

    assert (len(whole.nodes or ()), whole.nodes_unreadable) == (3, "")
    assert bare.nodes is None
    assert "the database is away" in bare.nodes_unreadable


async def test_an_argo_server_that_is_configured_is_asked_for_offloaded_steps(place: Place) -> None:
    await place.failed()
    place.stand.offload(WHERE, "play")

    argo = connect_argo(Settings(argo=Argo(server_url=place.stand.origin, token=Hidden("all"))), place.cluster)
    whole = await place.read()

    assert argo is not None
    await argo.close()
    assert [node.display_name for node in whole.nodes or ()] == ["play", "prepare", "implement"]


async def test_the_steps_of_another_run_of_that_name_are_not_taken_for_those_that_were_asked_for(place: Place) -> None:
    await place.failed()
    place.stand.offload(WHERE, "play")
    bare = await place.read()
    place.api.registry.delete(WORKFLOW, WHERE, "play", {})
    await place.failed()

    with pytest.raises(PreconditionFailed):
        await place.argo.hydrated(bare)


async def test_a_retry_runs_the_failed_step_again_and_no_other(place: Place) -> None:
    workflow = await place.failed()
    pods = place.pods()

    retried = await place.argo.retry(workflow, operation="run-1:2")
    place.until("Succeeded")

    assert was_retried(workflow, retried, operation="run-1:2")
    assert not was_retried(workflow, retried, operation="run-2:2")
    assert (retried.uid, retried.finished) == (workflow.uid, False)
    kept = {name for name, uid in place.pods().items() if pods[name] == uid}
    assert len(kept) == 1
    assert place.pods().keys() == pods.keys()


async def test_a_retry_begins_the_attempts_of_a_step_anew(place: Place) -> None:
    body = scenario.workflow(WHERE, "play", course="fail, fail, succeed")
    body["spec"]["templates"][1]["retryStrategy"] = {"limit": "1"}
    place.api.adopt(body)
    place.until("Failed")

    await place.argo.retry(await place.read(), operation="run-1:2")
    place.until("Succeeded")

    nodes = (await place.read()).nodes or ()
    assert {node.display_name: node.phase for node in nodes if node.type == "Pod"} == {
        "prepare(0)": Phase.SUCCEEDED,
        "implement(0)": Phase.SUCCEEDED,
    }


async def test_a_retry_is_asked_once_under_one_operation(place: Place) -> None:
    workflow = await place.failed()
    await place.argo.retry(workflow, operation="run-1:2")

    again = await place.argo.retry(workflow, operation="run-1:2")

    assert was_retried(workflow, again, operation="run-1:2")
    assert len(place.stand.faults.effects(method="PUT", path="/retry$")) == 1


async def test_a_retry_whose_answer_was_lost_is_seen_in_the_workflow(place: Place) -> None:
    workflow = await place.failed()
    place.stand.faults.reset_after_effect(method="PUT")

    with pytest.raises(ClusterUnreachable):
        await place.argo.retry(workflow, operation="run-1:2")

    assert was_retried(workflow, await place.read(), operation="run-1:2")


async def test_a_retry_that_never_arrived_leaves_a_mark_and_no_more(place: Place) -> None:
    workflow = await place.failed()
    place.stand.faults.reset_before_effect(method="PUT")

    with pytest.raises(ClusterUnreachable):
        await place.argo.retry(workflow, operation="run-1:2")
    marked = await place.read()

    assert marked.retried_by == "run-1:2"
    assert not was_retried(workflow, marked, operation="run-1:2")
    assert was_retried(workflow, await place.argo.retry(workflow, operation="run-1:2"), operation="run-1:2")


async def test_offloaded_and_packed_workflows_are_retried_and_stay_so(place: Place) -> None:
    await place.failed()
    place.stand.offload(WHERE, "play")

    retried = await place.argo.retry(await place.read(), operation="run-1:2")

    assert [node.display_name for node in retried.nodes or ()] == ["play", "prepare"]
    assert place.stored()["status"]["offloadNodeStatusVersion"]
    assert "nodes" not in place.stored()["status"]


async def test_a_workflow_that_runs_is_not_retried(place: Place) -> None:
    scenario.running_workflow(place.api, WHERE, "play")

    with pytest.raises(RequestRefused, match="Cannot retry a workflow in phase Running"):
        await place.argo.retry(await place.read(), operation="run-1:2")


async def test_a_workflow_that_changed_since_it_was_read_is_not_retried(place: Place) -> None:
    workflow = await place.failed()
    place.api.registry.patch(WORKFLOW, WHERE, "play", lambda one: one | {"spec": one["spec"] | {"priority": 1}})

    with pytest.raises(Conflict):
        await place.argo.retry(workflow, operation="run-1:2")
    assert place.stand.faults.seen(method="PUT") == []


VERBS: dict[str, Callable[[ArgoServer, Workflow], Awaitable[Workflow]]] = {
    "retry": lambda argo, workflow: argo.retry(workflow, operation="run-1:2"),
    "resubmit": lambda argo, workflow: argo.resubmit(workflow, operation="run-1:2", memoized=True),
    "resume": lambda argo, workflow: argo.resume(workflow),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_another_workflow_of_the_same_name_is_left_alone(place: Place, verb: str) -> None:
    workflow = await place.failed()
    place.api.registry.delete(WORKFLOW, WHERE, "play", {})
    await place.failed()

    with pytest.raises(PreconditionFailed):
        await VERBS[verb](place.argo, workflow)
    assert place.stand.faults.seen(method="PUT") == []


async def test_a_memoized_run_repeats_only_what_had_failed(place: Place) -> None:
    workflow = await place.failed()

    made = await place.argo.resubmit(workflow, operation="run-1:2", memoized=True)
    place.until("Succeeded", made.name)

    ended = await place.read(made.name)
    assert (ended.resubmitted_from, ended.resubmitted_from_uid, ended.operation) == ("play", workflow.uid, "run-1:2")
    assert [(node.display_name, node.phase) for node in ended.nodes or ()] == [
        ("play", Phase.SUCCEEDED),
        ("prepare", Phase.SKIPPED),
        ("implement", Phase.SUCCEEDED),
    ]
    assert (await place.read()).phase is Phase.FAILED


@pytest.mark.parametrize("memoized", [True, False])
async def test_a_resubmit_whose_answer_was_lost_is_found_and_not_repeated(place: Place, *, memoized: bool) -> None:
    workflow = await place.failed()
    place.stand.faults.reset_after_effect(method="PUT")

    with pytest.raises(ClusterUnreachable):
        await place.argo.resubmit(workflow, operation="run-1:2", memoized=memoized)
    found = await place.cluster.find_resubmitted(workflow, operation="run-1:2")
    again = await place.argo.resubmit(workflow, operation="run-1:2", memoized=memoized)

    assert found == again
    assert len(place.api.storage.every(WORKFLOW, WHERE)) == 2


async def test_what_a_person_resubmits_is_not_taken_for_ours(place: Place) -> None:
    workflow = await place.failed()
    made = await place.argo.resubmit(workflow, operation="run-1:2", memoized=False)
    place.api.registry.delete(WORKFLOW, WHERE, made.name, {})
    await place.argo.resubmit(workflow, operation="by hand", memoized=False)

    assert await place.cluster.find_resubmitted(workflow, operation="run-1:2") is None


async def test_a_workflow_that_has_not_failed_has_nothing_to_remember(place: Place) -> None:
    scenario.running_workflow(place.api, WHERE, "play")

    with pytest.raises(RequestRefused, match="only a failed one keeps its steps"):
        await place.argo.resubmit(await place.read(), operation="run-1:2", memoized=True)
    assert place.stand.faults.seen(method="PUT") == []


async def test_packed_suspend_steps_are_resumed(place: Place) -> None:
    waits = {"id": "w", "name": "play.w", "displayName": "w", "type": "Suspend", "phase": "Running"}
    outputs = {"parameters": [{"name": "answer", "valueFrom": {"supplied": {}, "default": "yes"}}]}
    status = {"phase": "Running", "nodes": {"w": waits | {"outputs": outputs}}}
    place.api.adopt(scenario.workflow(WHERE, "play") | {"status": status})
    place.stand.offload(WHERE, "play")

    resumed = await place.argo.resume(await place.read())

    assert not resumed.suspended
    assert [node.phase for node in resumed.nodes or ()] == [Phase.SUCCEEDED]


async def test_an_archive_holds_a_workflow_only_as_it_is_now(place: Place) -> None:
    workflow = await place.failed("fail, fail")

    before = await place.argo.holds(workflow)
    place.stand.keep(WHERE, "play")
    place.stand.offload(WHERE, "play")
    kept = await place.argo.holds(await place.read())
    await place.argo.retry(await place.read(), operation="run-1:2")
    runs = await place.argo.holds(await place.read())
    place.until("Failed")

    assert (before, runs) == ("", "")
    assert kept.endswith(f"/api/v1/archived-workflows/{workflow.uid}")
    assert place.stored()["metadata"]["uid"] == workflow.uid


async def test_an_archive_of_an_earlier_end_is_not_one_of_the_present_end(place: Place) -> None:
    workflow = await place.failed()
    place.stand.keep(WHERE, "play")
    change = {"message": "it went otherwise"}

    assert await place.argo.holds(workflow) != ""
    place.api.registry.patch(WORKFLOW, WHERE, "play", lambda one: one | {"status": one["status"] | change})

    assert await place.argo.holds(workflow) == ""
    assert await place.argo.holds(await place.read()) == ""


async def test_an_archive_of_another_specification_is_not_one_of_this_run(place: Place) -> None:
    workflow = await place.failed()
    place.stand.keep(WHERE, "play")
    assert await place.argo.holds(workflow) != ""

    place.api.registry.patch(WORKFLOW, WHERE, "play", lambda one: one | {"spec": one["spec"] | {"suspend": True}})

    assert await place.argo.holds(await place.read()) == ""


async def test_argo_server_has_the_rights_of_whoever_asks(place: Place) -> None:
    workflow = await place.failed()
    cluster = Cluster.at(place.api.url, "patch")
    argo = ArgoServer(place.stand.origin, lambda: "patch", cluster=cluster)

    with pytest.raises(Forbidden, match='cannot create resource "workflows"'):
        await argo.resubmit(workflow, operation="run-1:2", memoized=True)
    with pytest.raises(Forbidden, match='cannot delete resource "pods"'):
        await argo.retry(workflow, operation="run-1:2")

    assert (await place.read()).phase is Phase.FAILED
    await argo.close()
    await cluster.close()


async def test_argo_server_says_its_version(place: Place) -> None:
    assert await place.argo.version() in {"v3.7.0", "v4.1.0"}


async def test_the_token_is_asked_for_each_time_and_never_told(place: Place) -> None:
    workflow = await place.failed()
    tokens = iter(["old-s3cret", "all"])
    argo = ArgoServer(place.stand.origin, lambda: next(tokens), cluster=place.cluster)

    with pytest.raises(Unauthorized, match=r"argo\.token_file") as refused:
        await argo.get_workflow(WHERE, "play")

    assert "s3cret" not in str(refused.value)
    assert (await argo.get_workflow(WHERE, "play")).uid == workflow.uid
    await argo.close()


async def test_a_token_that_cannot_be_read_is_unauthorized(place: Place) -> None:
    def unreadable() -> str:
        raise SettingsError("argo.token_file: /nowhere cannot be read")

    argo = ArgoServer(place.stand.origin, unreadable, cluster=place.cluster)

    with pytest.raises(Unauthorized, match="/nowhere"):
        await argo.get_workflow(WHERE, "play")


async def test_failures_of_argo_server_are_those_of_the_cluster(place: Place) -> None:
    faults = place.stand.faults

    with pytest.raises(NotFound, match="read workflow taskmaster/gone"):
        await place.argo.get_workflow(WHERE, "gone")
    faults.answer(503, body={"code": 14, "message": "down"}, headers={"Retry-After": "7"})
    with pytest.raises(ClusterBusy, match="down") as busy:
        await place.argo.get_workflow(WHERE, "gone")
    assert busy.value.retry_after == timedelta(seconds=7)
    faults.answer(200, body="<html>please log in</html>")
    with pytest.raises(ClusterUnreachable, match="not Argo Server"):
        await place.argo.get_workflow(WHERE, "gone")
    faults.answer(302, headers={"Location": "https://login.invalid/"})
    with pytest.raises(RequestRefused, match="leads elsewhere"):
        await place.argo.get_workflow(WHERE, "gone")
    faults.answer(409, body={"code": 6, "message": "the object has been modified"})
    with pytest.raises(Conflict):
        await place.argo.get_workflow(WHERE, "gone")


async def test_an_argo_server_that_hangs_is_unreachable(place: Place) -> None:
    argo = ArgoServer(place.stand.origin, lambda: "all", cluster=place.cluster, timeout=timedelta(milliseconds=200))
    place.stand.faults.hang()

    with pytest.raises(ClusterUnreachable, match="gave no answer"):
        await argo.get_workflow(WHERE, "play")
    await argo.close()


@pytest.mark.parametrize("url", ["http://argo-server:2746", "argo-server", "https://user:word@argo"])
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match=r"argo\.server_url"):
        ArgoServer(url, lambda: "all", cluster=Cluster.at("http://127.0.0.1:9", "all"))


def test_certificates_that_are_not_there_are_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"argo\.ca_file: /nowhere"):
        ArgoServer("https://argo", lambda: "all", cluster=Cluster.at("http://127.0.0.1:9", "all"), ca_file="/nowhere")
