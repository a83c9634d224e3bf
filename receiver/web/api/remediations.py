"""Remediations: what was done, step by step, and a person's word about it."""

from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from receiver.model.remediation import Entry, Outcome, Run, RunState
from receiver.model.request import Kind
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.parts import Items
from receiver.model.shapes.remediations import EntryShape, Note, RunShape
from receiver.store.database import Database
from receiver.store.history import remediations
from receiver.store.history.remediations import RunFilter
from receiver.web.access import caller_of, needs
from receiver.web.api import evidence
from receiver.web.api.asking import Wake, ask
from receiver.web.api.pauses import HANDLERS
from receiver.web.api.shapes import Cursor, Limit, items_of, target_shape
from receiver.web.problems import conflict, not_found
from receiver.webhook.access import Role


def run_shape(run: Run) -> RunShape:
    """Give a remediation its shape."""
    return RunShape(
        id=run.id,
        incident_id=run.incident_id,
        alert_id=run.alert_id,
        playbook=run.playbook,
        version=run.version,
        mode=run.mode,
        target=target_shape(run.target),
        state=run.state,
        outcome=run.outcome,
        reason=run.reason,
        steps=[dict(step) for step in run.steps],
        cursor=run.cursor,
        wake_at=run.wake_at,
        hold_until=run.hold_until,
        started_at=run.started_at,
        finished_at=run.finished_at,
        journal=[_entry_shape(entry) for entry in run.journal],
    )


@get("/", summary="List remediations, newest first", operation_id="listRemediations")
async def list_remediations(
    *,
    database: NamedDependency[Database],
    in_state: Annotated[RunState | None, QueryParameter(name="state")] = None,
    outcome: FromQuery[Outcome | None] = None,
    playbook: FromQuery[str | None] = None,
    workflow: FromQuery[str | None] = None,
    namespace: FromQuery[str | None] = None,
    incident: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="Id of an incident.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Items[RunShape]:
    """Answer with the newest remediations that all filters want."""
    wanted = RunFilter(
        state=in_state,
        outcome=outcome,
        playbook=playbook,
        workflow=workflow,
        namespace=namespace,
        incident_id=incident,
    )
    async with database.transaction() as tx:
        return items_of(await remediations.page(tx, wanted, limit=limit, cursor=cursor), run_shape)


@get("/{run_id:int}", summary="Show one remediation with its journal", operation_id="getRemediation")
async def get_remediation(database: NamedDependency[Database], run_id: FromPath[int]) -> RunShape:
    """Answer with one remediation: its steps, and every attempt at one."""
    async with database.transaction() as tx:
        found = await remediations.get(tx, run_id)
    if found is None:
        raise _absent(run_id)
    return run_shape(found)


@post(
    "/{run_id:int}/approve",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Approve a remediation",
    operation_id="approveRemediation",
)
async def approve(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    run_id: FromPath[int],
    data: JSONBody[Note | None] = None,
) -> Asked:
    """Write down an approval. It counts whenever it comes, also before the remediation waits for it."""
    return await _ask(request, database, wake, kind=Kind.APPROVE, run_id=run_id, note=data)


@post(
    "/{run_id:int}/reject",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Reject a remediation",
    operation_id="rejectRemediation",
)
async def reject(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    run_id: FromPath[int],
    data: JSONBody[Note | None] = None,
) -> Asked:
    """Write down a refusal; the remediation ends as rejected where it waits for approval."""
    return await _ask(request, database, wake, kind=Kind.REJECT, run_id=run_id, note=data)


@post(
    "/{run_id:int}/cancel",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Cancel a remediation",
    operation_id="cancelRemediation",
)
async def cancel(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    run_id: FromPath[int],
    data: JSONBody[Note | None] = None,
) -> Asked:
    """Write down a cancellation. A workflow that was already terminated is brought back first."""
    return await _ask(request, database, wake, kind=Kind.CANCEL, run_id=run_id, note=data)


async def _ask(
    request: Request[Any, Any, Any],
    database: Database,
    wake: Wake,
    *,
    kind: Kind,
    run_id: int,
    note: Note | None,
) -> Asked:
    async with database.transaction() as tx:
        run = await remediations.get(tx, run_id)
        if run is None:
            raise _absent(run_id)
        if run.state is RunState.FINISHED:
            outcome = run.outcome.value if run.outcome else "finished"
            raise conflict(f"remediation {run_id} has already ended: {outcome}")
        wish = {"note": note.note if note else ""}
        return await ask(tx, wake, kind, run_id, asked_by=caller_of(request), detail=wish)


def _entry_shape(entry: Entry) -> EntryShape:
    return EntryShape(
        cursor=entry.cursor,
        attempt=entry.attempt,
        action=entry.action,
        state=entry.state,
        started_at=entry.started_at,
        finished_at=entry.finished_at,
        result=dict(entry.result),
        error=entry.error,
    )


def _absent(run_id: int) -> Exception:
    return not_found(f"there is no remediation {run_id}; GET /api/v1/remediations lists them")


ROUTER = Router(
    "/remediations",
    route_handlers=[list_remediations, get_remediation, approve, reject, cancel, *HANDLERS, *evidence.HANDLERS],
    opt=needs(Role.VIEWER),
    tags=["remediations"],
)
