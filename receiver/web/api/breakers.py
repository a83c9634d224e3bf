"""Closing a playbook's breaker: a person's word that it may begin again."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from receiver.model.shapes.breakers import StandingShape
from receiver.model.standing import Standing
from receiver.store import standings
from receiver.store.database import Database
from receiver.store.history import playbooks
from receiver.web.access import caller_of, needs
from receiver.web.problems import not_found
from receiver.webhook.access import Role


def standing_shape(standing: Standing) -> StandingShape:
    """Give a standing its shape."""
    return StandingShape(
        playbook=standing.playbook,
        opened_at=standing.opened_at,
        opened_because=standing.opened_because,
        demoted_at=standing.demoted_at,
        demoted_because=standing.demoted_because,
        closed_at=standing.closed_at,
        closed_by=standing.closed_by,
    )


@post(
    "/{name:str}/close",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Close a playbook's breaker",
    operation_id="closeBreaker",
)
async def close_breaker(
    request: Request[Any, Any, Any], database: NamedDependency[Database], name: FromPath[str]
) -> StandingShape:
    """Close its breaker, give its own mode back, and count its failures from now on; answers with how it stands."""
    async with database.transaction() as tx:
        if await playbooks.get(tx, name) is None:
            raise not_found(f"there is no playbook {name!r}; GET /api/v1/playbooks lists them")
        await standings.close(tx, name, datetime.now(UTC), caller_of(request).name)
        return standing_shape(await standings.read(tx, name))
