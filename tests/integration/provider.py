"""A provider of OpenID Connect that can go wrong in every way that its tokens and its answers allow."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc.jwk import RSAKey

from receiver.sandbox.loopback import LoopbackServer

CLIENT = "receiver & co"
SECRET = "a secret: with + signs"


@cache
def key(name: str) -> RSAKey:
    """A real key; made once for all tests, since making one takes long."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


class StandIn(LoopbackServer):
    """What the provider does.

    Attributes:
        person: Claims of whoever logs in.
        change: Claims that are put over the right ones; None takes one away.
        signs: Name of the key that signs.
        published: Names of the keys that it publishes.
        algorithm: By which it signs.
        header: What stands in the token's header beside that.
        discovery: What is put over the discovery document.
        returns: What is put over what it sends back with somebody; empty text takes something away.
    """

    def __init__(self) -> None:
        super().__init__(
            [
                web.get("/.well-known/openid-configuration", self.discover),
                web.get("/keys", self.keys),
                web.post("/token", self.token),
            ]
        )
        self.person: dict[str, Any] = {"email": "ann@example.org", "groups": ["sre"]}
        self.change: dict[str, Any] = {}
        self.signs = "one"
        self.published: tuple[str, ...] = ("one",)
        self.algorithm = "RS256"
        self.header: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.returns: dict[str, str] = {}
        self._asked: dict[str, Mapping[str, str]] = {}

    def log_in(self, address: str) -> str:
        """Log in as a person does at the address where he was led; gives the address that leads back."""
        parts = urlsplit(address)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.origin}/authorize"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self._asked[code] = asked
        back = {"code": code, "state": asked["state"], "session_state": "of its own", "iss": self.origin} | self.returns
        return f"{asked['redirect_uri']}?{urlencode({name: value for name, value in back.items() if value})}"

    async def discover(self, request: web.Request) -> web.Response:
        del request
        document = {
            "issuer": self.origin,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "jwks_uri": f"{self.origin}/keys",
        }
        return web.json_response(document | self.discovery)

    async def keys(self, request: web.Request) -> web.Response:
        del request
        listed = [key(name).as_dict(private=False) for name in self.published]
        return web.json_response({"keys": [{"kty": "of the future", "kid": "new"}, *listed]})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        pair = f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}"
        basic = request.headers.get("Authorization") == f"Basic {base64.b64encode(pair.encode()).decode()}"
        if not basic and (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self._asked.pop(str(form.get("code")), None)
        challenge = _text(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        proven = asked is not None and challenge == asked["code_challenge"]
        if asked is None or not proven or form.get("redirect_uri") != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "x", "token_type": "Bearer", "id_token": self.written(asked["nonce"])}
        )

    def written(self, nonce: str) -> str:
        """Write the token."""
        now = int(time.time())
        claims = {
            "iss": self.origin,
            "sub": "248289761001",
            "aud": CLIENT,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
            **self.person,
            **self.change,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.signs, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        said = f"{_text(json.dumps(header).encode())}.{_text(json.dumps(claims).encode())}"
        return f"{said}.{_text(self._signed(said.encode()))}"

    def _signed(self, said: bytes) -> bytes:
        """Sign by hand, since no library makes most of what goes wrong here."""
        if self.algorithm == "none":
            return b""
        if self.algorithm.startswith("HS"):
            # The oldest trick: the published key as the shared one.
            return hmac.digest(key(self.signs).as_pem(private=False), said, "sha256")
        digest = {"RS256": hashes.SHA256, "RS512": hashes.SHA512}[self.algorithm]
        signer = key(self.signs).private_key
        assert signer is not None
        return signer.sign(said, padding.PKCS1v15(), digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
