"""The exporter's application: metrics of the cluster, and whether they mean anything yet. Nothing else is to be had."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import NamedDependency, Provide
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from receiver.web import headers, problems


@get("/metrics", sync_to_thread=True)
def _metrics(request: Request[Any, Any, Any], registry: NamedDependency[CollectorRegistry]) -> Response[bytes]:
    # In a thread: thousands of workflows take a tenth of a second, in which what happens is to be heard all the same.
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": content_type})


@get("/healthz", sync_to_thread=False)
def _healthz() -> dict[str, str]:
    return {"status": "ok"}


@get("/readyz", sync_to_thread=False)
def _readyz(complete: NamedDependency[Callable[[], bool]]) -> Response[dict[str, bool]]:
    ready = complete()
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Response({"ready": ready}, status_code=status.value)


def make_exporter(registry: CollectorRegistry, complete: Callable[[], bool]) -> Litestar:
    """Make an application of `/metrics`, `/healthz` and `/readyz`, which are open to whoever reaches it.

    Args:
        registry: What is shown; metrics of the process are added.
        complete: Whether everything was seen at least once, which is what `/readyz` says.
    """
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Litestar(
        route_handlers=[_metrics, _healthz, _readyz],
        exception_handlers=problems.HANDLED,
        before_send=[headers.secure],
        dependencies={
            "registry": Provide(lambda: registry, sync_to_thread=False),
            "complete": Provide(lambda: complete, sync_to_thread=False),
        },
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
