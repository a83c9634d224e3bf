"""The fleet is followed through whatever befalls an API server, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from receiver.cli.exporter import exporting
from receiver.clients.kubernetes import EVERYWHERE, FOLLOWING, Cluster
from receiver.model.errors import SettingsError
from receiver.model.workflow import PROGRESS_ANNOTATION, Phase
from receiver.sandbox import scenario
from receiver.sandbox.argo import ArgoController
from receiver.sandbox.kubernetes import POD, WORKFLOW, ApiServer, Grant, Identity
from receiver.settings import Settings, read_settings
from receiver.upkeep import fleet as fleet_module
from receiver.upkeep.fleet import Fleet

NAMES = ("agent_type", "agent")
WATCH = r"/workflows$"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the pauses between two attempts be over in a moment."""
    monkeypatch.setattr(fleet_module, "FIRST_PAUSE", timedelta(milliseconds=10))
    monkeypatch.setattr(fleet_module, "LONGEST_PAUSE", timedelta(milliseconds=50))


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer(bookmarks_every=timedelta(milliseconds=50)) as api:
        api.adopt(scenario.workflow("argo", "etl", agent="cleo"), scenario.workflow("ml", "train"))
        yield api


@asynccontextmanager
async def followed(server: ApiServer, *places: str) -> AsyncIterator[Fleet]:
    cluster = Cluster.at(server.url, server.token)
    fleet = Fleet(cluster, places or (EVERYWHERE,), NAMES, now)
    following = asyncio.create_task(fleet.follow())
    try:
        await until(lambda: fleet.followed.complete)
        yield fleet
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await cluster.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for is a number in another's hands
            await asyncio.sleep(0.01)


async def until_ready(asking: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while (await asking.get("/readyz")).status_code != httpx.codes.OK:  # noqa: ASYNC110 - as every probe asks
            await asyncio.sleep(0.01)


def names(fleet: Fleet) -> set[str]:
    return {name for watch in fleet.followed.workflows for _, name in watch.known}


def failures(fleet: Fleet) -> int:
    return sum(watch.failures for watch in fleet.followed.workflows)


def lists(fleet: Fleet) -> int:
    return sum(watch.lists for watch in fleet.followed.workflows)


async def test_what_is_there_comes_changes_and_goes_is_known(server: ApiServer) -> None:
    controller = ArgoController(server)
    async with followed(server) as fleet:
        before = names(fleet)
        server.adopt(scenario.workflow("argo", "new", course="succeed"))
        await until(lambda: "new" in names(fleet))
        for _ in range(20):
            controller.advance()
        known = fleet.followed.workflows[0].known
        await until(lambda: known["argo", "new"].phase is Phase.SUCCEEDED)
        server.registry.delete(WORKFLOW, "argo", "etl", {})
        await until(lambda: "etl" not in names(fleet))

    assert before == {"etl", "train"}
    assert lists(fleet) == 1


async def test_pods_are_known_while_they_are_not_over(server: ApiServer) -> None:
    controller = ArgoController(server)
    async with followed(server, "argo") as fleet:
        pods = fleet.followed.pods[0]
        server.adopt(scenario.workflow("argo", "new", course="succeed"))
        for _ in range(3):
            controller.advance()
        await until(lambda: pods.known)
        whose = {one.workflow for one in pods.known.values()}
        for _ in range(20):
            controller.advance()
        await until(lambda: not any(one.workflow == "new" for one in pods.known.values()))

    assert "new" in whose
    assert server.storage.every(POD, "argo"), "over, and still in the cluster"


async def test_only_the_namespaces_that_are_named_are_followed() -> None:
    rights = tuple(
        Grant(verbs=frozenset({verb}), resources=frozenset({resource}), namespace="argo")
        for verb, _, resource in FOLLOWING
    )
    narrow = Identity(name="system:serviceaccount:argo:exporter", grants=rights)
    async with ApiServer(identities={"narrow": narrow}) as strict:
        strict.adopt(scenario.workflow("argo", "etl"), scenario.workflow("ml", "train"))
        async with followed(strict, "argo") as fleet:
            assert names(fleet) == {"etl"}


async def test_a_watch_that_is_cut_goes_on_from_where_it_was(server: ApiServer) -> None:
    async with followed(server) as fleet:
        for more in range(5):
            server.watches.cut()
            server.adopt(scenario.workflow("argo", f"more-{more}"))
            await until(lambda: len(names(fleet)) == 3 + more)  # noqa: B023 - asked before it changes

    assert lists(fleet) == 1


async def test_a_state_that_is_too_old_is_listed_anew_and_what_went_meanwhile_is_forgotten(server: ApiServer) -> None:
    async with followed(server) as fleet:
        server.faults.answer(503, path=WATCH, times=None)
        server.watches.cut()
        await until(lambda: failures(fleet) > 1)
        server.registry.delete(WORKFLOW, "argo", "etl", {})
        server.adopt(scenario.workflow("argo", "new"))
        server.storage.compact()
        server.faults.clear()
        await until(lambda: names(fleet) == {"train", "new"})

    assert lists(fleet) > 1


async def test_while_the_api_server_is_away_what_was_known_is_kept_and_grows_old(server: ApiServer) -> None:
    async with followed(server) as fleet:
        watch = fleet.followed.workflows[0]
        server.faults.answer(500, times=None)
        server.watches.cut()
        await until(lambda: watch.failures > 2)
        old, known = watch.confirmed_at, names(fleet)
        server.faults.clear()
        await until(lambda: watch.confirmed_at > old)

    assert known == {"etl", "train"}


async def test_an_api_server_that_freezes_holds_up_no_end(server: ApiServer) -> None:
    async with followed(server) as fleet:
        server.faults.hang(times=None)
        server.watches.cut()
        asked = len(server.faults.requests)
        await until(lambda: len(server.faults.requests) > asked)

    assert names(fleet) == {"etl", "train"}


async def test_a_move_that_only_shows_in_the_progress_counts_from_when_it_was_seen(server: ApiServer) -> None:
    async with followed(server) as fleet:
        known = fleet.followed.workflows[0].known
        began = now().timestamp()
        found = server.registry.read(WORKFLOW, "argo", "etl")
        server.registry.replace(WORKFLOW, "argo", "etl", found | {"status": {"phase": "Running", "progress": "1/2"}})
        await until(lambda: known["argo", "etl"].phase is Phase.RUNNING)
        moved = known["argo", "etl"].progress
        said = {PROGRESS_ANNOTATION: (now() + timedelta(minutes=2)).isoformat()}
        found = server.registry.read(WORKFLOW, "argo", "etl")
        spoken = found | {"metadata": found["metadata"] | {"annotations": said}}
        server.registry.replace(WORKFLOW, "argo", "etl", spoken)
        await until(lambda: (known["argo", "etl"].progress or 0) > now().timestamp())

    assert moved is not None
    assert moved >= began


async def test_the_exporter_answers_with_what_the_rules_ask_for(server: ApiServer, tmp_path: Path) -> None:
    async with (
        exporting(settings(server, tmp_path, namespaces=["*"])) as url,
        httpx.AsyncClient(base_url=url) as asking,
    ):
        await until_ready(asking)
        metrics = (await asking.get("/metrics")).text
        alive = await asking.get("/healthz")

    line = 'argo_workflow_status_phase_start_time{agent="cleo",namespace="argo",phase="",workflow_name="etl"}'
    assert line in metrics
    assert "process_resident_memory_bytes" in metrics
    assert alive.text == "ok\n"


async def test_an_exporter_with_nothing_to_follow_says_which_setting_names_it(
    server: ApiServer, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"exporter\.namespaces"):
        async with exporting(settings(server, tmp_path, namespaces=[])):
            pytest.fail("it follows nothing")


def settings(server: ApiServer, folder: Path, **exporter: object) -> Settings:
    kubeconfig, config = folder / "kubeconfig.yaml", folder / "receiver.yaml"
    YAML().dump(server.kubeconfig(), kubeconfig)
    whole = {
        "kubernetes": {"kubeconfig": str(kubeconfig), "context": "sandbox"},
        "exporter": {"port": 0, **exporter},
    }
    YAML().dump(whole, config)
    return read_settings(config, {})
