"""The client's way of hearing everything as it happens: resumed where it broke off, and each line told once."""

import asyncio
import json
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from receiver.clients.receiver import ReceiverClient
from receiver.model.errors import RemoteError


def line(number: int, settled: int) -> bytes:
    body = {"id": number, "at": "2026-11-24T03:22:31Z", "kind": "alert.fired", "text": f"event {number}"}
    return f"id: {settled}\nevent: alert.fired\ndata: {json.dumps(body)}\n\n".encode()


async def test_a_stream_that_breaks_off_is_resumed_where_all_was_settled_and_each_line_told_once() -> None:
    parts = [[line(7, 6), line(8, 6)], None, [line(7, 8), line(8, 8), line(9, 9)]]
    asked: list[str | None] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Last-Event-ID"))
        part = parts[len(asked) - 1]
        if part is None:
            return web.Response(status=503)
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for one in part:
            await answer.write(one)
        return answer

    app, troubles, texts = web.Application(), list[str](), list[str]()
    app.router.add_get("/api/v1/events/stream", stream)
    async with TestServer(app) as server, ReceiverClient(str(server.make_url("/"))) as service, asyncio.timeout(60):
        async for happening in service.heard(lambda error: troubles.append(str(error)), pause=timedelta()):
            texts.append(happening.text)
            if happening.id == 9:
                break

    assert texts == ["event 7", "event 8", "event 9"]
    assert asked == [None, "6", "6"]
    assert ["ended the stream" in troubles[0], "answered 503" in troubles[1]] == [True, True]


async def test_a_stream_that_never_began_is_an_error() -> None:
    async with ReceiverClient("http://127.0.0.1:9") as service:
        with pytest.raises(RemoteError, match="does not answer, asked for its events"):
            await anext(service.heard(lambda _: None))
