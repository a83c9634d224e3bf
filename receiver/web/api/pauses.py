"""The one switch that stops all playbooks, with its reason and its end."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from receiver.model.duration import Duration
from receiver.model.errors import QueryRefused
from receiver.model.shapes.pauses import Pauses, PauseShape, PauseWish
from receiver.model.standing import Pause
from receiver.store import pauses
from receiver.store.database import Database
from receiver.web.access import caller_of, needs
from receiver.webhook.access import Role


def pause_shape(pause: Pause) -> PauseShape:
    """Give a pause its shape."""
    return PauseShape(
        id=pause.id,
        reason=pause.reason,
        paused_by=pause.paused_by,
        paused_at=pause.paused_at,
        expires_at=pause.expires_at,
    )


@get("/pauses", summary="List the pauses that hold", operation_id="listPauses")
async def list_pauses(database: NamedDependency[Database]) -> Pauses:
    """Answer with the pauses that hold now; none means that playbooks may begin."""
    async with database.transaction() as tx:
        return Pauses(items=[pause_shape(one) for one in await pauses.current(tx, datetime.now(UTC))])


@post(
    "/pause",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Pause all playbooks",
    operation_id="pauseRemediations",
)
async def pause_all(
    request: Request[Any, Any, Any], database: NamedDependency[Database], data: JSONBody[PauseWish]
) -> PauseShape:
    """Let no playbook begin. Once this is answered, nothing begins that had not begun; what has acted is finished."""
    now = datetime.now(UTC)
    expires_at = _end(now, data.for_)
    async with database.transaction() as tx:
        by = caller_of(request).name
        return pause_shape(await pauses.begin(tx, reason=data.reason, by=by, at=now, expires_at=expires_at))


@post(
    "/resume",
    opt=needs(Role.ADMIN),
    status_code=HTTP_200_OK,
    summary="Let playbooks begin again",
    operation_id="resumeRemediations",
)
async def resume_all(request: Request[Any, Any, Any], database: NamedDependency[Database]) -> Pauses:
    """End every pause that holds; answers with those that it ended."""
    async with database.transaction() as tx:
        ended = await pauses.end(tx, by=caller_of(request).name, at=datetime.now(UTC))
    return Pauses(items=[pause_shape(one) for one in ended])


def _end(now: datetime, length: str | None) -> datetime | None:
    if length is None:
        return None
    try:
        end = now + Duration.parse(length)
    except (ValueError, OverflowError) as error:
        raise QueryRefused(f"{length!r} is not a duration; write one such as 2h", parameter="for") from error
    if end <= now:
        raise QueryRefused("a pause of no length is none", parameter="for")
    return end


HANDLERS = (list_pauses, pause_all, resume_all)
"""Routes under `/remediations`."""
