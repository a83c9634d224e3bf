"""`/playbooks`: how each stands and what it came to, and the one switch that stops them all."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from receiver.model.history import Step
from receiver.model.shapes.pauses import PauseWish
from receiver.store import pauses
from receiver.store.database import Database
from receiver.store.history import decisions, playbooks as loaded, remediations
from receiver.store.history.decisions import DecisionFilter
from receiver.store.history.remediations import RunFilter
from receiver.store.stats import StatsFilter, stats
from receiver.web.access import needs
from receiver.web.api.breakers import close_breaker
from receiver.web.api.pauses import pause_all, resume_all
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
        counted = await stats(tx, StatsFilter(since=at - REACH, until=at, step=Step.DAY), now=at, top=1)
        paused = await pauses.current(tx, at)
        last = {
            one.name: (await remediations.page(tx, RunFilter(playbook=one.name), limit=LAST)).items for one in found
        }
    outcomes = counted.playbooks or {}
    shown = [(one, dict(outcomes.get(one.name, {})), last[one.name]) for one in found]
    return page(request, "playbooks.html", playbooks=shown, pauses=paused)


@get("/playbooks/{name:str}", opt=needs(Role.VIEWER), include_in_schema=False)
async def show_playbook(request: AnyRequest, database: NamedDependency[Database], name: FromPath[str]) -> Response[str]:
    """Show one playbook: its document, its last runs and its last decisions."""
    async with database.transaction() as tx:
        found = await loaded.get(tx, name)
        runs = await remediations.page(tx, RunFilter(playbook=name), limit=SHOWN)
        decided = await decisions.page(tx, DecisionFilter(playbook=name), limit=SHOWN)
    if found is None:
        raise not_found(f"there is no playbook {name!r}")
    return page(request, "playbook.html", playbook=found, runs=runs.items, decided=decided.items)


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


def _back() -> Redirect:
    return Redirect("/playbooks", status_code=HTTPStatus.SEE_OTHER.value)


HANDLERS = (playbooks, show_playbook, pause, resume, close)
