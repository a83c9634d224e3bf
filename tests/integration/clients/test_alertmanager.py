"""The v2 API, asked of a real Alertmanager; and of servers that are none, or a bad day's one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from receiver.clients.alertmanager import AlertmanagerClient, AlertState
from receiver.model.errors import AlertmanagerError, AlertmanagerUnreachable, SettingsError
from receiver.model.matcher import Matcher
from receiver.webhook.message import fingerprint_of
from tests.integration.upkeep.asking.alertmanager import Alertmanager, free_port, until

STUCK = {"alertname": "WorkflowStuckDetection", "namespace": "taskmaster", "workflow_name": 'rex "the \\ second"'}
SLOW = {"alertname": "WorkflowSlow", "namespace": "taskmaster"}


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


async def test_it_tells_its_version_and_its_start(client: AlertmanagerClient) -> None:
    said = await client.status()

    assert said.version.startswith("0.")
    assert timedelta() <= datetime.now(UTC) - said.started_at < timedelta(minutes=5)
    assert said.peers == ()


async def test_alerts_have_the_identity_that_the_webhook_would_give_them(
    alertmanager: Alertmanager, client: AlertmanagerClient
) -> None:
    await alertmanager.fire(STUCK, SLOW)

    held = {one.alert.labels["alertname"]: one for one in await client.alerts()}

    assert held.keys() == {"WorkflowStuckDetection", "WorkflowSlow"}
    stuck = held["WorkflowStuckDetection"]
    assert stuck.alert.fingerprint == fingerprint_of(STUCK)
    assert stuck.alert.starts_at == datetime.fromisoformat(stuck.alert.starts_at_text).astimezone(UTC)
    assert stuck.state is not AlertState.SUPPRESSED
    assert stuck.receivers == ("receiver",)


async def test_what_is_over_is_not_among_them(alertmanager: Alertmanager, client: AlertmanagerClient) -> None:
    await alertmanager.fire(STUCK, SLOW)
    await alertmanager.fire(SLOW, over=True)

    assert [one.alert.labels["alertname"] for one in await client.alerts()] == ["WorkflowStuckDetection"]


async def test_matchers_and_receivers_are_understood_whatever_they_are_made_of(
    alertmanager: Alertmanager, client: AlertmanagerClient
) -> None:
    await alertmanager.fire(STUCK, SLOW)
    name = Matcher.parse('alertname="WorkflowStuckDetection"')
    quoted = Matcher.parse('workflow_name="rex \\"the \\\\ second\\""')

    assert len(await client.alerts([name, quoted], receiver="receiver")) == 1
    assert await client.alerts([quoted, Matcher.parse('alertname="WorkflowSlow"')]) == []
    assert await client.alerts(receiver="receive.") == []


async def test_a_silenced_alert_is_there_and_says_by_what(
    alertmanager: Alertmanager, client: AlertmanagerClient
) -> None:
    await alertmanager.fire(STUCK)
    silence = await alertmanager.silence("alertname", "WorkflowStuckDetection")

    [held] = await client.alerts()

    assert held.state is AlertState.SUPPRESSED
    assert held.silenced_by == (silence,)
    assert await client.alerts(suppressed=False) == []


async def test_a_group_is_what_its_labels_say_and_what_is_told_of_it(
    alertmanager: Alertmanager, client: AlertmanagerClient
) -> None:
    await alertmanager.fire(*({**SLOW, "workflow_name": f"rex-{number}"} for number in range(5)), STUCK)
    await alertmanager.silence("workflow_name", "rex-3")

    async def is_grouped() -> bool:
        return len(await client.group({"alertname": "WorkflowSlow"}, receiver="receiver")) == 4

    await until(is_grouped, "four of five are told")
    assert await client.group({"alertname": "WorkflowSlow"}, receiver="other") == []
    assert await client.group({}, receiver="receiver") == []


async def test_a_matcher_that_it_does_not_understand_is_refused_in_its_words(client: AlertmanagerClient) -> None:
    with pytest.raises(AlertmanagerError, match="400") as caught:
        await client.alerts([Matcher.parse('"a label"="x"')])

    assert not caught.value.retryable


async def test_where_nothing_listens_it_is_unreachable() -> None:
    async with AlertmanagerClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(AlertmanagerUnreachable) as caught:
            await client.alerts()

    assert caught.value.retryable


@pytest.mark.parametrize(
    "url", ["alertmanager:9093", "http://user:password@alertmanager:9093", "ftp://alertmanager", "http://a?b=c", ""]
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        AlertmanagerClient(url)


def test_a_token_does_not_travel_in_the_clear() -> None:
    with pytest.raises(SettingsError):
        AlertmanagerClient("http://alertmanager:9093", token="secret")


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError


async def _busy(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="not yet", headers={"Retry-After": "7"})


async def _elsewhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})


async def _page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>Sign in</html>")


async def _deep(_: web.Request) -> web.StreamResponse:
    return web.Response(text="[" * 100_000)


async def _wrong(_: web.Request) -> web.StreamResponse:
    return web.json_response(
        [{"labels": {"a": "b"}, "fingerprint": "x", "startsAt": "yesterday", "status": {"state": "active"}}]
    )


async def _echo(request: web.Request) -> web.StreamResponse:
    return web.Response(status=401, text=f"no: {request.headers['Authorization']}")


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [
        (_hang, True),
        (_busy, True),
        (_elsewhere, False),
        (_page, False),
        (_deep, False),
        (_wrong, False),
        (_echo, False),
    ],
)
async def test_an_answer_that_is_none_is_an_error_that_says_whether_to_ask_again(
    answer: Answer, *, retryable: bool
) -> None:
    app = web.Application()
    app.router.add_get("/prefix/api/v2/alerts", answer)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{port}/prefix/"
        client = await stack.enter_async_context(
            AlertmanagerClient(url, token="a-secret-token", timeout=timedelta(seconds=1))
        )

        with pytest.raises(AlertmanagerError) as caught:
            await client.alerts()

    assert caught.value.retryable is retryable
    assert "a-secret-token" not in str(caught.value)
    assert url.rstrip("/") in str(caught.value)
