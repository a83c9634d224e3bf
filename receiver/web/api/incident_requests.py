"""A person's word about an incident: it is written down, and only the pipeline acts on it."""

from typing import Annotated, Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta, Struct, field, to_builtins

from receiver.model.incident import IncidentState
from receiver.model.request import Kind
from receiver.model.silencing import length_of
from receiver.store.database import Database
from receiver.store.history import incidents
from receiver.web.access import caller_of, needs
from receiver.web.api.asking import Asked, Wake, ask
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role


class TakingWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said with it; may be left out, and so may the whole body."""

    note: Annotated[str, Meta(max_length=500, description="For the record, and for the thread of the message.")] = ""


class SilenceWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an incident is to be quiet, and for how long."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Stands in the silence itself.")]
    for_: Annotated[str, Meta(max_length=40, description="A duration such as 1h, 4h or 1d; at most 7d.")] = field(
        name="for"
    )

    def __post_init__(self) -> None:
        """Refuse a length that no silence can have."""
        length_of(self.for_)


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
