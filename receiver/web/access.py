"""Who may call what: each route says the role that it needs, and a route that says nothing lets nobody in."""

from http import HTTPStatus
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from receiver.web.session import Sessions
from receiver.webhook.access import CHALLENGE, Access, Caller, Refusal, Role

_ROLE: Final = "role"
_OPEN: Final = "open"

OPEN: Final = {_ROLE: _OPEN}
"""Option of a route that anybody may call, or that looks at its callers itself."""


def needs(role: Role) -> dict[str, Any]:
    """Write the option of a route that needs a role."""
    return {_ROLE: role}


def needed(handler: BaseRouteHandler) -> Role | None:
    """Say which role a route needs: None when it is open, admin when it does not say."""
    wanted = handler.opt.get(_ROLE)
    if wanted == _OPEN:
        return None
    return wanted if isinstance(wanted, Role) else Role.ADMIN


def guard(access: Access, sessions: Sessions) -> Guard:
    """Make the guard of all routes; it leaves the caller in the connection as its user.

    A token counts before a session. Whatever changes something and names a page as its origin must name one of ours.
    """

    def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        role = needed(handler)
        if role is None:
            return
        known = sessions.caller(connection)
        admitted = access.admit(connection.scope["headers"], role, known=known)
        if isinstance(admitted, Refusal):
            raise _refused(admitted)
        complaint = sessions.complaint(connection, in_session=admitted is known)
        if complaint is not None:
            raise HTTPException(status_code=HTTPStatus.FORBIDDEN.value, detail=complaint)
        connection.scope["user"] = admitted

    return admit


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Give whoever the guard admitted."""
    caller = connection.scope["user"]
    if not isinstance(caller, Caller):
        raise TypeError("the guard has not seen this connection")
    return caller


def _refused(refusal: Refusal) -> HTTPException:
    unknown = refusal.status is HTTPStatus.UNAUTHORIZED
    headers = {"www-authenticate": CHALLENGE} if unknown else {}
    return HTTPException(status_code=refusal.status.value, detail=refusal.reason, headers=headers)
