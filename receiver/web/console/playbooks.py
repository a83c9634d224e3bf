"""`/playbooks`: how each stands and what it came to, and the one switch that stops them all."""

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from receiver.model.errors import QueryRefused
from receiver.model.shapes.asking import Asked
from receiver.model.shapes.pauses import PauseWish
from receiver.model.shapes.playbook_requests import BacktestWish
from receiver.store import backtests, pauses, requests
from receiver.store.database import Database
from receiver.store.history import decisions, playbooks as loaded, remediations
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.remediations import RunFilter
from receiver.store.stats import playbook_ends
from receiver.web.access import needs
from receiver.web.api.asking import Wake
from receiver.web.api.breakers import close_breaker
from receiver.web.api.pauses import pause_all, resume_all
from receiver.web.api.playbook_requests import BACKTEST_REACH, backtest_playbook, backtest_shape
from receiver.web.console.calendar import calendar
from receiver.web.console.page import page
from receiver.web.console.words import said
from receiver.web.problems import not_found
from receiver.webhook.access import Role

REACH: Final = timedelta(days=28)
"""Over which outcomes are counted."""

LAST: Final = 3
"""Runs that are shown beside each playbook."""

SHOWN: Final = 20

AnyRequest = Request[Any, Any, Any]


@get("/playbooks", opt=needs(Role.VIEWER), include_in_schema=False)
async def playbooks(request: AnyRequest, database: NamedDependency[Database]) -> Response[str]:
    """Show all playbooks."""
    at = datetime.now(UTC)
    async with database.transaction() as tx:
        found = await loaded.all_loaded(tx)
        outcomes = await playbook_ends(tx, at - REACH, at, now=at)
        paused = await pauses.current(tx, at)
        last = {
            one.name: (await remediations.page(tx, RunFilter(playbook=one.name), limit=LAST)).items for one in found
        }
    shown = [(one, dict(outcomes.get(one.name, {})), last[one.name]) for one in found]
    return page(request, "playbooks.html", playbooks=shown, pauses=paused)


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """The days, UTC, against which a form wants to have a playbook played, both included; None means any."""

    since: date | None = None
    until: date | None = None


@get("/playbooks/{name:str}", opt=needs(Role.VIEWER), include_in_schema=False)
async def show_playbook(
    *,
    request: AnyRequest,
    database: NamedDependency[Database],
    name: FromPath[str],
    asked: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)] = None,
) -> Response[str]:
    """Show one playbook: its document, its last runs, its last decisions, and a backtest."""
    async with database.transaction() as tx:
        found = await loaded.get(tx, name)
        runs = await remediations.page(tx, RunFilter(playbook=name), limit=SHOWN)
        decided = await decisions.page(tx, DecisionFilter(playbook=name), limit=SHOWN)
        number = asked or await backtests.newest(tx, name)
        wish = None if number is None else await requests.get(tx, number)
        result = None if number is None else await backtests.get(tx, number)
    if found is None:
        raise not_found(f"there is no playbook {name!r}")
    if asked is not None and (wish is None or wish.detail.get("playbook") != name):
        raise not_found(f"there is no backtest {asked} of {name!r}")
    played = None if result is None else backtest_shape(result)
    return page(
        request,
        "playbook.html",
        playbook=found,
        runs=runs.items,
        decided=decided.items,
        wish=wish,
        played=played,
        calendar=None if played is None else calendar(played),
        first_day=datetime.now(UTC).date() - BACKTEST_REACH,
    )


@post("/playbooks/{name:str}/backtests", opt=needs(Role.OPERATOR), include_in_schema=False)
async def play(
    request: AnyRequest, database: NamedDependency[Database], wake: NamedDependency[Wake], name: FromPath[str]
) -> Redirect:
    """Ask for a backtest."""
    days = await said(request, Range)
    wish = BacktestWish(since=_begin(days.since), until=_begin(days.until, later=timedelta(days=1)))
    asked: Asked = await backtest_playbook.fn(request, database, wake, name, wish)
    where = f"/playbooks/{quote(name, safe='')}?asked={asked.request_id}#past"
    return Redirect(where, status_code=HTTPStatus.SEE_OTHER.value)


@post("/pause", opt=needs(Role.ADMIN), include_in_schema=False)
async def pause(request: AnyRequest, database: NamedDependency[Database]) -> Redirect:
    """Let no playbook begin."""
    await pause_all.fn(request, database, await said(request, PauseWish))
    return _back()


@post("/resume", opt=needs(Role.ADMIN), include_in_schema=False)
async def resume(request: AnyRequest, database: NamedDependency[Database]) -> Redirect:
    """Let playbooks begin again."""
    await resume_all.fn(request, database)
    return _back()


@post("/playbooks/{name:str}/close", opt=needs(Role.ADMIN), include_in_schema=False)
async def close(request: AnyRequest, database: NamedDependency[Database], name: FromPath[str]) -> Redirect:
    """Close the breaker of a playbook, and give its own mode back."""
    await close_breaker.fn(request, database, name)
    return _back()


def _begin(day: date | None, *, later: timedelta = timedelta()) -> datetime | None:
    """Give the begin of a day, UTC, or of one that is later by so much.

    Raises:
        QueryRefused: No clock goes that far.
    """
    if day is None:
        return None
    try:
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + later
    except OverflowError as error:
        raise QueryRefused("that is too far in the future", parameter="until") from error


def _back() -> Redirect:
    return Redirect("/playbooks", status_code=HTTPStatus.SEE_OTHER.value)


HANDLERS = (playbooks, show_playbook, play, pause, resume, close)
