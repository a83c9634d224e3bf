"""A process that dies between and inside all steps of every shipped playbook: what it began is ended, and once.

Each death strikes before, inside or after one transaction of a job, so also between an effect and its record. The job
is lost with it; the sweep finds the run by its lease. What is then asked for is what the playbook does undisturbed.
"""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from receiver.store import sweeps
from receiver.store.decisions import TICK_LEASE

from . import test_shipped as shipped
from .conftest import House
from .fleet import Killed, MortalDatabase

LONG = os.environ.get("RECEIVER_LONG_TESTS", "") not in {"", "0"}

Scenario = Callable[[House], Awaitable[None]]
SCENARIOS: Mapping[str, Scenario] = {
    "restart-stuck-workflow": shipped.test_a_stuck_workflow_is_run_anew,
    "retry-failed-workflow": shipped.test_a_failed_workflow_is_retried_once_and_not_again,
    "delete-stuck-pod": shipped.test_a_pod_that_cannot_begin_is_deleted_and_argo_makes_it_anew,
    "resume-forgotten-suspend": shipped.test_a_forgotten_workflow_goes_on_once_a_person_agrees,
    "archive-finished-workflow": shipped.test_a_workflow_that_ended_long_ago_is_archived_and_deleted,
    "restart-unhealthy-agent": shipped.test_an_unhealthy_agent_is_restarted_and_its_alert_has_to_end_for_good,
}

TRANSACTIONS: Mapping[str, int] = {
    "restart-stuck-workflow": 33,
    "retry-failed-workflow": 34,
    "delete-stuck-pod": 18,
    "resume-forgotten-suspend": 11,
    "archive-finished-workflow": 18,
    "restart-unhealthy-agent": 32,
}
"""How many transactions the ticks of each one have from beginning to end: every one of them is tried."""
STEP = timedelta(minutes=1)
"""How far time goes on between two looks. With a shorter one they only wait more often, so that it takes longer."""
UNSEEN = ("retry-failed-workflow", 6, "after")
"""Between the intention and the request: nobody can see whether Argo Server was asked, so it ends in another way."""
SPARSE = ((7, "before"), (4, "after"))
POINTS = [
    pytest.param(playbook, number, moment, id=f"{playbook}, {moment} transaction {number}")
    for playbook, most in TRANSACTIONS.items()
    for number, moment in itertools.product(range(most), ("before", "inside", "after"))
    if (LONG or (number, moment) in SPARSE) and (playbook, number, moment) != UNSEEN
]


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scenarios look as seldom as is enough."""
    monkeypatch.setattr(shipped, "STEP", STEP)


class Deaths:
    """Kills the process at one transaction of its ticks, counted from the first one, and never again."""

    def __init__(self, house: House, number: int, moment: str) -> None:
        self._do = house.do
        self._house = house
        self.left = number
        self._moment = moment
        self.died = False

    async def do(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Do a job, unless the end comes."""
        database = self._house.rooms.database
        assert isinstance(database, MortalDatabase)
        mortal = name == "tick" and not self.died
        database.dies_at = (self.left, self._moment) if mortal else None
        try:
            await self._do(name, arguments)
        except Killed:
            self.died = True
            await self._after_the_lease()
        if mortal and database.dies_at is not None:
            self.left = database.dies_at[0]
        database.dies_at = None

    async def _after_the_lease(self) -> None:
        """Let another process find the run, before anything else happens in the cluster."""
        self._house.clock.pass_by(TICK_LEASE + timedelta(seconds=1))
        async with self._house.rooms.database.transaction() as transaction:
            await sweeps.enqueue_due(transaction, self._house.rooms.queue, self._house.clock())


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[MortalDatabase]:
    opened = MortalDatabase(database_url, connections=8)
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize(("playbook", "number", "moment"), POINTS)
async def test_a_death_at_any_point_leaves_each_effect_exactly_once(
    house: House, playbook: str, number: int, moment: str
) -> None:
    deaths = Deaths(house, number, moment)
    house.do = deaths.do  # type: ignore[method-assign]

    await SCENARIOS[playbook](house)

    assert deaths.died


@pytest.mark.parametrize("playbook", TRANSACTIONS if LONG else ["archive-finished-workflow"])
async def test_no_transaction_is_left_out(house: House, playbook: str) -> None:
    beyond = Deaths(house, TRANSACTIONS[playbook], "before")
    house.do = beyond.do  # type: ignore[method-assign]

    await SCENARIOS[playbook](house)

    assert not beyond.died
    assert beyond.left == 0


async def test_a_retry_of_which_nobody_can_see_whether_it_was_asked_for_is_told_and_not_repeated(house: House) -> None:
    playbook, number, moment = UNSEEN
    deaths = Deaths(house, number, moment)
    house.do = deaths.do  # type: ignore[method-assign]
    shipped.live(house, playbook)
    shipped.failed_workflow(house, "fail, hang, fail")

    async with shipped.with_argo_server(house):
        await house.fire(alertname="WorkflowFailed", severity="warning")
        await house.live(timedelta(minutes=14), shipped.STEP)

    assert deaths.died
    outcome, reason = await shipped.outcome(house)
    assert (outcome, "Asking again could do it twice" in reason) == ("failed", True)
    assert "sandbox/retries" not in (shipped.of(house)["metadata"].get("annotations") or {})
    assert len(house.pagerduty.alerts) == 1
