"""Whoever reads the log of one incident finds every line of it by its number."""

from dataclasses import replace

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from receiver.pipeline import rooms, send, tick
from receiver.pipeline.rooms import say_on_console
from receiver.sandbox.scenario import stuck_workflow

from .conftest import NAMESPACE, WORKFLOW, House


@pytest.fixture(autouse=True)
def fresh_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the loggers of the rooms made anew: one that was used before keeps what it was configured with."""
    for room in (rooms, send, tick):
        monkeypatch.setattr(room, "log", room.structlog.get_logger())


async def test_each_line_of_a_run_and_of_a_message_names_the_incident(house: House) -> None:
    stuck_workflow(house.cluster, NAMESPACE, WORKFLOW, course="hang, succeed")
    house.rooms = replace(house.rooms, slack=None, pagerduty=None, say=say_on_console)
    await house.fire()
    [(look, about)] = await house.take_jobs()
    await house.do(look, about)

    await house.fire("another", alertname="NobodyAnswers")

    with capture_logs(processors=[merge_contextvars]) as lines:
        house.cluster.faults.answer(500, path="/pods", times=None)
        await house.work()

    assert {(line["action"], line["incident_id"]) for line in lines} >= {("pods_unread", 1), ("console", 2)}
    assert [line for line in lines if "incident_id" not in line] == []
