"""Sessions: what a browser keeps in place of a token, and whether a form that it posts was written by us.

The cookie comes along when somebody follows a link from elsewhere, so that a message's link leads whoever has logged in
to the incident and not to the login. It might come along with what another page makes a browser send as well. So what
changes something and comes in a session must say that a page of this service is its origin; browsers say so with every
form, and no page can lie there.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from receiver.model.identity import Identity
from receiver.web.people import ATTEMPT_LASTS, Attempt, People
from receiver.webhook.access import Access, Caller, Role

LASTS: Final = timedelta(hours=12)
"""How long a session lasts: a shift. Then the token is asked for again."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PLAIN: Final = "receiver"
_SECURE: Final = "__Host-receiver"
"""Browsers take a cookie of such a name over TLS only, and from this host alone."""
_ATTEMPT: Final = "-login"
"""Behind the name of the cookie of an attempt to log in at a provider."""

Connection = ASGIConnection[Any, Any, Any, Any]


def _present() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """Who has logged in.

    Args:
        access: Whose tokens open a session.
        public_url: How people reach the service; where it is `https`, so is the cookie.
        people: Those who may log in at a provider; None where that is not configured.
        now: The present time; aware, UTC.
    """

    def __init__(
        self,
        access: Access,
        *,
        public_url: str | None = None,
        people: People | None = None,
        now: Callable[[], datetime] = _present,
    ) -> None:
        self._access = access
        self.people = people
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

    def begin(self, people: People, goal: str) -> tuple[Attempt, Cookie]:
        """Begin an attempt to log in at the provider; gives it, and what the browser keeps of it."""
        attempt, kept = people.begin(goal, self._now(), secrets.token_bytes)
        return attempt, self._cookie(kept, int(ATTEMPT_LASTS.total_seconds()), suffix=_ATTEMPT)

    def resume(self, people: People, connection: Connection, state: str) -> Attempt | None:
        """Take up an attempt of this browser with what came back from the provider; None where there is none."""
        kept = self._kept(connection, self._name + _ATTEMPT)
        return people.resume(kept, state, self._now()) if kept else None

    def enter(self, people: People, identity: Identity, role: Role) -> tuple[Cookie, Cookie]:
        """Open a session for somebody for whom the provider vouches, and forget how he came to it."""
        session = people.open_session(identity, role, self._now() + LASTS)
        return self._cookie(session, int(LASTS.total_seconds())), self._cookie("", 0, suffix=_ATTEMPT)

    def caller(self, connection: Connection) -> Caller | None:
        """Recognise whoever has logged in; None where nobody has."""
        kept = self._kept(connection, self._name)
        if kept is None:
            return None
        person = self.people.in_session(kept, self._now()) if self.people else None
        return person or self._access.keys.in_session(kept, self._now())

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

    def _kept(self, connection: Connection, name: str) -> str | None:
        try:
            cookies = SimpleCookie(connection.headers.get("cookie", ""))
        except CookieError:
            return None
        kept = cookies.get(name)
        return kept.value if kept else None

    def _cookie(self, value: str, seconds: int, *, suffix: str = "") -> Cookie:
        return Cookie(
            key=self._name + suffix,
            value=value,
            path="/",
            max_age=seconds,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )
