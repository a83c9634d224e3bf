"""Sessions: what a browser keeps in place of a token, and whether a form that it posts was written by us.

The cookie comes along when somebody follows a link from elsewhere, so that a message's link leads whoever has logged in
to the incident and not to the login. It might come along with what another page makes a browser send as well. So what
changes something and comes in a session must say that a page of this service is its origin; browsers say so with every
form, and no page can lie there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from receiver.webhook.access import Access, Caller, Role

LASTS: Final = timedelta(hours=12)
"""How long a session lasts: a shift. Then the token is asked for again."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PLAIN: Final = "receiver"
_SECURE: Final = "__Host-receiver"
"""Browsers take a cookie of such a name over TLS only, and from this host alone."""

Connection = ASGIConnection[Any, Any, Any, Any]


def _present() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """Who has logged in.

    Args:
        access: Whose tokens open a session.
        public_url: How people reach the service; where it is `https`, so is the cookie.
        now: The present time; aware, UTC.
    """

    def __init__(
        self, access: Access, *, public_url: str | None = None, now: Callable[[], datetime] = _present
    ) -> None:
        self._access = access
        self._now = now
        parts = urlsplit(public_url or "")
        self._origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        self._secure = parts.scheme == "https"
        self._name = _SECURE if self._secure else _PLAIN

    def open(self, token: str) -> Cookie | None:
        """Open a session for whoever knows a token; None where it is unknown, or may not look at anything."""
        opened = self._access.keys.open_session(token, self._now() + LASTS)
        if opened is None or not opened[0].may(Role.VIEWER):
            return None
        return self._cookie(opened[1], int(LASTS.total_seconds()))

    def close(self) -> Cookie:
        """Make the browser forget its session."""
        return self._cookie("", 0)

    def caller(self, connection: Connection) -> Caller | None:
        """Recognise whoever has logged in; None where nobody has."""
        try:
            cookies = SimpleCookie(connection.headers.get("cookie", ""))
        except CookieError:
            return None
        kept = cookies.get(self._name)
        return self._access.keys.in_session(kept.value, self._now()) if kept else None

    def complaint(self, connection: Connection, *, in_session: bool) -> str | None:
        """Say why a request that changes something is not believed to come from a page of ours; None where it does.

        Args:
            connection: The request.
            in_session: Whether it counts by a session. Else a program sent it, which names no origin.
        """
        if connection.scope.get("method", "GET") in _SAFE:
            return None
        origin = connection.headers.get("origin")
        if origin is None:
            return "the request does not say from which page it comes" if in_session else None
        host = connection.headers.get("host", "")
        ours = {f"http://{host}", f"https://{host}", self._origin}
        return None if origin in ours else "the request comes from a page of another origin"

    def _cookie(self, session: str, seconds: int) -> Cookie:
        return Cookie(
            key=self._name,
            value=session,
            path="/",
            max_age=seconds,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )
