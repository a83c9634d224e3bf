"""A provider of OpenID Connect: where people log in, and by whose word we know them.

Authorization Code with PKCE (RFC 7636). What the provider offers is in its discovery document; its keys are read anew
for each login, after it took a code of its own, so a change of keys needs nothing here. Nothing is followed.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec

from receiver.clients.connections import Connections
from receiver.clients.exchange import Answer, AnswerTooLong, exchange
from receiver.clients.identity_token import Expected, proven
from receiver.clients.outward import checked_url, is_loopback, quoted
from receiver.model.errors import IdentityRefused, LoginError, ProviderUnreachable, SettingsError

MOST_BYTES: Final = 512 * 1024
"""Of one answer."""

KNOWN_FOR: Final = timedelta(hours=1)
"""For which the discovery document counts."""

DOWN_FOR: Final = timedelta(seconds=5)
"""For which a provider that did not answer is not asked again: whoever opens the page would make us ask."""

_OK: Final = HTTPStatus.OK
_REMEDIES: Final = {
    "invalid_client": "it does not know this service: check auth.oidc.client_id and client_secret",
    "unauthorized_client": "this client may not log people in: allow it the flow with authorization codes there",
}

_Form = TypeVar("_Form")


def _present() -> datetime:
    return datetime.now(UTC)


class _Discovery(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])


class _Tokens(msgspec.Struct):
    id_token: str


class _Failure(msgspec.Struct):
    error: str = ""


class Provider(Connections):
    """One provider.

    Args:
        issuer: As the settings name it.
        client_id: Who we are there.
        secret: Gives what proves it.
        scopes: What is asked for beside `openid`.
        algorithms: How its tokens may be signed.
        timeout: Of one question.
        proxy: Through which it is reached.
        now: The present time.
        clock: Seconds of a monotonic clock.

    Raises:
        SettingsError: The issuer cannot be used.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str,
        secret: Callable[[], str],
        scopes: Sequence[str] = (),
        algorithms: Sequence[str] = ("RS256",),
        timeout: timedelta = timedelta(seconds=10),
        proxy: str | None = None,
        now: Callable[[], datetime] = _present,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        checked_url(issuer, setting="auth.oidc.issuer")
        super().__init__(timeout=timeout)
        self.issuer: Final = issuer
        self._client_id = client_id
        self._secret = secret
        self._scope = " ".join(dict.fromkeys(["openid", *scopes]))
        self._algorithms = tuple(algorithms)
        self._proxy = proxy
        self._now = now
        self._clock = clock
        self._asking = asyncio.Lock()
        self._found: tuple[_Discovery, float] | None = None
        self._down: tuple[LoginError, float] | None = None

    async def login_url(self, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Write the address at which somebody logs in.

        Args:
            redirect_uri: Where the provider leads him back to.
            state: What it sends back with him.
            nonce: What it writes into the token.
            challenge: SHA-256 of what proves later that the code is ours.

        Raises:
            LoginError: The provider does not say where.
        """
        found = await self._discovered()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = found.authorization_endpoint
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"

    async def claims(self, *, code: str, verifier: str, redirect_uri: str, nonce: str) -> dict[str, Any]:
        """Exchange a code for what the provider says of somebody, and prove it.

        Args:
            code: As it came back.
            verifier: Whose SHA-256 the challenge was.
            redirect_uri: The same as before.
            nonce: The same as before.

        Raises:
            ProviderUnreachable: The provider does not answer.
            IdentityRefused: The code or the token proves nothing.
            LoginError: The provider does not do as OpenID Connect wants it.
        """
        found = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._tokens(found, form)
        tokens = _read(answer, _Tokens, found.token_endpoint)
        keys = _read(await self._ask("GET", found.jwks_uri), dict[str, Any], found.jwks_uri)
        expected = Expected(
            issuer=self.issuer,
            client_id=self._client_id,
            nonce=nonce,
            algorithms=self._algorithms,
            now=self._now(),
        )
        return proven(tokens.id_token, keys, expected)

    async def look(self) -> None:
        """See that the provider answers, and offers what is needed.

        Raises:
            LoginError: It does not.
        """
        found = await self._discovered()
        _read(await self._ask("GET", found.jwks_uri), dict[str, Any], found.jwks_uri)

    async def _discovered(self) -> _Discovery:
        async with self._asking:
            if self._found is not None and self._clock() - self._found[1] < KNOWN_FOR.total_seconds():
                return self._found[0]
            if self._down is not None and self._clock() - self._down[1] < DOWN_FOR.total_seconds():
                error = self._down[0]
                raise type(error)(str(error))
            try:
                found = await self._discover()
            except LoginError as error:
                self._down = (error, self._clock())
                raise
            self._found, self._down = (found, self._clock()), None
            return found

    async def _discover(self) -> _Discovery:
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = _read(await self._ask("GET", address), _Discovery, address)
        if found.issuer != self.issuer:
            raise LoginError(
                f"{address} speaks for {_line(found.issuer)!r}, and auth.oidc.issuer is {self.issuer!r}: they must be "
                "the same to the letter"
            )
        for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            self._check(endpoint, address)
        return found

    def _check(self, endpoint: str, address: str) -> None:
        """Let a provider name no place where a secret would travel in the clear, nor one of ours unless it is there."""
        try:
            parts = checked_url(endpoint, setting="an address")
        except SettingsError as error:
            raise LoginError(f"{address} names an address that cannot be used: {error}") from error
        home = urlsplit(self.issuer).hostname or ""
        if is_loopback(parts.hostname or "") and not is_loopback(home):
            raise LoginError(f"{address} names an address on this machine, which is not where the provider is")

    async def _tokens(self, found: _Discovery, form: dict[str, str]) -> Answer:
        headers = {}
        offered = found.token_endpoint_auth_methods_supported
        if "client_secret_post" in offered and "client_secret_basic" not in offered:
            form = form | {"client_id": self._client_id, "client_secret": self._secret()}
        else:
            # RFC 6749, 2.3.1: both are written as in a form before they are joined.
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._secret())}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return await self._ask("POST", found.token_endpoint, data=form, headers=headers)

    async def _ask(self, method: str, address: str, **options: Any) -> Answer:
        options["headers"] = {"Accept": "application/json"} | options.get("headers", {})
        try:
            answer = await exchange(
                self._opened(), method, address, most_bytes=MOST_BYTES, proxy=self._proxy, **options
            )
        except TimeoutError as error:
            seconds = self._timeout.total_seconds()
            raise ProviderUnreachable(f"{address} did not answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = quoted(str(error) or type(error).__name__, without=self._secret())
            raise ProviderUnreachable(f"{address} cannot be reached: {reason}") from error
        except AnswerTooLong as error:
            raise LoginError(f"{address} answers more than {MOST_BYTES} bytes") from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ProviderUnreachable(f"{address} answered {answer.status}")
        if answer.status != _OK:
            raise _refusal(address, answer)
        return answer


def _refusal(address: str, answer: Answer) -> LoginError:
    """Say what an answer means that is neither success nor an outage."""
    try:
        error = msgspec.json.decode(answer.body, type=_Failure).error
    except msgspec.MsgspecError:
        error = ""
    if error == "invalid_grant":
        return IdentityRefused("the provider refused the code, which is used up or too old: log in once more")
    if error in _REMEDIES:
        return LoginError(f"{address} answered {error}: {_REMEDIES[error]}")
    named = f" ({_line(error)})" if error else ""
    return LoginError(f"{address} answered {answer.status}{named}, which is not what a provider does")


def _line(text: str) -> str:
    return quoted(text[:100], without="\0")


def _read(answer: Answer, form: type[_Form], address: str) -> _Form:
    try:
        return msgspec.json.decode(answer.body, type=form)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LoginError(f"{address} does not answer as OpenID Connect wants it: {error}") from error
