"""A tick that was paused and wakes up again, after another one has gone further."""

from datetime import timedelta

from receiver.model.remediation import Outcome, Run
from receiver.sandbox.scenario import stuck_workflow
from receiver.store import runs

from .conftest import NAMESPACE, WORKFLOW, House


async def begun(house: House) -> Run:
    """A run that was decided, and whose first tick has not come."""
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW)
    await house.fire()
    for job in await house.take_jobs():
        await house.do(*job)
    [(number,)] = await house.rows("select id from runs")
    async with house.rooms.database.transaction() as transaction:
        run = await runs.read(transaction, number)
    assert run is not None
    return run


async def end(house: House, run: Run, *, taken: int = 0) -> bool:
    async with house.rooms.database.transaction() as transaction:
        return await runs.finish(
            transaction,
            run,
            at=house.clock() + timedelta(minutes=1),
            outcome=Outcome.SKIPPED,
            reason="the alert was resolved",
            variables={},
            escalate=False,
            taken=taken,
        )


async def test_whoever_read_a_run_before_its_effect_was_written_down_cannot_end_it(house: House) -> None:
    run = await begun(house)
    async with house.rooms.database.transaction() as transaction:
        assert await runs.intend(transaction, run, attempt=1, action="workflow.terminate", at=house.clock())

    ended = await end(house, run)

    assert not ended
    assert await house.rows("select state from runs") == [("running",)]


async def test_whoever_wrote_the_effect_down_can_end_the_run(house: House) -> None:
    run = await begun(house)
    async with house.rooms.database.transaction() as transaction:
        assert await runs.intend(transaction, run, attempt=1, action="workflow.terminate", at=house.clock())

    ended = await end(house, run, taken=1)

    assert ended
    assert await house.rows("select state, outcome from runs") == [("finished", "skipped")]
