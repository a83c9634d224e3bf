"""People who log in at a provider of theirs: their attempts, and the sessions that they get. Neither is kept here.

An attempt is a random number in a cookie, sealed with the time until which it counts and with where it leads. What the
provider must send back, what it must write into its token, and what proves that the code is ours are all made of that
number and of a key that only this service has. So every replica knows what another one began.

A session is sealed with that key too: name, role, and the time until which it counts. The key is made of the client's
secret and of all that decides who may do what, so that a change of either ends every session at once.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
import structlog

from receiver.model.errors import SettingsError
from receiver.model.identity import Identity, identity_of
from receiver.settings.entering import Oidc
from receiver.webhook.access import HELD, Caller, Role

ATTEMPT_LASTS: Final = timedelta(minutes=10)
"""How long somebody may take at the provider; whoever finds his second factor only then begins anew."""

MARK: Final = "~"
"""Before a session of a person, which no session of a token begins with."""

_ORDER: Final = (Role.ADMIN, Role.OPERATOR, Role.VIEWER)

_log = structlog.get_logger(__name__)


class Provider(Protocol):
    """Who vouches for people; see `receiver.clients.provider`."""

    @property
    def issuer(self) -> str:
        """Its name, which is an address."""
        ...

    async def look(self) -> None:
        """See that it answers."""
        ...

    async def login_url(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Write the address at which somebody logs in."""
        ...

    async def claims(self, *, code: str, verifier: str, redirect_uri: str, nonce: str) -> dict[str, Any]:
        """Exchange a code for what the provider says of somebody, and prove it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to log in.

    Attributes:
        goal: Where it leads within this service.
        state: What the provider sends back.
        nonce: What it writes into its token.
        verifier: What proves that the code is ours.
    """

    goal: str
    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """What is said of the verifier beforehand (RFC 7636, S256)."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


class _Kept(msgspec.Struct, array_like=True):
    until: int
    one: str
    """Where an attempt leads, or who has a session."""
    other: str
    """The number of an attempt, or the role of a session."""


class People:
    """Who may do what, of those for whom the provider vouches.

    Args:
        oidc: The settings.
        provider: Who vouches.
        public_url: How people reach this service.

    Raises:
        SettingsError: The client's secret cannot be read.
    """

    def __init__(self, oidc: Oidc, provider: Provider, *, public_url: str) -> None:
        self.provider = provider
        self.redirect_uri: Final = f"{public_url.rstrip('/')}/login/oidc/callback"
        self._oidc = oidc
        self._known = b""
        self._complaint = ""
        self._key()

    @property
    def roles_claim(self) -> str:
        """The claim that decides who may do what."""
        return self._oidc.roles_claim

    def identity(self, claims: Mapping[str, Any]) -> Identity:
        """Read who somebody is from claims that were proven."""
        return identity_of(claims, name_claim=self._oidc.name_claim, roles_claim=self._oidc.roles_claim)

    def role(self, identity: Identity) -> Role | None:
        """Say what somebody may do: the highest of what his groups may, None where none of them may anything."""
        held = {Role(self._oidc.roles[group]) for group in identity.groups if group in self._oidc.roles}
        return next((role for role in _ORDER if role in held), None)

    def begin(self, goal: str, now: datetime, random: Callable[[int], bytes]) -> tuple[Attempt, str]:
        """Begin an attempt; gives it, and what the browser keeps of it."""
        number = _text(random(32))
        kept = self._sealed("attempt", _Kept(int((now + ATTEMPT_LASTS).timestamp()), goal, number))
        return self._attempt(goal, number), kept

    def resume(self, kept: str, state: str, now: datetime) -> Attempt | None:
        """Take up an attempt with what came back from the provider; None where it is none of ours, or took too long."""
        found = self._opened("attempt", kept, now)
        if found is None:
            return None
        attempt = self._attempt(found.one, found.other)
        return attempt if hmac.compare_digest(attempt.state.encode(), state.encode(errors="replace")) else None

    def open_session(self, identity: Identity, role: Role, until: datetime) -> str:
        """Write what stands for somebody until a time."""
        return MARK + self._sealed("session", _Kept(int(until.timestamp()), identity.name, role.value))

    def in_session(self, session: str, now: datetime) -> Caller | None:
        """Recognise somebody by what `open_session` wrote; None where it is over, or none of ours."""
        found = self._opened("session", session.removeprefix(MARK), now) if session.startswith(MARK) else None
        return Caller(name=found.one, roles=HELD[Role(found.other)]) if found else None

    def _attempt(self, goal: str, number: str) -> Attempt:
        state, nonce, verifier = (_text(self._seal(what, number.encode())) for what in ("state", "nonce", "verifier"))
        return Attempt(goal=goal, state=state, nonce=nonce, verifier=verifier)

    def _sealed(self, what: str, kept: _Kept) -> str:
        body = msgspec.json.encode(kept)
        return f"{_text(body)}.{_text(self._seal(what, body))}"

    def _opened(self, what: str, text: str, now: datetime) -> _Kept | None:
        body, _, seal = text.partition(".")
        try:
            read = urlsafe_b64decode(body + "=" * (-len(body) % 4))
            given = urlsafe_b64decode(seal + "=" * (-len(seal) % 4))
        except ValueError:
            return None
        if not hmac.compare_digest(self._seal(what, read), given):
            return None
        kept = msgspec.json.decode(read, type=_Kept)
        return kept if kept.until > now.timestamp() else None

    def _seal(self, what: str, body: bytes) -> bytes:
        return hmac.digest(self._key(), what.encode() + b" of Receiver: " + body, "sha256")

    def _key(self) -> bytes:
        """Make the key; a secret that cannot be read leaves the last one that could."""
        try:
            secret = self._oidc.secret.reveal()
        except SettingsError as error:
            if not self._known:
                raise
            if str(error) != self._complaint:
                _log.error("secret_unreadable", reason=str(error), consequence="its last known value stays valid")
            self._complaint = str(error)
            return self._known
        self._complaint = ""
        decides = [self._oidc.issuer, self._oidc.client_id, self._oidc.roles_claim, sorted(self._oidc.roles.items())]
        self._known = hmac.digest(secret.encode(), json.dumps(decides).encode(), "sha256")
        return self._known


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
