"""Silences, made in a real Alertmanager."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from receiver.clients.alertmanager import AlertmanagerClient, AlertState, Silence, SilenceState
from receiver.model.errors import AlertmanagerError
from receiver.model.matcher import Matcher
from tests.integration.upkeep.asking.alertmanager import Alertmanager, until

STUCK = {"alertname": "WorkflowStuckDetection", "namespace": "taskmaster", "workflow_name": "rex"}
MATCHERS = [Matcher.parse('alertname=~"WorkflowStuck.*"'), Matcher.parse('namespace!="default"')]


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    async with aiohttp.ClientSession() as session:
        server = Alertmanager(tmp_path / "am", session, webhook="http://127.0.0.1:9/")
        await server.start()
        yield server
        await server.stop()


@pytest.fixture
async def client(alertmanager: Alertmanager) -> AsyncIterator[AlertmanagerClient]:
    async with AlertmanagerClient(alertmanager.url) as client:
        yield client


async def make(client: AlertmanagerClient, operation: str = "run-1:2", **changed: datetime) -> Silence:
    wanted = {"ends_at": datetime.now(UTC) + timedelta(hours=1)} | changed
    return await client.silence(
        MATCHERS, comment="it is being healed", creator="Receiver", operation=operation, **wanted
    )


async def test_what_is_silenced_is_suppressed_until_the_silence_is_ended(
    alertmanager: Alertmanager, client: AlertmanagerClient
) -> None:
    await alertmanager.fire(STUCK)

    made = await make(client)

    async def states(state: AlertState) -> bool:
        return [(one.state, one.silenced_by) for one in await client.alerts()] == [
            (state, (made.id,) if state is AlertState.SUPPRESSED else ())
        ]

    await until(lambda: states(AlertState.SUPPRESSED), "it is suppressed")
    ended = await client.expire(made.id)
    await until(lambda: states(AlertState.ACTIVE), "it is told again")
    assert (made.state, made.creator, made.comment) == (SilenceState.ACTIVE, "Receiver", "it is being healed [run-1:2]")
    assert sorted(map(str, made.matchers)) == sorted(map(str, MATCHERS))
    assert ended.state is SilenceState.EXPIRED


async def test_one_operation_makes_one_silence(client: AlertmanagerClient) -> None:
    first = await make(client)

    assert (await make(client)).id == first.id
    assert (await make(client, "run-2:2")).id != first.id
    assert len(await client.silences()) == 2


async def test_what_a_person_has_ended_is_not_made_again(client: AlertmanagerClient) -> None:
    first = await make(client)
    await client.expire(first.id)

    again = await make(client)

    assert (again.id, again.state) == (first.id, SilenceState.EXPIRED)
    assert (await client.expire(first.id)).state is SilenceState.EXPIRED


async def test_a_silence_that_is_over_before_it_begins_is_refused(client: AlertmanagerClient) -> None:
    with pytest.raises(AlertmanagerError, match="400"):
        await make(client, ends_at=datetime.now(UTC) - timedelta(hours=1))


async def test_a_silence_that_is_not_there_cannot_be_ended(client: AlertmanagerClient) -> None:
    with pytest.raises(AlertmanagerError, match="404"):
        await client.expire("00000000-0000-4000-8000-000000000000")
    with pytest.raises(AlertmanagerError, match="nothing was asked"):
        await client.expire("../alerts")
