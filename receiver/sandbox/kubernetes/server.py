"""The server itself: an HTTP port on loopback with everything behind it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from aiohttp import web

from receiver.sandbox.faults import Faults
from receiver.sandbox.kubernetes.access import ADMIN, Doorkeeper, Identity
from receiver.sandbox.kubernetes.kind import NAMESPACE, Json
from receiver.sandbox.kubernetes.log import Logs
from receiver.sandbox.kubernetes.registry import Registry
from receiver.sandbox.kubernetes.routes import Api, refusals
from receiver.sandbox.kubernetes.storage import Storage
from receiver.sandbox.kubernetes.watch import Watches

_LARGEST_BODY = 3 * 1024 * 1024
"""Bytes; the real server's limit for a request."""


class ApiServer:
    """A Kubernetes API server for one machine and one event loop, with nothing in it that acts by itself.

    Use it as an asynchronous context manager, or call `start` and `stop`.

    Args:
        identities: Who holds which bearer token. By default one token is made, for somebody who may do everything.
        clock: The present time, for what the server stamps.
        history: How many changes a watch may lie behind.
        bookmarks_every: How often a quiet watch is sent a bookmark.
    """

    def __init__(
        self,
        *,
        identities: Mapping[str, Identity] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        history: int = 10_000,
        bookmarks_every: timedelta = timedelta(minutes=1),
    ) -> None:
        known = dict(identities or {secrets.token_urlsafe(24): ADMIN})
        self.token = next(iter(known))
        """The first of the tokens."""
        self.clock = clock
        self.faults = Faults()
        self.logs = Logs()
        self.storage = Storage(history=history)
        self.registry = Registry(self.storage, clock)
        self.watches = Watches(self.storage, bookmarks_every=bookmarks_every)
        self.url = ""
        """Where it listens, without a slash at the end; empty until it is started."""
        self.door = Doorkeeper(known)
        """Who may come in; Argo Server's stand-in asks here too."""
        self._api = Api(self.registry, self.logs, self.watches, self.door, clock)
        self._runner: web.AppRunner | None = None
        for name in ("default", "kube-system"):
            self.registry.create(NAMESPACE, "", {"metadata": {"name": name}})

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; port 0 takes a free one."""
        app = web.Application(middlewares=[self.faults.middleware, refusals], client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._api.answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening, and let go of everyone who still waits. The objects stay."""
        self.faults.release()
        self.watches.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def adopt(self, *objects: Json) -> list[Json]:
        """Store objects as they stand; see `Registry.adopt`."""
        return [self.registry.adopt(one) for one in objects]

    def kubeconfig(self) -> Json:
        """Return a kubeconfig document, with one context named `sandbox`, for the holder of `token`."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url}}],
            "users": [{"name": "sandbox", "user": {"token": self.token}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
