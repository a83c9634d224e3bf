"""Faults on order, and a log of what was asked: the same for every stand-in.

A stand-in mounts `Faults.middleware` as its outermost middleware. A test then says what shall go wrong, and counts
afterwards, from the outside, what was asked and what took effect:

    faults.answer(503, path="/slack/", headers={"Retry-After": "2"}, times=2)
    faults.reset_after_effect(method="POST", path="/workflows$")
    ...
    assert len(faults.effects(method="POST", path="/workflows$")) == 1

Faults are used up in the order in which they were added: a request takes the first one that matches it.
"""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any

from aiohttp import web

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-slack-signature"})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultKind(Enum):
    """What goes wrong with a request."""

    ANSWER = "answer"
    """A chosen status is answered; nothing takes effect."""
    RESET_BEFORE = "reset_before"
    """The connection is reset; nothing takes effect."""
    RESET_AFTER = "reset_after"
    """The request takes effect, then the connection is reset instead of an answer."""
    SLOW = "slow"
    """The request waits, then takes effect and is answered."""
    HANG = "hang"
    """Nothing takes effect and no answer comes, until the stand-in is closed."""
    HANG_AFTER = "hang_after"
    """The request takes effect, and no answer comes, until the stand-in is closed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that shall go wrong, and for which requests."""

    kind: FaultKind
    method: str = ""
    """HTTP method; empty for any."""
    path: str = ""
    """Regular expression searched in the path (without the query); empty for any."""
    times: int | None = 1
    """For how many requests; None for all until `Faults.clear`."""
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: timedelta = timedelta()

    def matches(self, method: str, path: str) -> bool:
        """Say whether a request is meant."""
        return self.method.upper() in {"", method} and re.search(self.path, path) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRequest:
    """One request as it arrived, and what became of it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    """Lower-case names; those that carry credentials are left out."""
    body: bytes = field(repr=False)
    effect_status: int | None = None
    """What the stand-in itself decided; None where the request never reached it."""
    status: int | None = None
    """What the caller was told; None where no answer was sent (yet)."""

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: The body is not JSON.
        """
        return json.loads(self.body)


class Faults:
    """The faults that are still to come, and the log of all requests."""

    def __init__(self) -> None:
        self.requests: list[LoggedRequest] = []
        self._script: list[Fault] = []
        self._released = asyncio.Event()
        self._arrival = asyncio.Event()

    def add(self, fault: Fault) -> None:
        """Let `fault` happen to the next requests that match it."""
        self._script.append(fault)

    def answer(
        self,
        status: int,
        *,
        method: str = "",
        path: str = "",
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer `status` without any effect. A `body` that is neither bytes nor text is sent as JSON."""
        said = dict(headers or {})
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
            said.setdefault("Content-Type", "application/json")
        self.add(
            Fault(kind=FaultKind.ANSWER, status=status, method=method, path=path, body=body, headers=said, times=times)
        )

    def reset_before_effect(self, *, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Reset the connection before anything takes effect."""
        self.add(Fault(kind=FaultKind.RESET_BEFORE, method=method, path=path, times=times))

    def reset_after_effect(self, *, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Let the request take effect, then reset the connection so that its caller never learns of it."""
        self.add(Fault(kind=FaultKind.RESET_AFTER, method=method, path=path, times=times))

    def slow(self, by: timedelta, *, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Let the request wait before it takes effect, also when its caller has given up meanwhile."""
        self.add(Fault(kind=FaultKind.SLOW, method=method, path=path, times=times, delay=by))

    def hang(self, *, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Never answer."""
        self.add(Fault(kind=FaultKind.HANG, method=method, path=path, times=times))

    def hang_after_effect(self, *, method: str = "", path: str = "", times: int | None = 1) -> None:
        """Let the request take effect, and never answer."""
        self.add(Fault(kind=FaultKind.HANG_AFTER, method=method, path=path, times=times))

    def clear(self) -> None:
        """Let nothing more go wrong. The log stays."""
        self._script.clear()

    def release(self) -> None:
        """End all hanging requests with a reset. Stand-ins call this when they are closed."""
        self._released.set()

    def seen(self, *, method: str = "", path: str = "") -> list[LoggedRequest]:
        """Return the logged requests with this method and a path in which this expression is found."""
        wanted = Fault(kind=FaultKind.ANSWER, method=method, path=path)
        return [request for request in self.requests if wanted.matches(request.method, request.path)]

    def effects(self, *, method: str = "", path: str = "") -> list[LoggedRequest]:
        """Return those of `seen` that took effect, whatever their caller was told."""
        refused = 400
        return [
            request
            for request in self.seen(method=method, path=path)
            if request.effect_status is not None and request.effect_status < refused
        ]

    async def until_seen(self, times: int = 1, *, method: str = "", path: str = "") -> None:
        """Return once `times` such requests have arrived, answered or not. Bound it with `asyncio.timeout`."""
        while len(self.seen(method=method, path=path)) < times:
            self._arrival.clear()
            await self._arrival.wait()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Answerer) -> web.StreamResponse:
        """Log the request and let it meet its fault, if one is due. (The parameter's name is aiohttp's.)."""
        place = await self._log(request)
        fault = self._due(request)
        if fault is None:
            return await self._carry(request, handler, place)
        match fault.kind:
            case FaultKind.ANSWER:
                self.requests[place] = replace(self.requests[place], status=fault.status)
                return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
            case FaultKind.SLOW:
                await asyncio.sleep(fault.delay.total_seconds())
                return await self._carry(request, handler, place)
            case FaultKind.RESET_AFTER | FaultKind.HANG_AFTER:
                await self._carry(request, handler, place)
                self.requests[place] = replace(self.requests[place], status=None)
        if fault.kind in {FaultKind.HANG, FaultKind.HANG_AFTER}:
            return await self._hang(request)
        return _reset(request)

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        """Keep a request waiting until the stand-in is closed."""
        await self._released.wait()
        return _reset(request)

    async def _log(self, request: web.Request) -> int:
        self.requests.append(
            LoggedRequest(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                headers={k.lower(): v for k, v in request.headers.items() if k.lower() not in _SECRET_HEADERS},
                body=await request.read(),
            )
        )
        self._arrival.set()
        return len(self.requests) - 1

    def _due(self, request: web.Request) -> Fault | None:
        for place, fault in enumerate(self._script):
            if fault.matches(request.method, request.path):
                if fault.times is not None:
                    self._script[place : place + 1] = [replace(fault, times=fault.times - 1)] * (fault.times > 1)
                return fault
        return None

    async def _carry(self, request: web.Request, answer: Answerer, place: int) -> web.StreamResponse:
        try:
            response = await answer(request)
        except web.HTTPException as refusal:
            self._answered(place, refusal.status)
            raise
        self._answered(place, response.status)
        return response

    def _answered(self, place: int, status: int) -> None:
        self.requests[place] = replace(self.requests[place], effect_status=status, status=status)


def _reset(request: web.Request) -> web.Response:
    """Close the connection with RST; the response returned is for aiohttp only and never leaves."""
    if request.transport is not None:
        connection: socket.socket | None = request.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
