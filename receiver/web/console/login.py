"""Logging in: a token is exchanged for a session, which is all that the browser keeps.

Where a provider is configured, people may log in there instead; see `receiver.web.console.provider`.
"""

import re
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import structlog
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import QueryParameter
from litestar.response import Redirect

from receiver.web.access import OPEN
from receiver.web.console.page import page
from receiver.web.problems import LOGIN
from receiver.web.session import Sessions

_OWN_PATH: Final = re.compile(r"/(?![/\\])[\w\-./?&=%+~,:]*", re.ASCII)
"""An address of this service without any host, to which one may be led after logging in."""

_log = structlog.get_logger(__name__)


@get(LOGIN, opt=OPEN, include_in_schema=False)
async def show_login(
    request: Request[Any, Any, Any],
    sessions: NamedDependency[Sessions],
    next_: Annotated[str | None, QueryParameter(name="next")] = None,
) -> Response[str]:
    """Ask for a token."""
    request.scope["user"] = sessions.caller(request)
    return page(request, "login.html", refused=False, goal=own_path(next_), provider=provider_of(sessions))


@post(LOGIN, opt=OPEN, include_in_schema=False)
async def log_in(request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Response[Any]:
    """Open a session for whoever knows a token that may look."""
    complaint = sessions.complaint(request, in_session=True)
    if complaint is not None:
        raise HTTPException(status_code=HTTPStatus.FORBIDDEN.value, detail=complaint)
    form = await request.form()
    goal = own_path(str(form.get("next", "")))
    cookie = sessions.open(str(form.get("token", "")).strip())
    if cookie is None:
        _log.warning("login_refused")
        shown = {"refused": True, "goal": goal, "provider": provider_of(sessions)}
        return page(request, "login.html", status=HTTPStatus.UNAUTHORIZED.value, **shown)
    return Redirect(goal, status_code=HTTPStatus.SEE_OTHER.value, cookies=[cookie])


@post("/logout", opt=OPEN, include_in_schema=False)
async def log_out(request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Redirect:
    """Have the browser forget its session."""
    complaint = sessions.complaint(request, in_session=True)
    if complaint is not None:
        raise HTTPException(status_code=HTTPStatus.FORBIDDEN.value, detail=complaint)
    return Redirect(LOGIN, status_code=HTTPStatus.SEE_OTHER.value, cookies=[sessions.close()])


def own_path(wanted: str | None) -> str:
    """Give an address of this service to which one may be led after logging in: the one that is wanted, or the root."""
    return wanted if wanted and _OWN_PATH.fullmatch(wanted) else "/"


def provider_of(sessions: Sessions) -> str | None:
    """Name the host at which people log in; None where they log in by a token only."""
    return urlsplit(sessions.people.provider.issuer).hostname if sessions.people else None
