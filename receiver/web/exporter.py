"""The exporter's application: metrics of the cluster, and whether they mean anything yet. Nothing else is to be had.

It is written in plain ASGI: what the rest of the room needs would take more memory than thousands of workflows.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_READ: Final = frozenset({"GET", "HEAD"})


class ExporterPages:
    """`/metrics`, `/healthz` and `/readyz`, which are open to whoever reaches them.

    Args:
        registry: What is shown; metrics of the process are added.
        complete: Whether everything was seen at least once, which is what `/readyz` says.
    """

    def __init__(self, registry: CollectorRegistry, complete: Callable[[], bool]) -> None:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._metrics = make_asgi_app(registry)
        self._complete = complete

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI 3 asks for it."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["method"] not in _READ:
            await _say(send, HTTPStatus.METHOD_NOT_ALLOWED, "there is nothing to be changed here")
        elif scope["path"] == "/metrics":
            await self._metrics(scope, receive, send)
        elif scope["path"] == "/healthz":
            await _say(send, HTTPStatus.OK, "ok")
        elif scope["path"] == "/readyz" and self._complete():
            await _say(send, HTTPStatus.OK, "everything was seen at least once")
        elif scope["path"] == "/readyz":
            await _say(send, HTTPStatus.SERVICE_UNAVAILABLE, "not everything was seen yet")
        else:
            await _say(send, HTTPStatus.NOT_FOUND, "here are /metrics, /healthz and /readyz")


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _say(send: Send, status: HTTPStatus, text: str) -> None:
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status.value, "headers": [kind]})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
