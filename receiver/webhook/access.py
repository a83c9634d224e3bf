"""Who knocks, and what may they do: tokens, and the rule for a service that has none.

A token says one role. `viewer` reads; `operator` also acts; `admin` may all, posting deliveries included. `ingest`
stands apart: it posts deliveries and can read nothing, since its token lies in Alertmanager's configuration.

Without tokens the service listens on loopback only, and whoever reaches it is viewer and ingest. A page in a browser on
the same machine reaches it too, and so does whatever a proxy lets through; therefore the request must name this machine
as its host, come from no foreign origin, and carry no trace of a proxy. Operators and admins need a token even there.
"""

import binascii
import hashlib
import hmac
import time
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog

from receiver.model.errors import SettingsError
from receiver.settings import Secret, Token, is_loopback

REREAD_AFTER: Final = timedelta(seconds=1)
"""Token files are looked at no more often than this, at any rate of requests."""

CHALLENGE: Final = 'Bearer realm="receiver", Basic realm="receiver"'
"""`WWW-Authenticate` of an answer 401."""

_MOMENT: Final = 8
"""Bytes of the end of a session: whole seconds since 1970."""

_REREAD_SECONDS: Final = REREAD_AFTER.total_seconds()
_REMEMBERED: Final = 100
"""Headers that are remembered at once: there are few tokens, and few ways to write each."""

Headers = Iterable[tuple[bytes, bytes]]
"""Headers as ASGI hands them over: names in lower case."""

_log = structlog.get_logger(__name__)


class Role(Enum):
    """What a caller may do."""

    VIEWER = "viewer"
    """Read everything."""
    OPERATOR = "operator"
    """Approve, run, silence, acknowledge."""
    ADMIN = "admin"
    """Replay, discard, change modes, pause."""
    INGEST = "ingest"
    """Post deliveries."""


