"""`/login/oidc`: logging in at a provider of OpenID Connect, and coming back from there."""

from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from receiver.model.errors import LoginError, ProviderUnreachable, SettingsError
from receiver.model.identity import Identity
from receiver.web.access import OPEN
from receiver.web.console.login import own_path
from receiver.web.console.page import page
from receiver.web.people import People
from receiver.web.problems import LOGIN, not_found
from receiver.web.question import TAKES_ANY
from receiver.web.session import Sessions

_LONGEST: Final = 4_096
"""Letters of what comes back from a provider: RFC 6749 names no bound, and codes that are tokens have some 1,500."""
_MOST_SHOWN: Final = 20
"""Groups that are listed for somebody whom none of them lets in."""

_DENIED: Final = "access_denied"
_ABSENT: Final = "auth.oidc is not configured: log in with a token"
_FORGOTTEN: Final = (
    "this browser began no attempt to log in that fits, or it took longer than ten minutes, or another one was begun "
    "meanwhile: log in once more"
)

_log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]


@get(f"{LOGIN}/oidc", opt=OPEN, include_in_schema=False)
async def leave_to_log_in(
    request: AnyRequest,
    sessions: NamedDependency[Sessions],
    next_: Annotated[str | None, QueryParameter(name="next")] = None,
) -> Response[Any]:
    """Lead somebody to the provider."""
    people = _people(sessions)
    attempt, cookie = sessions.begin(people, own_path(next_))
    try:
        address = await people.provider.login_url(
            redirect_uri=people.redirect_uri, state=attempt.state, nonce=attempt.nonce, challenge=attempt.challenge
        )
    except (LoginError, SettingsError) as error:
        return _failed(request, error)
    return Redirect(address, status_code=HTTPStatus.SEE_OTHER.value, cookies=[cookie])


@get(f"{LOGIN}/oidc/callback", opt={**OPEN, **TAKES_ANY}, include_in_schema=False)
async def come_back(
    *,
    request: AnyRequest,
    sessions: NamedDependency[Sessions],
    state_: Annotated[str, QueryParameter(name="state", max_length=_LONGEST)] = "",
    code: Annotated[str, QueryParameter(max_length=_LONGEST)] = "",
    iss: Annotated[str | None, QueryParameter(max_length=_LONGEST)] = None,
    error: Annotated[str | None, QueryParameter(max_length=_LONGEST)] = None,
) -> Response[Any]:
    """Open a session for somebody who comes back from the provider."""
    people = _people(sessions)
    attempt = sessions.resume(people, request, state_)
    if attempt is None:
        return _refused(request, _FORGOTTEN)
    if iss not in {None, people.provider.issuer}:
        return _refused(request, "another provider led here than the one that was asked")
    if error is not None or not code:
        return _refused(request, _said(error or ""))
    try:
        claims = await people.provider.claims(
            code=code, verifier=attempt.verifier, redirect_uri=people.redirect_uri, nonce=attempt.nonce
        )
    except (LoginError, SettingsError) as failure:
        return _failed(request, failure)
    identity = people.identity(claims)
    role = people.role(identity)
    if role is None:
        return _roleless(request, people, identity)
    _log.info("logged_in", name=identity.name, role=role.value, provider=people.provider.issuer)
    cookies = sessions.enter(people, identity, role)
    return Redirect(attempt.goal, status_code=HTTPStatus.SEE_OTHER.value, cookies=cookies)


def _people(sessions: Sessions) -> People:
    if sessions.people is None:
        raise not_found(_ABSENT)
    return sessions.people


def _said(error: str) -> str:
    if error == _DENIED:
        return "the provider says that you may not, or you said no there; ask whoever looks after it to let you in"
    named = "".join(c for c in error if c.isascii() and (c.isalnum() or c == "_"))[:60]
    return f"the provider answered {named or 'without a code'}: log in once more, or tell whoever looks after it"


def _failed(request: AnyRequest, error: LoginError | SettingsError) -> Response[str]:
    if isinstance(error, SettingsError):
        # It names a file of ours, which is nothing for whoever has not logged in.
        _log.error("secret_unreadable", reason=str(error), consequence="nobody can log in at the provider")
        return _shown(request, HTTPStatus.SERVICE_UNAVAILABLE, "the service cannot read a secret; its log says which")
    if not isinstance(error, ProviderUnreachable):
        return _refused(request, str(error))
    _log.warning("login_without_provider", reason=str(error))
    text = f"the provider does not answer at the moment: {error}. Try again, or log in with a token"
    return _shown(request, HTTPStatus.SERVICE_UNAVAILABLE, text)


def _refused(request: AnyRequest, reason: str) -> Response[str]:
    _log.warning("login_refused", reason=reason)
    return _shown(request, HTTPStatus.FORBIDDEN, reason)


def _roleless(request: AnyRequest, people: People, identity: Identity) -> Response[str]:
    _log.warning("login_without_role", name=identity.name, claim=people.roles_claim)
    listed = ", ".join(group[:100] for group in identity.groups[:_MOST_SHOWN]) or "nothing"
    text = (
        f"you are {identity.name} there, and nothing that the provider says of you in {people.roles_claim} may do "
        f"anything here; it says {listed}. Ask whoever runs Receiver to name one of them in auth.oidc.roles"
    )
    return _shown(request, HTTPStatus.FORBIDDEN, text)


def _shown(request: AnyRequest, status: HTTPStatus, detail: str) -> Response[str]:
    return page(request, "error.html", status=status.value, title="Not logged in", detail=f"{detail}.")


HANDLERS: Final = (leave_to_log_in, come_back)
