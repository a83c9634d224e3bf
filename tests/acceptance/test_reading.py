"""Commands that read and decide, beside a running service and without one."""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver.model.document import Document
from receiver.sandbox.scenario import stuck_workflow

from .conftest import NAMESPACE, PLAYBOOK, Service, Stage, until


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


async def command(stage: Stage, config: Path, *words: str) -> Said:
    """Run a command to its end, as a shell does that keeps its output apart from its errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "receiver", *words, "--config", str(config),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=stage.folder, env=stage.environment(),
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return Said(code=process.returncode or 0, out=out.decode(), err=err.decode())


def config_of(stage: Stage, service: Service) -> Path:
    return stage.folder / f"receiver-{service.url.rsplit(':', 1)[-1]}.yaml"


async def ids(stage: Stage, config: Path) -> list[str]:
    said = await command(stage, config, "alerts", "list", "-o", "json")
    assert said.code == 0, said.err
    return [one["id"] for one in json.loads(said.out)["items"]]


async def test_commands_join_the_embedded_database_of_a_running_service_and_start_it_without_one(stage: Stage) -> None:
    service = await stage.serve(database=None)
    config = config_of(stage, service)
    await until(lambda: is_prepared(service), "the schema is there")
    await service.deliver(stage.alert("rex-implements-login"))
    told = [one["id"] for one in (await service.ask("/api/v1/alerts")).json["items"]]

    beside = await ids(stage, config)
    still = await service.ask("/api/v1/alerts")
    assert await service.stop() == 0
    alone = await ids(stage, config)

    assert len(told) == 1
    assert beside == told == alone
    assert still.status == 200


async def test_a_rejection_at_the_command_line_is_carried_out_by_the_running_service(stage: Stage) -> None:
    service, run = await proposed(stage)
    config = config_of(stage, service)

    rejected = await command(stage, config, "remediations", "reject", str(run["id"]), "--note", "not tonight")
    why = await command(stage, config, "why", str(run["incident_id"]))
    story = await command(stage, config, "incidents", "show", str(run["incident_id"]))

    assert (rejected.code, rejected.err) == (0, "")
    assert f"remediation {run['id']} ended: rejected" in rejected.out
    assert f"goes ahead as remediation {run['id']}" in why.out
    assert "cooldown" in why.out
    assert "rejected" in story.out
    assert stage.effects("workflows") == []


async def test_an_approval_at_the_command_line_is_carried_out_there_where_no_service_runs(stage: Stage) -> None:
    service, run = await proposed(stage)
    assert await service.stop() == 0

    async with stage.argo:
        approved = await command(stage, config_of(stage, service), "remediations", "approve", str(run["id"]))

    assert (approved.code, f"remediation {run['id']} ended: succeeded" in approved.out) == (0, True), approved
    assert stage.effects("workflows") == ["PATCH rex-implements-login", "POST workflows"]


async def proposed(stage: Stage) -> tuple[Service, dict[str, Any]]:
    """Let a service propose a restart; gives both, once it waits for somebody's word."""
    stuck_workflow(stage.cluster, NAMESPACE, "rex-implements-login", course="hang, succeed")
    asking = PLAYBOOK.replace("mode: live", "mode: propose").replace("WITHIN", "4m")
    service = await stage.serve(playbooks=[Document(asking, file="the test's playbook").value])
    await service.deliver(stage.alert("rex-implements-login"))
    run: dict[str, Any] = {}

    async def asks() -> bool:
        found = (await service.ask("/api/v1/remediations")).json["items"]
        run.update(found[0] if found else {})
        return run.get("state") == "waiting"

    await until(asks, "the remediation waits for somebody")
    return service, run


async def test_the_tail_of_alerts_tells_each_as_it_comes_until_it_is_ended(stage: Stage) -> None:
    service = await stage.serve()
    tail = await stage.launch(
        [sys.executable, "-m", "receiver", "alerts", "tail", "-o", "json", "--config", str(config_of(stage, service))],
        port=0,
    )

    async def hears() -> bool:
        # It tells only what happens after it began to listen, and nothing says when that is.
        await service.deliver(stage.alert("etl", attempt=str(len(heard) + 1)))
        heard.append(None)
        return "alert.fired" in tail.said

    heard: list[None] = []
    await until(hears, "an alert is told")
    tail.process.send_signal(signal.SIGINT)

    assert await tail.ended() == 130
    lines = [json.loads(line) for line in tail.said.splitlines()]
    assert {line["kind"] for line in lines} == {"alert.fired"}


async def is_prepared(service: Service) -> bool:
    return (await service.ask("/api/v1/alerts")).status == 200