HELD: Final[Mapping[Role, frozenset[Role]]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
    Role.ADMIN: frozenset(Role),
    Role.INGEST: frozenset({Role.INGEST}),
}
"""The roles that a token's role includes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Someone who was recognised.

    Attributes:
        name: The token's name in the settings, for the record of who did what.
        roles: All roles that are held.
    """

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Answer whether a role is held."""
        return role in self.roles


LOCAL: Final = Caller(name="local", roles=frozenset({Role.VIEWER, Role.INGEST}))
"""Whoever reaches a service without tokens on loopback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not let in; answer 401 with `CHALLENGE`.

    Attributes:
        status: 401 where nobody was recognised, 403 where the caller or the way of the request may not.
        reason: For the answer; says nothing about tokens.
    """

    status: HTTPStatus
    reason: str


class Keys:
    """The tokens that open the doors.

    Args:
        tokens: As configured, and the one that `serve` made up.
        clock: Seconds of a monotonic clock.

    Raises:
        SettingsError: A token is missing or cannot be read, or two are the same.
    """

    def __init__(self, tokens: Sequence[Token], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at = clock()
        self._keys = [_Key(token) for token in tokens]
        self._recognised: dict[bytes | str, Caller] = {}
        names: dict[bytes, str] = {}
        for key in self._keys:
            other = names.setdefault(key.digest, key.caller.name)
            if other is not key.caller.name:
                raise SettingsError(f"auth.tokens: {other} and {key.caller.name} are the same token; give each its own")

    def identify(self, authorization: bytes | str | None) -> Caller | None:
        """Recognise the caller by an `Authorization` header: `Bearer x`, `Token x`, or Basic with x as password.

        Every token is compared, in constant time, so that the time of the answer tells nothing. A header that was
        recognised is remembered until the files are looked at again; one that was not never is.
        """
        self._reread()
        if authorization is None:
            return None
        known = self._recognised.get(authorization)
        if known is not None:
            return known
        given = _token_in(authorization)
        if given is None:
            return None
        digest = _digest(given)
        found = [key.caller for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if found and len(self._recognised) < _REMEMBERED:
            self._recognised[authorization] = found[0]
        return found[0] if found else None

    def open_session(self, token: str, until: datetime) -> tuple[Caller, str] | None:
        """Recognise a token, and write what stands for it until a time; None where it is not known here.

        It is the time and a seal over it, made with the token's digest: so every replica knows it that knows the
        token, nothing need be kept, and it is over as soon as the token is changed or taken away.
        """
        caller = self.identify(f"Bearer {token}")
        if caller is None:
            return None
        moment = int(until.timestamp()).to_bytes(_MOMENT, "big")
        return caller, urlsafe_b64encode(moment + _seal(_digest(token.encode()), moment)).decode()

    def in_session(self, session: str, now: datetime) -> Caller | None:
        """Recognise the caller by what `open_session` wrote; None where it is over, or none of ours."""
        self._reread()
        try:
            given = urlsafe_b64decode(session.encode())
        except ValueError:
            return None
        moment, seal = given[:_MOMENT], given[_MOMENT:]
        if int.from_bytes(moment, "big") <= now.timestamp():
            return None
        found = [key.caller for key in self._keys if hmac.compare_digest(_seal(key.digest, moment), seal)]
        return found[0] if found else None

    def _reread(self) -> None:
        now = self._clock()
        if now - self._read_at >= _REREAD_SECONDS:
            self._read_at = now
            self._recognised.clear()
            for key in self._keys:
                key.reread()


class _Key:
    """One token: whose it is, and its digest as of the last reading."""

    def __init__(self, token: Token) -> None:
        self.caller = Caller(name=token.name, roles=HELD[Role(token.role)])
        self._secret: Secret = token.secret
        self._complaint = ""
        self.digest = _digest(self._secret.reveal().encode())

    def reread(self) -> None:
        """Take over a changed token; one that cannot be read leaves the old one valid, said once."""
        try:
            self.digest = _digest(self._secret.reveal().encode())
        except SettingsError as error:
            if str(error) != self._complaint:
                _log.error("token_unreadable", reason=str(error), consequence="its last known value stays valid")
            self._complaint = str(error)
        else:
            self._complaint = ""


class Access:
    """The rule of a service's doors.

    Args:
        keys: The tokens.
        local: Whether no tokens are configured, so that whoever is on this machine may read and post deliveries.
    """

    def __init__(self, keys: Keys, *, local: bool) -> None:
        self._keys = keys
        self._local = local

    @property
    def keys(self) -> Keys:
        """The tokens, for whoever turns one into a session."""
        return self._keys

    def admit(self, headers: Headers, role: Role, *, known: Caller | None = None) -> Caller | Refusal:
        """Decide whether a request may do what needs a role.

        Args:
            headers: All headers of the request.
            role: What is needed.
            known: Who was recognised by a session; counts where no token is given.
        """
        headers = tuple(headers)
        stranger = foreign(headers) if self._local else None
        if stranger is not None:
            return Refusal(status=HTTPStatus.FORBIDDEN, reason=stranger)
        authorization = _header(headers, b"authorization")
        if authorization is not None:
            caller = self._keys.identify(authorization)
        else:
            caller = known or (LOCAL if self._local else None)
        if caller is None:
            return Refusal(status=HTTPStatus.UNAUTHORIZED, reason="a token that is known here is needed")
        if caller.may(role):
            return caller
        if caller is LOCAL:
            return Refusal(status=HTTPStatus.UNAUTHORIZED, reason=f"this needs a token of the role {role.value}")
        return Refusal(
            status=HTTPStatus.FORBIDDEN, reason=f"this needs the role {role.value}, which {caller.name} does not have"
        )


def foreign(headers: Headers) -> str | None:
    """Say why a request did not come straight from this machine; None when it did, as far as headers can tell."""
    names: dict[bytes, bytes] = dict(headers)
    host = names.get(b"host", b"").decode("latin-1")
    origin = names.get(b"origin")
    if any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name in names):
        return "the request passed a proxy, and without auth.tokens the service answers this machine only"
    if not is_loopback(_hostname(host)):
        return "the request names a host that is not this machine; use http://127.0.0.1, or configure auth.tokens"
    if origin is not None and origin.decode("latin-1") not in {f"http://{host}", f"https://{host}"}:
        return "the request comes from a page of another origin"
    return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _header(headers: Headers, wanted: bytes) -> bytes | None:
    for name, value in headers:
        if name == wanted:
            return value
    return None


def _token_in(authorization: bytes | str) -> bytes | None:
    given = authorization.encode() if isinstance(authorization, str) else authorization
    scheme, _, credentials = given.strip().partition(b" ")
    credentials = credentials.strip()
    if scheme.lower() in {b"bearer", b"token"}:
        return credentials or None
    if scheme.lower() != b"basic":
        return None
    try:
        _, _, password = b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return password or None


def _seal(digest: bytes, moment: bytes) -> bytes:
    return hmac.digest(digest, b"a session of Receiver until " + moment, "sha256")


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
