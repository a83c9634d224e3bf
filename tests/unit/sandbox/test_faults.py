"""Faults happen as ordered, and the log tells effects from answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from receiver.sandbox.faults import Faults

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def client(faults: Faults) -> AsyncIterator[Client]:
    async def created(_: web.Request) -> web.Response:
        return web.json_response({}, status=201)

    app = web.Application(middlewares=[faults.middleware])
    app.router.add_post("/things", created)
    async with TestClient(TestServer(app)) as opened:
        yield opened
        faults.release()


async def test_a_scripted_answer_is_given_as_often_as_asked_and_has_no_effect(faults: Faults, client: Client) -> None:
    faults.answer(
        429, method="POST", path="^/things$", body={"error": "slow down"}, headers={"Retry-After": "7"}, times=2
    )

    answers = [await client.post("/things") for _ in range(3)]

    assert [answer.status for answer in answers] == [429, 429, 201]
    assert answers[0].headers["Retry-After"] == "7"
    assert await answers[0].json() == {"error": "slow down"}
    assert len(faults.effects(method="POST")) == 1


async def test_a_reset_after_the_effect_hides_the_effect_from_its_caller_only(faults: Faults, client: Client) -> None:
    faults.reset_after_effect(path="/things")

    with pytest.raises(aiohttp.ClientError):
        await client.post("/things")

    assert [(request.effect_status, request.status) for request in faults.requests] == [(201, None)]


async def test_a_request_may_take_effect_and_its_caller_wait_for_ever(faults: Faults, client: Client) -> None:
    faults.hang_after_effect(path="/things")

    waiting = asyncio.ensure_future(client.post("/things"))
    async with asyncio.timeout(10):
        await faults.until_seen(path="/things")
        while not faults.effects():  # noqa: ASYNC110 - an effect has no event
            await asyncio.sleep(0)

    assert [(request.effect_status, request.status) for request in faults.requests] == [(201, None)]
    assert not waiting.done()
    faults.release()
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_a_reset_before_the_effect_leaves_nothing_behind(faults: Faults, client: Client) -> None:
    faults.reset_before_effect(path="/things")

    with pytest.raises(aiohttp.ClientError):
        await client.post("/things")

    assert faults.effects() == []
    assert len(faults.seen(method="POST", path="thing")) == 1


async def test_a_hanging_request_ends_when_the_stand_in_is_closed(faults: Faults, client: Client) -> None:
    faults.hang()
    waiting = asyncio.ensure_future(client.post("/things"))
    async with asyncio.timeout(10):
        await faults.until_seen(path="/things")

    faults.release()

    with pytest.raises(aiohttp.ClientError):
        await waiting
    assert faults.effects() == []


async def test_a_slow_request_still_takes_effect(faults: Faults, client: Client) -> None:
    faults.slow(timedelta(milliseconds=1))

    answer = await client.post("/things")

    assert answer.status == 201
    assert len(faults.effects()) == 1


async def test_the_log_keeps_bodies_and_drops_credentials(faults: Faults, client: Client) -> None:
    await client.post("/things?a=1", json={"x": 1}, headers={"Authorization": "Bearer s3cret", "X-Trace": "t"})

    logged = faults.requests[0]

    assert logged.json == {"x": 1}
    assert logged.query == {"a": "1"}
    assert "authorization" not in logged.headers
    assert logged.headers["x-trace"] == "t"
    assert "s3cret" not in repr(faults.requests)


async def test_cleared_faults_do_not_happen(faults: Faults, client: Client) -> None:
    faults.answer(500, times=None)
    faults.clear()

    assert (await client.post("/things")).status == 201
