"""The settings of who may come in: by a token, or by logging in at a provider of his own."""

import re
from typing import Annotated, Literal

import msgspec

from receiver.model.duration import Duration
from receiver.settings.part import Hidden, Part, Secret

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures that only the provider can make; those with a shared key, and `none`, are not to be had."""


class Token(Part, frozen=True):
    """Who may knock, and as what."""

    name: str
    """By which the record calls whoever holds it."""
    role: Literal["ingest", "viewer", "operator", "admin"]
    """`ingest` delivers alerts and reads nothing; a `viewer` reads, an `operator` decides too, an `admin` may all."""
    token: Hidden | None = None
    """The token itself; any text that nobody can guess."""
    token_file: str | None = None

    @property
    def secret(self) -> Secret:
        """The token itself."""
        return Secret(self.token, self.token_file, name=f"auth.tokens[{self.name}].token")


class Oidc(Part, frozen=True):
    """A provider of OpenID Connect, asked by Authorization Code with PKCE; `server.public_url` leads back here."""

    issuer: str
    """Such as `https://login.example.org/realms/main`, letter by letter as the provider writes it in its tokens."""
    client_id: str
    """As which this service is registered there, with `server.public_url` + `/login/oidc/callback` to lead back to."""
    roles: dict[str, Literal["viewer", "operator", "admin"]]
    """What a value of the claim may do here, as in `{sre: operator}`; the highest counts. Nobody else gets in."""
    client_secret: Hidden | None = None
    """What the provider gave with it. Sessions are sealed with it too: a new one ends them all."""
    client_secret_file: str | None = None
    roles_claim: str = "groups"
    """Claim of the ID token that says what somebody is; dots lead inwards, as in `realm_access.roles`."""
    name_claim: str = "email"
    """Claim by which the record names people, best one that they cannot change; without it, their `sub` does."""
    scopes: tuple[str, ...] = ("profile", "email")
    """What is asked for beside `openid`. Some providers put groups into the token only when asked for them."""
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256",)
    """How the ID token may be signed. Every provider can sign so, and hardly any signs otherwise."""
    timeout: Duration = Duration(seconds=10)
    """Of one question to the provider: somebody waits before a page."""

    def __post_init__(self) -> None:
        """Refuse what no provider could be, and a door that opens to nobody or cannot be sealed."""
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", self.issuer):
            raise ValueError("auth.oidc.issuer must be an absolute URL without user, query and fragment")
        if not self.client_id:
            raise ValueError("auth.oidc.client_id is empty")
        if not self.secret.given:
            raise ValueError("auth.oidc needs a client_secret or client_secret_file; register a confidential client")
        if not self.roles:
            raise ValueError("auth.oidc.roles is empty, so nobody could log in; write such as {sre: operator}")

    @property
    def secret(self) -> Secret:
        """What proves to the provider that it is this service."""
        return Secret(self.client_secret, self.client_secret_file, name="auth.oidc.client_secret")


class Auth(Part, frozen=True):
    """Who may do what."""

    tokens: tuple[Token, ...] = ()
    """Without any, the service answers on loopback only."""
    oidc: Oidc | None = None
    """Where people may log in to the console without a token; null means nowhere."""

    def __post_init__(self) -> None:
        """Refuse people without programs: a service without tokens answers nobody but this machine."""
        if self.oidc is not None and not self.tokens:
            raise ValueError("auth.oidc needs auth.tokens beside it: Alertmanager delivers with a token")
