"""`/system`: how the service itself is, and how much waits for it."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from receiver.store import rollups
from receiver.store.database import Database
from receiver.store.history.counts import count_open
from receiver.web.access import needs
from receiver.web.console.page import page
from receiver.web.health import Health
from receiver.webhook.access import Role


@get("/system", opt=needs(Role.VIEWER), include_in_schema=False)
async def system(
    request: Request[Any, Any, Any], database: NamedDependency[Database], health: NamedDependency[Health]
) -> Response[str]:
    """Show what the service depends on, and its queues."""
    found = await health.look()
    async with database.transaction() as tx:
        counts = await count_open(tx)
        counted_until = await rollups.counted_until(tx)
    return page(
        request,
        "system.html",
        ready=found.ready,
        checks=sorted(found.checks.items()),
        counts=counts,
        counted_until=counted_until,
    )
