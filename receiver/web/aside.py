"""How a process is that takes no deliveries: a worker that runs alone has health and metrics, and nothing else."""

from collections.abc import Mapping

from litestar import Litestar
from litestar.di import Provide
from prometheus_client import CollectorRegistry

from receiver.store.database import Database
from receiver.web import headers, problems
from receiver.web.health import Check, Health, healthz, readyz
from receiver.web.metrics import Exposition, metrics


def make_aside(*, database: Database, registry: CollectorRegistry, checks: Mapping[str, Check]) -> Litestar:
    """Make an application of `/healthz`, `/readyz` and `/metrics`, which are open to whoever reaches it.

    Args:
        database: Whether it answers decides about readiness.
        registry: Metrics of the process; one application a registry.
        checks: What `/readyz` tells beside database and migrations, by name.
    """
    health, exposition = Health(database, checks), Exposition(registry, database)
    return Litestar(
        route_handlers=[healthz, readyz, metrics],
        exception_handlers=problems.HANDLED,
        before_send=[headers.secure],
        dependencies={
            "health": Provide(lambda: health, sync_to_thread=False),
            "exposition": Provide(lambda: exposition, sync_to_thread=False),
        },
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
