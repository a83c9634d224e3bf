"""`/`: what is open, the most urgent first, with what is being done about it."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from receiver.store import pauses
from receiver.store.database import Database
from receiver.store.history.present import present
from receiver.web.access import needs
from receiver.web.console.doing import by_urgency
from receiver.web.console.page import page
from receiver.webhook.access import Role


@get("/", opt=needs(Role.VIEWER), include_in_schema=False)
async def now(request: Request[Any, Any, Any], database: NamedDependency[Database]) -> Response[str]:
    """Show what is open now."""
    at = datetime.now(UTC)
    async with database.transaction() as tx:
        found, number = await present(tx)
        paused = await pauses.current(tx, at)
    return page(request, "now.html", groups=by_urgency(found, at), number=number, shown=len(found), pauses=paused)
