"""Asking for a run of a playbook, or for a backtest: the guards are asked either way, and only the pipeline acts."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import convert

from receiver.model.errors import QueryRefused
from receiver.model.request import Kind
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.playbook_requests import BacktestShape, BacktestWish, RunWish
from receiver.store import backtests, requests
from receiver.store.database import Database, Transaction
from receiver.store.history import playbooks
from receiver.web.access import caller_of, needs
from receiver.web.api.asking import Wake, ask
from receiver.web.problems import not_found
from receiver.webhook.access import Role

BACKTEST_REACH: Final = timedelta(days=30)
"""How far a backtest looks back where nobody says."""


def backtest_shape(result: Any) -> BacktestShape:
    """Give what a backtest came to its shape, from its JSON values."""
    return convert(result, BacktestShape)


def run_detail(playbook: str, wish: RunWish) -> dict[str, Any]:
    """Write down what a person wants of a playbook.

    Raises:
        QueryRefused: It is to be live and a dry run at once, or not one thing to act on is named.
    """
    if wish.live and wish.dry_run:
        raise QueryRefused("a run is either live or a dry run; leave one out", parameter="live")
    if (wish.workflow is None) is (wish.deployment is None):
        raise QueryRefused("name what it is to act on: a workflow or a deployment, not both", parameter="workflow")
    namespace, _, name = (wish.workflow or wish.deployment or "").partition("/")
    kind = "workflow" if wish.workflow else "deployment"
    more = {"live": wish.live, "dry_run": wish.dry_run, "note": wish.note}
    return {"playbook": playbook, "namespace": namespace, kind: name, **more}


def backtest_detail(playbook: str, wish: BacktestWish, now: datetime) -> dict[str, Any]:
    """Write down which range a person wants to have played.

    Raises:
        QueryRefused: It ends before it begins.
    """
    until = min(wish.until or now, now)
    since = wish.since or until - BACKTEST_REACH
    if since >= until:
        raise QueryRefused("since is not before until", parameter="since")
    return {"playbook": playbook, "since": since.isoformat(), "until": until.isoformat()}


@post(
    "/{name:str}/runs",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Let a playbook act on a workflow or a deployment",
    operation_id="runPlaybook",
)
async def run_playbook(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    name: FromPath[str],
    data: JSONBody[RunWish],
) -> Asked:
    """Write down that a playbook is to act on something. Its guards and its condition decide, as they do at night."""
    async with database.transaction() as tx:
        await _known(tx, name)
        return await ask(tx, wake, Kind.RUN, None, asked_by=caller_of(request), detail=run_detail(name, data))


@post(
    "/{name:str}/backtests",
    opt=needs(Role.OPERATOR),
    status_code=HTTP_202_ACCEPTED,
    summary="Play a playbook against the past",
    operation_id="backtestPlaybook",
)
async def backtest_playbook(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    wake: NamedDependency[Wake],
    name: FromPath[str],
    data: JSONBody[BacktestWish | None] = None,
) -> Asked:
    """Write down that a backtest is wanted; the request tells when it is done. It acts on nothing."""
    detail = backtest_detail(name, data or BacktestWish(), datetime.now(UTC))
    async with database.transaction() as tx:
        await _known(tx, name)
        return await ask(tx, wake, Kind.BACKTEST, None, asked_by=caller_of(request), detail=detail)


@get("/{name:str}/backtests/{request_id:int}", summary="Show a backtest", operation_id="getBacktest")
async def get_backtest(
    database: NamedDependency[Database], name: FromPath[str], request_id: FromPath[int]
) -> BacktestShape:
    """Answer with what a playbook would have done, once that is known."""
    async with database.transaction() as tx:
        result = await backtests.get(tx, request_id)
        asked = await requests.get(tx, request_id)
    if result is None or asked is None or asked.detail.get("playbook") != name:
        pending = asked is not None and asked.answered_at is None
        raise not_found(
            f"backtest {request_id} of {name!r} is not there{' yet' if pending else ''}; "
            f"GET /api/v1/requests/{request_id} tells what became of it"
        )
    return backtest_shape(result)


async def _known(tx: Transaction, name: str) -> None:
    if await playbooks.get(tx, name) is None:
        raise not_found(f"there is no playbook {name!r}; GET /api/v1/playbooks lists them")


HANDLERS = [run_playbook, backtest_playbook, get_backtest]
