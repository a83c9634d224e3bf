"""A worker that sleeps past its time, such as on a machine that was halted, wakes up and does nothing twice."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Final

import pytest

from receiver.sandbox.kubernetes import WORKFLOW
from receiver.sandbox.scenario import stuck_workflow

from .conftest import NAMESPACE, Stage, until

NAME: Final = "rex-implements-login"
LATER: Final = "max-writes-tests"
SLOWLY: Final = timedelta(seconds=3)
"""How long the API server takes for the answer that comes while the worker sleeps."""

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}
POINTS = (
    pytest.param("GET", f"/workflows/{NAME}-r", 1, id="while it looks whether to run it anew"),
    pytest.param("PATCH", f"/workflows/{NAME}$", 1, id="while it terminates"),
    pytest.param("POST", "/workflows$", 2, id="while it runs it anew"),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("method", "path", "done_before"), POINTS if LONG else POINTS[:1])
async def test_a_worker_that_was_halted_past_its_time_does_no_second_effect(
    stage: Stage, method: str, path: str, done_before: int
) -> None:
    for name in (NAME, LATER):
        stuck_workflow(stage.cluster, NAMESPACE, name, course="hang, succeed")
    stage.cluster.faults.slow(SLOWLY, method=method, path=path)
    sleeper = await stage.serve()

    async with stage.argo:
        assert (await sleeper.deliver(stage.alert(NAME))).status == 200
        async with asyncio.timeout(60):
            await stage.cluster.faults.until_seen(method=method, path=path)
        os.kill(sleeper.process.pid, signal.SIGSTOP)
        await until(lambda: answered(stage, method, path), "the API server has answered, and nobody has read it")
        assert len(stage.effects()) == done_before

        other = await stage.serve()
        [(begun,)] = await stage.rows("select now()")
        [(told,)] = await stage.rows("select count(*) from timeline where run_id is not null")
        await until(lambda: finished(stage, 1), "the other one has taken it over and ended it", within=120)
        [(taken,)] = await stage.rows(
            f"select at from timeline where run_id is not null order by at, id limit 1 offset {told}"  # noqa: S608
        )
        print(f"taken over {(taken - begun).total_seconds():.0f} s after the other one was ready")  # noqa: T201
        await other.kill()
        os.kill(sleeper.process.pid, signal.SIGCONT)
        assert (await sleeper.deliver(stage.alert(LATER))).status == 200
        await until(lambda: finished(stage, 2), "it works again", within=120)

    assert "Traceback" not in sleeper.said, sleeper.said
    assert await stage.rows("select distinct outcome from runs") == [("succeeded",)]
    assert stage.effects()[:2] == [f"PATCH {NAME}", "POST workflows"]
    assert stage.effects()[2:] == [f"PATCH {LATER}", "POST workflows"]
    assert len(stage.cluster.storage.every(WORKFLOW, NAMESPACE)) == 4
    assert await stage.rows("select run_id, cursor from journal group by 1, 2 having count(*) > 1") == []


def answered(stage: Stage, method: str, path: str) -> bool:
    return stage.cluster.faults.seen(method=method, path=path)[0].status is not None


async def finished(stage: Stage, runs: int) -> bool:
    return await stage.rows("select count(*) from runs where state = 'finished'") == [(runs,)]
