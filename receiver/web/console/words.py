"""A person's word from a form: it is written down by the very function that the API calls, and the page shows it."""

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from receiver.model.shapes.asking import Asked
from receiver.model.shapes.incident_requests import SilenceWish, TakingWish
from receiver.model.shapes.remediations import Note
from receiver.store.database import Database
from receiver.store.history import remediations as runs
from receiver.web.access import needs
from receiver.web.api import incident_requests, remediations
from receiver.web.api.asking import Wake
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role

W = TypeVar("W", bound=msgspec.Struct)

AnyRequest = Request[Any, Any, Any]


async def said(request: AnyRequest, wish: type[W]) -> W:
    """Read a form as the API reads its body; what was left empty was not said.

    Raises:
        HTTPException: Something in it is not as it must be.
    """
    form = await request.form()
    names = [field.encode_name for field in msgspec.structs.fields(wish)]
    given = {name: text for name in names if (text := str(form.get(name, "")).strip())}
    try:
        return msgspec.convert(given, wish, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(status_code=HTTPStatus.BAD_REQUEST.value, detail=f"the form: {error}") from error


@post("/incidents/{incident_id:int}/acknowledge", opt=needs(Role.OPERATOR), include_in_schema=False)
async def acknowledge(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], incident_id: FromPath[int]
) -> Redirect:
    """Take an incident on."""
    asked: Asked = await incident_requests.acknowledge.fn(
        request, database, wake, incident_id, await said(request, TakingWish)
    )
    return _back(incident_id, asked)


@post("/incidents/{incident_id:int}/silence", opt=needs(Role.OPERATOR), include_in_schema=False)
async def silence(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], incident_id: FromPath[int]
) -> Redirect:
    """Have Alertmanager say nothing about an incident for a while."""
    asked: Asked = await incident_requests.silence.fn(
        request, database, wake, incident_id, await said(request, SilenceWish)
    )
    return _back(incident_id, asked)


@post("/remediations/{run_id:int}/approve", opt=needs(Role.OPERATOR), include_in_schema=False)
async def approve(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], run_id: FromPath[int]
) -> Redirect:
    """Let a run go ahead."""
    return await _about_run(remediations.approve, request, database, wake, run_id)


@post("/remediations/{run_id:int}/reject", opt=needs(Role.OPERATOR), include_in_schema=False)
async def reject(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], run_id: FromPath[int]
) -> Redirect:
    """Do not let a run go ahead."""
    return await _about_run(remediations.reject, request, database, wake, run_id)


@post("/remediations/{run_id:int}/cancel", opt=needs(Role.OPERATOR), include_in_schema=False)
async def cancel(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], run_id: FromPath[int]
) -> Redirect:
    """Stop a run as soon as that is safe."""
    return await _about_run(remediations.cancel, request, database, wake, run_id)


async def _about_run(
    api: HTTPRouteHandler, request: AnyRequest, database: Database, wake: Wake, run_id: int
) -> Redirect:
    """Ask for something about a run, unless it has gone on since the page was shown."""
    async with database.transaction() as tx:
        run = await runs.get(tx, run_id)
    if run is None:
        raise not_found(f"there is no remediation {run_id}")
    form = await request.form()
    if str(form.get("cursor", run.cursor)) != str(run.cursor):
        raise conflict(f"remediation {run_id} has gone on to step {run.cursor + 1} meanwhile; look at it again")
    asked: Asked = await api.fn(request, database, wake, run_id, await said(request, Note))
    return _back(run.incident_id, asked)


def _back(incident_id: int, asked: Asked) -> Redirect:
    """Lead back to the incident, where the page says what becomes of what was asked."""
    where = f"/incidents/{incident_id}?asked={asked.request_id}"
    return Redirect(where, status_code=HTTPStatus.SEE_OTHER.value)


HANDLERS = (acknowledge, silence, approve, reject, cancel)
