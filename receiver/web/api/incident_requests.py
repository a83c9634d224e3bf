"""A person's word about an incident: it is written down, and only the pipeline acts on it."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Struct, to_builtins

from receiver.model.incident import IncidentState
from receiver.model.request import Kind
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.store.database import Database
from receiver.store.history import incidents
from receiver.web.access import caller_of, needs
from receiver.web.api.asking import Wake, ask
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role


def word_detail(incident_id: int, wish: Struct) -> dict[str, Any]:
    """Write down what a person wants of an incident."""
    return {**to_builtins(wish), "incident": incident_id}


@post(
    "/{incident_id:int}/acknowledge",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Take an incident on",
    operation_id="acknowledgeIncident",
)
async def acknowledge(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    incident_id: FromPath[int],
    data: JSONBody[TakingWish | None] = None,
) -> Asked:
    """Write down who has it. Nobody else is woken for what fired until then, and its message says who has it."""
    wish = data or TakingWish()
    return await _ask(request, database, wake, kind=Kind.ACKNOWLEDGE, incident_id=incident_id, wish=wish)


@post(
    "/{incident_id:int}/silence",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Silence an incident in Alertmanager",
    operation_id="silenceIncident",
)
async def silence(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    incident_id: FromPath[int],
    data: JSONBody[SilenceWish],
) -> Asked:
    """Write down that nobody is to be told about it for a while. `GET /api/v1/requests/{id}` tells what came of it."""
    return await _ask(request, database, wake, kind=Kind.SILENCE, incident_id=incident_id, wish=data)


async def _ask(
    request: Request[Any, Any, Any],
    database: Database,
    wake: Wake,
    *,
    kind: Kind,
    incident_id: int,
    wish: Struct,
) -> Asked:
    async with database.transaction() as tx:
        found = await incidents.get(tx, incident_id)
        if found is None:
            raise not_found(f"there is no incident {incident_id}; GET /api/v1/incidents lists them")
        if found.state is IncidentState.CLOSED:
            raise conflict(f"incident {incident_id} is over; what fires later is a new one")
        return await ask(tx, wake, kind, None, asked_by=caller_of(request), detail=word_detail(incident_id, wish))


HANDLERS = [acknowledge, silence]
